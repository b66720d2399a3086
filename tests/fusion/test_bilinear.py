import math

import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import BilinearFusion


def features(*pooled):
    return {str(i): Features(p, p.unsqueeze(1), torch.ones(len(p), 1, dtype=torch.bool)) for i, p in enumerate(pooled)}


def by_hand(fusion, vectors):
    """Return the fused vector of one row from the formula of the paper; None stands for an absent block."""
    units = []
    for unit in range(fusion.width):
        total = 0.0
        for k in range(fusion.n_factors):
            product = 1.0
            for factor, vector in zip(fusion.factors, vectors, strict=True):
                if vector is not None:
                    row = unit * fusion.n_factors + k
                    product *= sum(w * x for w, x in zip(factor.weight[row].tolist(), vector, strict=True))
                    # the factors' biases are zero here
            total += product
        units.append(math.copysign(math.sqrt(abs(total)), total))
    length = math.sqrt(sum(unit**2 for unit in units))
    return [unit / length * math.sqrt(fusion.width) for unit in units]


def test_by_hand():
    fusion = BilinearFusion(width=3, n_factors=2).build({"0": 2, "1": 1, "2": 2}, n_outputs=2)
    with torch.no_grad():
        for i, factor in enumerate(fusion.factors):
            values = torch.arange(factor.weight.numel(), dtype=torch.float32) * 0.37 + i
            factor.weight.copy_(values.sin().view_as(factor.weight))
            factor.bias.zero_()
    one, two, three = [1.0, -2.0], [0.5], [3.0, 0.25]
    present = torch.tensor([[True, True, True], [True, False, True], [True, True, False], [False, True, False]])
    fused = fusion(features(*(torch.tensor([v] * 4) for v in (one, two, three))), present)
    for row, vectors in enumerate([(one, two, three), (one, None, three), (one, two, None), (None, two, None)]):
        assert fused[row].tolist() == pytest.approx(by_hand(fusion, vectors), abs=1e-4)


def test_a_unit_is_a_quadratic_form_of_two_blocks():
    fusion = BilinearFusion(width=4, n_factors=3).build({"0": 5, "1": 6}, n_outputs=2)
    x, y = torch.randn(7, 5), torch.randn(7, 6)
    with torch.no_grad():
        for factor in fusion.factors:
            factor.bias.zero_()
        u, v = (factor.weight.view(4, 3, -1) for factor in fusion.factors)
    forms = torch.einsum("bi,oki,okj,bj->bo", x, u, v, y)  # xᵀ (Uᵀ V) y
    roots = forms.sign() * forms.abs().sqrt()
    expected = 2 * roots / roots.norm(dim=1, keepdim=True)
    torch.testing.assert_close(fusion(features(x, y), torch.ones(7, 2, dtype=torch.bool)), expected, rtol=0, atol=1e-3)


def test_gradients_are_finite_where_the_square_root_is_at_zero():
    fusion = BilinearFusion(width=3).build({"0": 2, "1": 2}, n_outputs=2)
    with torch.no_grad():
        for factor in fusion.factors:
            factor.bias.zero_()
    x = torch.zeros(1, 2, requires_grad=True)
    fused = fusion(features(x, torch.ones(1, 2)), torch.ones(1, 2, dtype=torch.bool))
    fused.sum().backward()
    assert fused.tolist() == [[0.0, 0.0, 0.0]]
    assert x.grad.isfinite().all()
