import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import FiLMFusion

WIDTHS = {"image": 3, "title": 2}
TOKEN_WIDTHS = {"image": 4, "title": 2}


def features(n_rows=4):
    generator = torch.Generator().manual_seed(0)
    mask = {"image": torch.ones(n_rows, 2, dtype=torch.bool), "title": torch.ones(n_rows, 3, dtype=torch.bool)}
    mask["image"][0, 1] = mask["title"][:, 2] = False
    return {
        name: Features(
            torch.randn(n_rows, WIDTHS[name], generator=generator),
            torch.randn(*mask[name].shape, TOKEN_WIDTHS[name], generator=generator),
            mask[name],
        )
        for name in WIDTHS
    }


def without(blocks, name):
    """Return the features as they come where all rows lack a block."""
    return {**blocks, name: blocks[name]._replace(mask=torch.zeros_like(blocks[name].mask))}


def pooled(values):
    """Return the first value, the pooled vector's, and the mean of the others, the tokens', all rectified."""
    first, *others = (max(0.0, value) for value in values)
    return first + sum(others) / len(others)


def test_by_hand(by_hand):
    fusion = FiLMFusion(width=2).build(WIDTHS, 3, TOKEN_WIDTHS)
    film = fusion.films["0"]
    with torch.no_grad():
        film.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.5, 0.0], [0.0, -1.0]]))
        film.bias.copy_(torch.tensor([0.0, 0.1, 0.2, 0.3]))
    blocks = features()
    fused = fusion(blocks, torch.ones(4, 2, dtype=torch.bool))
    for row in range(4):
        a, b = blocks["title"].pooled[row].tolist()
        scale, shift = [1 + a, 1 + 2 * b + 0.1], [0.5 * a + 0.2, -b + 0.3]
        image = list(by_hand.parts(fusion.parts[0], blocks["image"], row))
        title = list(by_hand.parts(fusion.parts[1], blocks["title"], row))
        assert len(image) == (2 if row == 0 else 3)
        for unit in range(2):
            expected = pooled([scale[unit] * part[unit] + shift[unit] for part in image])
            expected += pooled([part[unit] for part in title])
            assert fused[row, unit].item() == pytest.approx(expected, abs=1e-5)


def test_without_the_condition_the_others_are_read_as_they_are(by_hand):
    fusion = FiLMFusion(width=2).build(WIDTHS, 3, TOKEN_WIDTHS)
    blocks = without(features(), "title")
    fused = fusion(blocks, torch.tensor([[True, False]] * 4))
    for row in range(4):
        image = list(by_hand.parts(fusion.parts[0], blocks["image"], row))
        expected = [pooled([part[unit] for part in image]) for unit in range(2)]
        assert fused[row].tolist() == pytest.approx(expected, abs=1e-5)


def test_the_condition_alone_is_heard():
    fusion = FiLMFusion(width=8).build(WIDTHS, 3, TOKEN_WIDTHS)
    blocks = without(features(), "image")
    fused = fusion(blocks, torch.tensor([[False, True]] * 4))
    assert (fused.std(0) > 0).any()


@pytest.mark.parametrize(("condition", "place"), [(None, 2), ("photo", 0), ("title", 1)])
def test_which_block_is_the_condition(condition, place):
    widths = {"photo": 4, "title": 5, "tabular": 6}
    fusion = FiLMFusion(condition=condition, width=4).build(widths, 3, widths)
    assert {film.in_features for film in fusion.films.values()} == {4 + place}
    assert set(fusion.films) == {"0", "1", "2"} - {str(place)}


def test_one_block_is_read_without_scale_and_shift():
    fusion = FiLMFusion(width=4).build({"photo": 4}, 3, {"photo": 4})
    assert not fusion.films


def test_unknown_condition():
    message = r"condition='titel', which is none of the blocks\. Did you mean 'title'\? Blocks: image, title\."
    with pytest.raises(ValueError, match=message):
        FiLMFusion(condition="titel").build(WIDTHS, 3, TOKEN_WIDTHS)
    with pytest.raises(ValueError, match=r"none of the blocks\. Blocks: image, title\."):
        FiLMFusion(condition="xyz").build(WIDTHS, 3, TOKEN_WIDTHS)
