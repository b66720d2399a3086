import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import AttentionFusion, BottleneckFusion
from sklearn_mm.fusion._block_tokens import Parts


def test_parts_are_the_pooled_vector_and_the_tokens(by_hand):
    read = Parts(3, 2, width=4)
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    features = Features(torch.randn(3, 3), torch.randn(3, 2, 2), mask)
    parts, there = read(features, torch.tensor([True, True, False]))
    assert there.tolist() == [[True, True, True], [True, True, False], [False, False, False]]
    for row in (0, 1):
        expected = torch.from_numpy(by_hand.parts(read, features, row)).float()
        torch.testing.assert_close(parts[row][there[row]], expected)


@pytest.mark.parametrize("fusion", [AttentionFusion, BottleneckFusion])
def test_width_must_be_shared_out_among_the_heads(fusion):
    message = f"{fusion.__name__} needs a width that is a multiple of n_heads, got width=10 and n_heads=4"
    with pytest.raises(ValueError, match=message):
        fusion(width=10).build({"image": 3}, 2, {"image": 3})


@pytest.mark.parametrize("fusion", [AttentionFusion, BottleneckFusion])
def test_of_many_tokens_the_means_of_runs_take_part(fusion):
    torch.manual_seed(0)
    mask = torch.arange(64) < torch.tensor([[64], [40], [5]])
    features = {"image": Features(torch.randn(3, 3), torch.randn(3, 64, 2), mask)}
    present = torch.ones(3, 1, dtype=torch.bool)
    built = fusion(width=8, max_tokens=5).build({"image": 3}, 2, {"image": 2}).eval()
    every = fusion(width=8, max_tokens=None).build({"image": 3}, 2, {"image": 2}).eval()
    every.load_state_dict(built.state_dict())

    parts, there = built.parts[0](features["image"], present[:, 0])
    assert parts.shape == (3, 6, 8)
    assert there.all()
    with torch.no_grad():
        fused, of_all = built(features, present), every(features, present)
    torch.testing.assert_close(fused[2], of_all[2])  # these five take part as they are
    assert (fused - of_all).abs().amax(1)[:2].min() > 1e-4


@pytest.mark.parametrize("fusion", [AttentionFusion, BottleneckFusion])
def test_few_tokens_take_part_by_default(fusion):
    built = fusion().build({"image": 3}, 2, {"image": 2})
    features = Features(torch.randn(2, 3), torch.randn(2, 196, 2), torch.ones(2, 196, dtype=torch.bool))
    parts, _ = built.parts[0](features, torch.ones(2, dtype=torch.bool))
    assert parts.shape == (2, 17, 128)
