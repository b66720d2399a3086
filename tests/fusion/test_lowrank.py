import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import LowRankTensorFusion


def features(*pooled):
    return {str(i): Features(p, p.unsqueeze(1), torch.ones(len(p), 1, dtype=torch.bool)) for i, p in enumerate(pooled)}


def with_one(vectors):
    return torch.cat([vectors, torch.ones(len(vectors), 1)], 1)


def build(*widths, rank=3):
    fusion = LowRankTensorFusion(width=4, rank=rank).build({str(i): w for i, w in enumerate(widths)}, n_outputs=2)
    with torch.no_grad():
        for factor in fusion.factors:
            factor.bias.normal_()
        fusion.bias.normal_()
    return fusion


def full_factors(fusion):
    """Return per block the factor of the paper, (rank, width, block width + 1)."""
    factors = [torch.cat([factor.weight, factor.bias.unsqueeze(1)], 1) for factor in fusion.factors]
    return [factor.view(fusion.rank, fusion.width, -1) for factor in factors]


def test_it_is_the_linear_map_of_the_outer_product():
    torch.manual_seed(0)
    fusion = build(2, 3, 1)
    x, y, z = torch.randn(5, 2), torch.randn(5, 3), torch.randn(5, 1)
    weight = torch.einsum("r,roi,roj,rok->oijk", fusion.weights, *full_factors(fusion))  # the whole tensor of weights
    outer = torch.einsum("bi,bj,bk->bijk", with_one(x), with_one(y), with_one(z))
    expected = torch.einsum("oijk,bijk->bo", weight, outer) + fusion.bias
    torch.testing.assert_close(fusion(features(x, y, z), torch.ones(5, 3, dtype=torch.bool)), expected)


def test_an_absent_block_is_zeros_and_a_one():
    torch.manual_seed(0)
    fusion = build(2, 3)
    x, y = torch.randn(5, 2), torch.randn(5, 3)
    fused = fusion(features(x, y), torch.tensor([[True, False]] * 5))
    (a, b), weights = full_factors(fusion), fusion.weights
    expected = torch.zeros(5, 4)
    for r in range(3):
        expected += weights[r] * (with_one(x) @ a[r].T) * b[r, :, -1]
    torch.testing.assert_close(fused, expected + fusion.bias)


def test_what_a_block_says_by_itself_is_heard_from_the_start():
    fusion = LowRankTensorFusion(width=4, rank=1).build({"0": 2, "1": 3}, n_outputs=2)
    x = torch.randn(5, 2)
    fused = fusion(features(x, torch.zeros(5, 3)), torch.ones(5, 2, dtype=torch.bool))
    torch.testing.assert_close(fused, fusion.weights * (1 + x @ fusion.factors[0].weight.T))
