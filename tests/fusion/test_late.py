import math

import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import LateFusion


def features(*pooled):
    return {str(i): Features(p, p.unsqueeze(1), torch.ones(len(p), 1, dtype=torch.bool)) for i, p in enumerate(pooled)}


def test_by_hand():
    fusion = LateFusion().build({"0": 1, "1": 1}, n_outputs=2)
    with torch.no_grad():
        for output, weight in zip(fusion.outputs, ([[1.0], [2.0]], [[4.0], [0.0]]), strict=True):
            output.weight.copy_(torch.tensor(weight))
            output.bias.zero_()
        fusion.weights.copy_(torch.tensor([math.log(3.0), 0.0]))  # shares of 3/4 and 1/4
    present = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    outputs = fusion(features(torch.ones(4, 1), torch.ones(4, 1)), present)
    torch.testing.assert_close(outputs, torch.tensor([[1.75, 1.5], [1.0, 2.0], [4.0, 0.0], [0.0, 0.0]]))


def test_blocks_start_with_equal_weights_and_no_head_follows():
    fusion = LateFusion().build({"0": 4, "1": 3, "2": 2}, n_outputs=5)
    pooled = [torch.randn(6, 4), torch.randn(6, 3), torch.randn(6, 2)]
    outputs = fusion(features(*pooled), torch.ones(6, 3, dtype=torch.bool))
    alone = [output(p) for output, p in zip(fusion.outputs, pooled, strict=True)]
    torch.testing.assert_close(outputs, torch.stack(alone).mean(0))
    assert fusion.gives_outputs
    assert fusion.out_features == 5
