import math

import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import GatedFusion


def features(*pooled):
    return {str(i): Features(p, p.unsqueeze(1), torch.ones(len(p), 1, dtype=torch.bool)) for i, p in enumerate(pooled)}


def build(gate_bias):
    """Build for two blocks of width 1; the values are the blocks' own, the gates are constant."""
    fusion = GatedFusion(width=1).build({"0": 1, "1": 1}, n_outputs=3)
    with torch.no_grad():
        for value in fusion.values:
            value.weight.fill_(1.0)
            value.bias.zero_()
        fusion.gates.weight.zero_()
        fusion.gates.bias.copy_(torch.tensor(gate_bias))
    return fusion


def test_by_hand():
    fusion = build([math.log(3.0), 0.0])  # shares of 3/4 and 1/4
    present = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    one, two = torch.full((4, 1), 1.0), torch.full((4, 1), -2.0)
    fused = fusion(features(one, two), present)
    expected = [0.75 * math.tanh(1) - 0.25 * math.tanh(2), math.tanh(1), -math.tanh(2), 0.0]
    torch.testing.assert_close(fused.squeeze(1), torch.tensor(expected))


def test_two_blocks_are_the_unit_of_the_paper():
    fusion = GatedFusion(width=5).build({"0": 4, "1": 3}, n_outputs=2)
    x, v = torch.randn(6, 4), torch.randn(6, 3)
    fused = fusion(features(x, v), torch.ones(6, 2, dtype=torch.bool))
    gates = fusion.gates(torch.cat([x, v], 1))
    z = (gates[:, :5] - gates[:, 5:]).sigmoid()  # the paper's z = σ(W [x, v])
    expected = z * fusion.values[0](x).tanh() + (1 - z) * fusion.values[1](v).tanh()
    torch.testing.assert_close(fused, expected)


def test_the_gates_of_a_unit_share_one_softmax_over_the_blocks():
    fusion = build([0.0, 0.0])
    fused = fusion(features(torch.full((1, 1), 1.0), torch.full((1, 1), 3.0)), torch.ones(1, 2, dtype=torch.bool))
    assert fused.item() == pytest.approx((math.tanh(1) + math.tanh(3)) / 2)


def test_the_share_of_an_absent_block_goes_to_the_others():
    fusion = GatedFusion(width=2).build({"0": 1, "1": 1, "2": 1}, n_outputs=3)
    present = torch.tensor([[True, False, False]])
    pooled = [torch.ones(1, 1), torch.full((1, 1), 50.0), torch.full((1, 1), -50.0)]
    fused = fusion(features(*pooled), present)
    torch.testing.assert_close(fused, fusion.values[0](pooled[0]).tanh())
