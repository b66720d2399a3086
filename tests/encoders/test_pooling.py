import pytest
import torch
from sklearn.base import clone

from sklearn_mm.encoders._pooling import ItemPooling

COUNTS = torch.tensor([3, 0, 1, 2])


@pytest.fixture
def items():
    return torch.randn(6, 8, generator=torch.Generator().manual_seed(0))


def build(pool):
    torch.manual_seed(0)
    return ItemPooling(pool).build(width=8)


def test_mean_and_max(items):
    expected = [items[:3], torch.zeros(1, 8), items[3:4], items[4:]]
    torch.testing.assert_close(build("mean")(items, COUNTS).pooled, torch.stack([part.mean(0) for part in expected]))
    torch.testing.assert_close(build("max")(items, COUNTS).pooled, torch.stack([part.amax(0) for part in expected]))


def test_attention_is_the_papers(items):
    pooling = build("attention")
    hidden, _, score = pooling.score
    pooled = pooling(items, COUNTS).pooled
    for row, part in zip((0, 2, 3), (items[:3], items[3:4], items[4:]), strict=True):
        weights = torch.softmax(torch.tanh(part @ hidden.weight.T + hidden.bias) @ score.weight[0], 0)
        torch.testing.assert_close(pooled[row], weights @ part)
    assert not pooled[1].any()


@pytest.mark.parametrize("pool", ["mean", "max", "attention"])
def test_the_order_of_items_does_not_matter(pool, items):
    pooling = build(pool)
    turned = items[[2, 0, 1, 3, 5, 4]]
    torch.testing.assert_close(pooling(turned, COUNTS).pooled, pooling(items, COUNTS).pooled)


@pytest.mark.parametrize("pool", ["mean", "max", "attention"])
def test_items_are_the_tokens(pool, items):
    pooling = build(pool)
    _, tokens, mask = pooling(items, COUNTS)
    assert mask.sum(1).tolist() == COUNTS.tolist()
    torch.testing.assert_close(tokens[mask], items)
    assert not tokens[~mask].any()
    assert pooling.out_features == pooling.token_features == 8


@pytest.mark.parametrize("pool", ["mean", "max", "attention"])
@pytest.mark.parametrize("counts", [[0, 0, 0], [0, 6, 0], [1, 2, 3]])
def test_gradients_are_finite(pool, counts, items):
    pooling = build(pool)
    items = items[: sum(counts)].requires_grad_()
    pooling(items, torch.tensor(counts)).pooled.square().sum().backward()
    assert items.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in pooling.parameters())


def test_parameters():
    assert clone(ItemPooling("max")).pool == "max"
    with pytest.raises(ValueError, match="pool"):
        ItemPooling("median")._validate_params()
