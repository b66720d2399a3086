import numpy as np
import pytest
import torch
from sklearn.metrics import (
    mean_absolute_error,
    mean_pinball_loss,
    mean_poisson_deviance,
    mean_squared_error,
    r2_score,
)

from sklearn_mm.networks import AbsoluteErrorLoss, HuberLoss, PoissonLoss, QuantileLoss, SquaredErrorLoss
from sklearn_mm.networks.losses._regression import _weighted_quantile

RNG = np.random.default_rng(0)
OUTPUTS, TARGET = torch.tensor(RNG.normal(size=(50, 2))), torch.tensor(RNG.normal(size=(50, 2)))


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        (SquaredErrorLoss(), mean_squared_error),
        (AbsoluteErrorLoss(), mean_absolute_error),
        (QuantileLoss(0.9), lambda y, p: mean_pinball_loss(y, p, alpha=0.9)),
    ],
)
def test_losses_are_scikit_learns_metrics(loss, metric):
    np.testing.assert_allclose(loss(OUTPUTS, TARGET).mean(), metric(TARGET, OUTPUTS))


def test_poisson_is_half_the_deviance():
    counts = torch.tensor(RNG.poisson(2, size=50)).double()
    np.testing.assert_allclose(
        PoissonLoss()(OUTPUTS[:, 0], counts).mean(), mean_poisson_deviance(counts, OUTPUTS[:, 0].exp()) / 2
    )


def test_huber_by_hand():
    loss = HuberLoss(delta=2.0)(torch.tensor([[1.0], [2.0], [5.0]]), torch.zeros(3, 1))
    np.testing.assert_allclose(loss.squeeze(1), [0.5, 2.0, 2 * (5 - 1)])


@pytest.mark.parametrize("loss", [SquaredErrorLoss(), AbsoluteErrorLoss(), QuantileLoss(0.8), PoissonLoss()])
def test_shown_score_is_r2_of_the_predictions(loss):
    target = RNG.gamma(2, size=(60, 2)) * [1, 50]
    loss.build(2).fit_target(target, np.ones(60))
    outputs = RNG.normal(size=(60, 2), scale=0.3)
    shown = loss.row_scores(torch.from_numpy(outputs), torch.from_numpy(loss.encode(target))).mean()
    np.testing.assert_allclose(shown, r2_score(target, loss.predict(outputs)), atol=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (SquaredErrorLoss(), lambda y: y.mean(0)),
        (AbsoluteErrorLoss(), lambda y: np.quantile(y, 0.5, axis=0, method="inverted_cdf")),
        (HuberLoss(), lambda y: np.quantile(y, 0.5, axis=0, method="inverted_cdf")),
        (QuantileLoss(0.9), lambda y: np.quantile(y, 0.9, axis=0, method="inverted_cdf")),
        (PoissonLoss(), lambda y: y.mean(0)),
    ],
)
def test_an_output_of_zero_is_the_best_constant(loss, expected):
    target = RNG.gamma(2, size=(200, 2))
    loss.build(2).fit_target(target, np.ones(200))
    np.testing.assert_allclose(loss.predict(np.zeros((1, 2)))[0], expected(target))


def test_scale_of_the_median_is_not_that_of_outliers():
    target = np.concatenate([RNG.normal(10, 2, size=(990, 1)), np.full((10, 1), 1e6)])
    loss = AbsoluteErrorLoss().build(1)
    loss.fit_target(target, np.ones(1000))
    np.testing.assert_allclose(loss.scale_, 2, rtol=0.1)


def test_scale_of_a_target_that_is_mostly_one_value():
    target = np.concatenate([np.zeros((90, 1)), np.ones((10, 1))])
    loss = AbsoluteErrorLoss().build(1)
    loss.fit_target(target, np.ones(100))
    np.testing.assert_allclose(loss.scale_, 0.3)
    loss.fit_target(np.zeros((5, 1)), np.ones(5))
    np.testing.assert_allclose(loss.scale_, 1)


def test_weighted_quantiles_are_those_of_repeated_rows():
    values, weight = RNG.normal(size=(40, 2)), RNG.integers(0, 4, size=40)
    quantiles = [0.1, 0.5, 0.9, 1.0]
    expected = np.quantile(np.repeat(values, weight, axis=0), quantiles, axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(_weighted_quantile(values, weight.astype(float), quantiles), expected)


def test_poisson_refuses_negative_targets():
    with pytest.raises(ValueError, match=r"needs y >= 0, got -2 \(1 negative, the first in row 1\)"):
        PoissonLoss().check(np.array([3.0, -2.0, 0.0]))


@pytest.mark.parametrize(
    ("loss", "target", "levels"),
    [
        (SquaredErrorLoss(), [[3], [1], [3], [2]] * 15, [1, 2, 3]),
        (SquaredErrorLoss(), np.arange(200)[:, np.newaxis] % 5, [0, 1, 2, 3, 4]),
        (SquaredErrorLoss(), np.arange(200)[:, np.newaxis] % 10, list(range(10))),
        (SquaredErrorLoss(), np.arange(199)[:, np.newaxis] % 10, None),  # too few rows for each
        (SquaredErrorLoss(), np.arange(10)[:, np.newaxis], None),
        (SquaredErrorLoss(), np.arange(1100)[:, np.newaxis] % 11, None),  # too many values
        (SquaredErrorLoss(), [[1, 2], [2, 1]] * 40, None),  # two targets
        (AbsoluteErrorLoss(), [[3], [1], [3], [2]] * 15, None),  # a median is no mean
    ],
)
def test_few_values_of_which_means_are_wanted_are_levels(loss, target, levels):
    found = loss.build(np.shape(target)[1]).levels(np.asarray(target, dtype=np.float32))
    assert (found is None) if levels is None else found.tolist() == levels
