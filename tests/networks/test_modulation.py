import math

import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.networks import CrossEntropyLoss
from sklearn_mm.networks._modulation import GradientModulation, _factors


def test_factors_by_hand():
    assert _factors([0.5, 0.5]) == [1.0, 1.0]
    assert _factors([0.6, 0.2]) == [pytest.approx(1 - math.tanh(0.3 * 3)), 1.0]
    assert _factors([0.1, 0.2, 0.6]) == [1.0, 1.0, pytest.approx(1 - math.tanh(0.3 * 0.6 / 0.15))]


@pytest.mark.parametrize("scores", [[0.5, math.nan], [math.nan, math.nan], [0.5, 0.0]])
def test_blocks_that_cannot_be_compared_are_left_alone(scores):
    assert _factors(scores) == [1.0, 1.0]


def features(n_rows=400):
    torch.manual_seed(0)
    return {
        name: Features(
            torch.randn(n_rows, 3, requires_grad=True),
            torch.randn(n_rows, 2, 3, requires_grad=True),
            torch.ones(n_rows, 2, dtype=torch.bool),
        )
        for name in "ab"
    }


def test_the_gradient_of_the_block_that_is_ahead_is_scaled_and_shaken():
    modulation, blocks = GradientModulation({"a": 3, "b": 3}, 2), features()
    modulated, _ = modulation(blocks)
    modulation.factors = [0.25, 1.0]
    slope = torch.randn(400, 3) + 2
    torch.stack([(slope * block.pooled).sum() + block.tokens.sum() for block in modulated.values()]).sum().backward()
    torch.testing.assert_close(blocks["b"].pooled.grad, slope)
    noise = blocks["a"].pooled.grad - 0.25 * slope
    assert noise.std() == pytest.approx(float(slope.std()), rel=0.1)
    assert float(noise.mean()) == pytest.approx(0, abs=0.15)
    torch.testing.assert_close(blocks["a"].tokens.grad, torch.full((400, 2, 3), 0.25))  # of no spread
    torch.testing.assert_close(modulated["a"].pooled, blocks["a"].pooled)


def test_heads_learn_and_leave_the_features_alone():
    modulation, blocks = GradientModulation({"a": 3, "b": 3}, 2), features(n_rows=8)
    _, outputs = modulation(blocks)
    losses = modulation.losses(
        outputs,
        torch.ones(8, 2, dtype=torch.bool),
        CrossEntropyLoss().build("xyz"),
        torch.zeros(8, dtype=torch.int64),
    )
    losses.mean().backward()
    assert blocks["a"].pooled.grad is None
    assert all(layer.weight.grad.abs().sum() > 0 for layer in modulation.layers)


def test_scores_are_probabilities_of_the_right_class_over_the_rows_that_have_the_block():
    modulation = GradientModulation({"a": 3, "b": 3}, 2)
    logits = torch.log(torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.7, 0.3], [0.01, 0.99]]]))
    present = torch.tensor([[True, True], [True, False]])
    loss = CrossEntropyLoss().build("xyz")  # one class among many
    modulation.losses(logits, present, loss, torch.zeros(2, dtype=torch.int64))
    assert modulation.factors == [pytest.approx(1 - math.tanh(0.3 * 0.8 / 0.5)), 1.0]


def test_frozen_features_have_no_gradient_to_change():
    blocks = {name: block._replace(pooled=block.pooled.detach()) for name, block in features(8).items()}
    modulated, _ = GradientModulation({"a": 3, "b": 3}, 2)(blocks)
    assert not modulated["a"].pooled.requires_grad


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # torch's own, on the way to its compiler
def test_it_acts_in_a_compiled_network():
    modulation, blocks = GradientModulation({"a": 3, "b": 3}, 2), features(n_rows=8)
    compiled = torch.compile(modulation)
    for factor in (0.25, 0.5):
        modulated, _ = compiled(blocks)
        modulation.factors = [factor, 1.0]
        slopes = torch.autograd.grad(
            modulated["a"].tokens.sum() + modulated["b"].tokens.sum(), [block.tokens for block in blocks.values()]
        )
        torch.testing.assert_close(slopes[0], torch.full((8, 2, 3), factor))
        torch.testing.assert_close(slopes[1], torch.ones(8, 2, 3))
