"""Weights and features small enough to be worked out by hand."""

import math

import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import ConcatFusion, MaxFusion, ProductFusion, SumFusion

# Row 0 has both blocks, row 1 only the first, row 2 only the second, row 3 none.
PRESENT = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
IMAGE = torch.tensor([[1.0, 2.0]]).repeat(4, 1)
TEXT = torch.tensor([[3.0]]).repeat(4, 1)


def features():
    return {
        name: Features(pooled, pooled.unsqueeze(1), torch.ones(4, 1, dtype=torch.bool))
        for name, pooled in {"image": IMAGE, "text": TEXT}.items()
    }


def build(fusion):
    """Build for a block of width 2 and one of width 1; image: (x0, x1 - x0), text: (x / 3, 1 - x)."""
    fusion.build({"image": 2, "text": 1}, n_outputs=3)
    with torch.no_grad():
        fusion.values[0].weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]))
        fusion.values[0].bias.zero_()
        fusion.values[1].weight.copy_(torch.tensor([[1 / 3], [-1.0]]))
        fusion.values[1].bias.copy_(torch.tensor([0.0, 1.0]))
    return fusion


def test_concat():
    fusion = ConcatFusion().build({"image": 2, "text": 1}, n_outputs=3)
    fused = fusion(features(), PRESENT)
    assert fused.tolist() == [[1.0, 2.0, 3.0]] * 4  # what stands in for absent blocks stays
    assert not list(fusion.parameters())


def test_sum():
    fused = build(SumFusion(width=2))(features(), PRESENT)
    torch.testing.assert_close(fused, torch.tensor([[2.0, -1.0], [1.0, 1.0], [1.0, -2.0], [0.0, 0.0]]))


def test_product():
    one, two = math.tanh(1), math.tanh(2)
    fused = build(ProductFusion(width=2))(features(), PRESENT)
    torch.testing.assert_close(fused, torch.tensor([[one * one, -one * two], [one, one], [one, -two], [1.0, 1.0]]))


def test_max():
    fused = build(MaxFusion(width=2))(features(), PRESENT)
    torch.testing.assert_close(fused, torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, -2.0], [0.0, 0.0]]))


@pytest.mark.parametrize("fusion", [SumFusion, ProductFusion, MaxFusion])
@pytest.mark.parametrize("width", [0, 1.5, "128", None])
def test_senseless_width(fusion, width):
    with pytest.raises(ValueError, match=f"'width' parameter of {fusion.__name__} must be"):
        fusion(width=width)._validate_params()
