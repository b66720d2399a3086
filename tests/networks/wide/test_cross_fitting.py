import itertools
import math
from unittest import mock

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from sklearn_mm.networks import CrossEntropyLoss, SquaredErrorLoss
from sklearn_mm.networks.wide._cross_fitting import Settings, _PenaltySearch, cross_fit, fit
from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._folds import deal_folds


@pytest.fixture(params=[(60, 300), (300, 20)], ids=["wide", "tall"])
def design(request):
    return sparse.csr_array(sparse.random(*request.param, density=0.3, random_state=0))


def in_blocks(matrix, factors=None):
    """Return a matrix as a design whose last third is a block of its own, and dense."""
    cut = 2 * matrix.shape[1] // 3
    return DesignMatrix([matrix[:, :cut], matrix[:, cut:].toarray().astype(np.float32)], factors)


def settings(alpha, n_outputs):
    return Settings(alpha, (1.0, 1.0), 1.0, torch.zeros(n_outputs))


def test_squared_error_gives_ridge_regression(design):
    rng = np.random.default_rng(0)
    y, weight = rng.normal(size=(design.shape[0], 2)), rng.uniform(0.5, 2, size=design.shape[0])
    weights = torch.from_numpy(np.repeat(weight[:, np.newaxis], 2, axis=1))
    coef = fit(in_blocks(design), torch.from_numpy(y), weights, SquaredErrorLoss(), 2, settings(0.02, 2))
    ridge = Ridge(alpha=0.02 / 2 * weight.sum(), tol=1e-8).fit(design, y, sample_weight=weight)
    np.testing.assert_allclose(design @ coef[1:].numpy() + coef[0].numpy(), ridge.predict(design), atol=0.02)


def test_cross_entropy_gives_logistic_regression(design):
    y = np.random.default_rng(0).integers(3, size=design.shape[0])
    loss = CrossEntropyLoss().build([0, 1, 2])
    coef = fit(in_blocks(design), torch.from_numpy(y), torch.ones(len(y)), loss, 3, settings(0.01, 3))
    logistic = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-6, max_iter=1000).fit(design, y)
    scores = design @ coef[1:].numpy() + coef[0].numpy()
    centred = scores - scores.mean(1, keepdims=True)
    np.testing.assert_allclose(centred, logistic.decision_function(design), atol=0.05)


@pytest.mark.parametrize(("noise", "least", "most"), [(0.1, 0.95, 1.0), (5.0, -0.02, 0.1)])
def test_noise_is_not_followed(noise, least, most):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 40))
    y = torch.from_numpy(rows @ rng.normal(size=(40, 1)) / 6 + noise * rng.normal(size=(200, 1)))
    _, out_of_fold, _ = cross_fit(
        DesignMatrix([rows]), y, torch.ones(200, 1), SquaredErrorLoss(), 1, np.arange(200) % 5
    )
    assert least < 1 - (out_of_fold.sum(1) - y).var() / y.var() < most


def test_a_fit_that_is_too_sure_is_scaled_and_shifted():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 400))
    y = torch.from_numpy(rows[:, :5].sum(1, keepdims=True) + rng.normal(size=(300, 1)) > 3).double()
    loss, weight = CrossEntropyLoss().build([0, 1]), torch.where(y == 1, 4.0, 1.0)

    def loss_out_of_fold():
        _, out_of_fold, found = cross_fit(DesignMatrix([rows]), y, weight, loss, 1, np.arange(300) % 5)
        return (loss(out_of_fold.sum(1).double(), y) * weight).mean().item(), found

    calibrated, found = loss_out_of_fold()
    assert 0 < found.scale < 0.5
    with mock.patch(
        "sklearn_mm.networks.wide._cross_fitting.calibrate",
        lambda outputs, losses, max_scale: (losses(outputs).mean().item(), 1, 0),
    ):
        as_it_is, _ = loss_out_of_fold()
    assert calibrated < 0.95 * as_it_is


def test_rows_that_are_told_apart_without_a_mistake_are_not_made_surer():
    rows = np.random.default_rng(0).normal(size=(100, 2))
    rows[:, 0] += np.sign(rows[:, 0])
    y, weight = torch.from_numpy(rows[:, :1] > 0).double(), torch.ones(100, 1)
    _, out_of_fold, found = cross_fit(
        DesignMatrix([rows]), y, weight, CrossEntropyLoss().build([0, 1]), 1, np.arange(100) % 5
    )
    assert ((out_of_fold.sum(1).numpy() > 0) == (rows[:, :1] > 0)).all()
    assert found.scale == pytest.approx(1)


def test_outputs_may_be_scaled_up_unless_folds_lack_classes():
    rng = np.random.default_rng(0)
    spread = np.geomspace(3, 0.03, 60)  # the first directions tell, the others are noise
    rows = rng.normal(size=(300, 60)) * spread
    y = torch.from_numpy((rows[:, :4] @ [1, -1, 1, 1] > 0) + 2 * (rows[:, 1] > 0)).long()
    problem, weight, by_class = DesignMatrix([rows]), torch.ones(300), y.argsort().argsort().numpy()

    def settings(folds, **options):
        loss = CrossEntropyLoss().build([0, 1, 2, 3])
        return cross_fit(problem, y, weight, loss, 4, folds, **options)[2]

    timid, sure = settings(np.arange(300) % 5), settings(np.arange(300) % 5, max_scale=4.0)
    assert timid.scale <= 1 < sure.scale <= 4
    assert sure.alpha > timid.alpha
    assert settings(by_class // 30, max_scale=4.0).scale <= 1  # each fold has rows of one or two of four classes


@pytest.mark.parametrize("n_rows", [100, 800], ids=["rotated", "as it is"])
def test_a_block_that_misleads_counts_less(n_rows):
    rng = np.random.default_rng(0)
    tells, misleads = rng.normal(size=(2, n_rows, 30))
    y = torch.from_numpy(tells @ rng.normal(size=(30, 1)) / 5 + 0.5 * rng.normal(size=(n_rows, 1)))
    design, folds = DesignMatrix([tells, misleads, misleads[:, :0]]), np.arange(n_rows) % 5
    *_, found = cross_fit(design, y, torch.ones(n_rows, 1), SquaredErrorLoss(), 1, folds)
    assert found.factors[:2] == (1, 0.25)


def test_few_blocks_seem_to_mislead_by_chance():
    n_shrunk = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        blocks = rng.normal(size=(8, 200, 10))
        y = torch.from_numpy(blocks.sum((0, 2)) + 10 * rng.normal(size=200)).unsqueeze(1)  # each tells as much
        *_, found = cross_fit(DesignMatrix([*blocks]), y, torch.ones(200, 1), SquaredErrorLoss(), 1, np.arange(200) % 5)
        n_shrunk += sum(factor < 1 for factor in found.factors)
    assert n_shrunk < 14  # of 96; 19 if any gain were believed


@pytest.mark.parametrize("max_compared", [500, 200], ids=["all folds", "some folds"])
def test_features_that_say_little_count_less_and_another_penalty_may_be_better(max_compared):
    rng = np.random.default_rng(0)
    tells, misleads = rng.normal(size=(100, 30)), rng.normal(size=(100, 100))
    y = torch.from_numpy(tells @ rng.normal(size=(30, 1)) / 5 + 0.5 * rng.normal(size=(100, 1)))
    problem = y, torch.ones(100, 1), SquaredErrorLoss(), 1, np.arange(100) % 5
    alphas, losses = [], []
    for n_of_features in (0, 1):
        with mock.patch("sklearn_mm.networks.wide._cross_fitting._MAX_COMPARED", max_compared):
            _, out_of_fold, found = cross_fit(DesignMatrix([tells, misleads]), *problem, n_of_features=n_of_features)
        outputs = out_of_fold.sum((1, 2))
        alphas.append(found.alpha)
        losses.append((outputs - y[:, 0]).square().mean())
    assert found.factors[1] < 1
    assert alphas[1] < alphas[0]
    assert losses[1] < losses[0]
    rest, last = np.arange(80) // 4 * 5 + np.arange(80) % 4, np.arange(4, 100, 5)
    design = DesignMatrix([tells[rest], misleads[rest]])
    coef = fit(design, y[rest], torch.ones(80, 1), SquaredErrorLoss(), 1, found)[:, 0].numpy()
    expected = np.hstack([tells, misleads])[last] @ coef[1:] + coef[0]
    np.testing.assert_allclose(outputs[last], expected, atol=0.03)


def test_features_are_shrunk_together_with_the_penalty_that_suits_terms():
    rng = np.random.default_rng(0)
    tells, features = rng.normal(size=(100, 30)), rng.normal(size=(2, 100, 100))
    y = torch.from_numpy(tells @ rng.normal(size=(30, 1)) / 5 + 0.5 * rng.normal(size=(100, 1)))
    problem = y, torch.ones(100, 1), SquaredErrorLoss(), 1, np.arange(100) % 5
    with mock.patch.object(_PenaltySearch, "_misleading_blocks", return_value=[]):  # no block by itself
        alone = cross_fit(DesignMatrix([tells, *features]), *problem)[2]
        found = cross_fit(DesignMatrix([tells, *features]), *problem, n_of_features=2)[2]
    assert alone.factors == (1, 1, 1)
    assert found.factors[0] == 1 > found.factors[1] == found.factors[2]
    assert found.alpha < alone.alpha


def test_features_that_tell_count_in_full():
    rng = np.random.default_rng(0)
    misleads, tells = rng.normal(size=(100, 100)), rng.normal(size=(100, 30))
    y = torch.from_numpy(tells @ rng.normal(size=(30, 1)) / 5 + 0.5 * rng.normal(size=(100, 1)))
    problem = y, torch.ones(100, 1), SquaredErrorLoss(), 1, np.arange(100) % 5
    *_, found = cross_fit(DesignMatrix([misleads, tells]), *problem, n_of_features=1)
    assert found.factors[0] < found.factors[1] == 1


@pytest.mark.parametrize("together", [1, 100, 1000])
def test_the_prediction_of_a_row_does_not_know_it(together):
    rng = np.random.default_rng(0)
    rows, weight = rng.normal(size=(50, 8)), torch.ones(50, 1)
    y = torch.from_numpy(rows.sum(1, keepdims=True) / 3 + rng.normal(size=(50, 1)))
    folds = np.arange(50) % 5
    with mock.patch("sklearn_mm.networks.wide._cross_fitting._MAX_TOGETHER", together):
        _, out_of_fold, found = cross_fit(
            DesignMatrix([rows[:, :3], rows[:, 3:]]), y, weight, SquaredErrorLoss(), 1, folds
        )
    assert found.factors == (1, 1)
    found = found._replace(factors=(1,))
    for fold in range(5):
        others = folds != fold
        coef = fit(DesignMatrix([rows[others]]), y[others], weight[others], SquaredErrorLoss(), 1, found)
        coef = coef.squeeze(1).numpy()
        expected = np.stack([rows[~others, :3] @ coef[1:4], rows[~others, 3:] @ coef[4:]], axis=1)
        np.testing.assert_allclose(out_of_fold[~others, :-1, 0], expected, atol=0.03)
        np.testing.assert_allclose(out_of_fold[~others, -1, 0], coef[0], atol=0.03)


@pytest.mark.parametrize("noise", [0.01, 0.5, 5.0])
def test_the_penalty_is_the_best_of_all(noise):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100, 30))
    y = torch.from_numpy(rows @ rng.normal(size=(30, 1)) / 5 + noise * rng.normal(size=(100, 1)))
    folds = np.arange(100) % 5

    def loss(least, most):
        limits = {"_MIN_ALPHA": least, "_MAX_ALPHA": most}
        with mock.patch.multiple("sklearn_mm.networks.wide._cross_fitting", **limits, _TOLERANCE=1e-8):
            _, out_of_fold, *_ = cross_fit(DesignMatrix([rows]), y, torch.ones(100, 1), SquaredErrorLoss(), 1, folds)
        return (out_of_fold.sum(1) - y).square().sum().item()

    least = loss(4.0**-20, 4.0**6)
    losses = [loss(4.0**place, 4.0**place) for place in range(-10, 3)]
    assert least == pytest.approx(min(losses), rel=5e-3)


def test_classes_that_are_told_apart_keep_a_penalty():
    rng = np.random.default_rng(0)
    y = torch.arange(150) % 3
    rows = np.eye(3)[y] + 0.1 * rng.normal(size=(150, 3))
    loss = CrossEntropyLoss().build([0, 1, 2])
    *_, settings = cross_fit(DesignMatrix([rows]), y, torch.ones(150), loss, 3, np.arange(150) // 3 % 5)
    assert settings.alpha > 1e-6  # with ever less, the loss goes down for ever


def test_a_fit_ends_in_time():
    rng = np.random.default_rng(0)
    rows, folds = rng.normal(size=(100, 30)) @ rng.normal(size=(30, 30)), np.arange(100) % 5
    y = torch.from_numpy(rows @ rng.normal(size=(30, 1)) + 3 * rng.normal(size=(100, 1)) > 0).float()
    loss = CrossEntropyLoss().build([0, 1])
    problem = DesignMatrix([rows[:, :20], rows[:, 20:]]), y, torch.ones(100, 1), loss, 1
    losses, looks = {}, {}
    for end in (-math.inf, 50, 1e9, math.inf):
        clock = mock.Mock(perf_counter=mock.Mock(side_effect=itertools.count()))  # goes on at each look
        with (
            mock.patch("sklearn_mm.networks.wide._cross_fitting.time", clock),
            mock.patch("sklearn_mm.networks.wide._lbfgs.time", clock),
        ):
            coef, out_of_fold, found = cross_fit(*problem, folds, end=end)
            in_the_end = fit(*problem, found, coef, end=end)
        assert in_the_end.isfinite().all()
        losses[end] = loss(out_of_fold.sum(1), y).sum().item()
        looks[end] = clock.perf_counter.call_count
    assert looks[-math.inf] < 10 < looks[50] < 60 < looks[math.inf]
    assert losses[-math.inf] > losses[50] > losses[math.inf] == losses[1e9]


def make_many_classes(n_classes, n_rows):
    rng = np.random.default_rng(0)
    classes = np.arange(n_rows) % n_classes
    return DesignMatrix([rng.normal(size=(n_classes, 10))[classes] + 0.2 * rng.normal(size=(n_rows, 10))]), classes


@pytest.mark.parametrize("judged", [1, 10**9], ids=["by one fold", "by all folds"])
def test_two_rows_of_each_of_many_classes_tell_the_class(judged):
    design, classes = make_many_classes(150, 300)
    target, loss = torch.from_numpy(classes), CrossEntropyLoss().build(range(150))
    folds = deal_folds(design, target, 5, torch.Generator().manual_seed(0))
    with mock.patch("sklearn_mm.networks.wide._cross_fitting._MAX_COMPARED", judged):
        coef, out_of_fold, found = cross_fit(design, target, torch.ones(300), loss, 150, folds)
    assert (out_of_fold.sum(1).argmax(1) == target).float().mean() > 0.8  # by one other row of its class
    assert found.scale > 0.5
    others, _ = make_many_classes(150, 450)
    outputs = others.matmat(coef[1:])[300:] + coef[0]
    assert (outputs.argmax(1).numpy() == classes[:150]).mean() > 0.9


def test_two_rows_of_each_class_that_tell_little_are_not_given_up():
    rng = np.random.default_rng(0)
    classes = np.arange(400) % 200
    design = DesignMatrix([rng.normal(size=(200, 50))[classes] + 1.5 * rng.normal(size=(400, 50))])
    target, loss = torch.from_numpy(classes), CrossEntropyLoss().build(range(200))
    folds = deal_folds(design, target, 5, torch.Generator().manual_seed(0))
    _, out_of_fold, found = cross_fit(design, target, torch.ones(400), loss, 200, folds)
    assert found.scale > 0.85  # and 0.71 where they are compared with classes that have lost no row
    assert (out_of_fold.sum(1).argmax(1) == target).float().mean() > 10 / 200


@pytest.mark.parametrize("n_terms", [20, 300])
def test_folds_that_no_penalty_is_judged_by_know_no_more_than_the_others(n_terms):
    rng = np.random.default_rng(0)
    target = torch.from_numpy(rng.integers(10, size=300))  # noise
    design = DesignMatrix([rng.normal(size=(300, n_terms))])
    folds = deal_folds(design, target, 5, torch.Generator().manual_seed(0))
    loss = CrossEntropyLoss().build(range(10))
    with mock.patch.multiple(
        "sklearn_mm.networks.wide._cross_fitting", _MAX_COMPARED=1, _MIN_GAIN=-1.0, _MIN_ALPHA=4.0**-10
    ):
        _, out_of_fold, found = cross_fit(design, target, torch.ones(300), loss, 10, folds)
    assert found.alpha <= 4.0**-9  # where a fit knows its own rows by heart
    assert (out_of_fold.sum(1).argmax(1) == target).float().mean() < 0.2


@pytest.mark.parametrize("place", [1, -1, -3])
def test_the_penalty_is_about_the_one_that_is_known_to_be_best(place):
    rng = np.random.default_rng(0)
    n_rows, n_terms, alpha = (1000, 500, 4.0**place) if place > 0 else (200, 60, 4.0**place)
    rows, true = rng.normal(size=(n_rows, n_terms)), rng.normal(size=(n_terms, 1))
    # The mean of Bayesian regression is ridge regression with the variance of the noise over that of coefficients.
    y = torch.from_numpy(rows @ true + np.sqrt(alpha * n_rows / 2) * rng.normal(size=(n_rows, 1)))
    y = (y - y.mean()) / y.std()
    *_, found = cross_fit(DesignMatrix([rows]), y, torch.ones(n_rows, 1), SquaredErrorLoss(), 1, np.arange(n_rows) % 5)
    assert alpha / 17 < found.alpha < alpha * 17


def test_equal_seeds_give_equal_bits():
    design, classes = make_many_classes(40, 200)
    target, loss = torch.from_numpy(classes), CrossEntropyLoss().build(range(40))
    first, again = (cross_fit(design, target, torch.ones(200), loss, 40, np.arange(200) % 5) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
