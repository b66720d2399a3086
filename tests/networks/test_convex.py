import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from sklearn_mm.networks import CrossEntropyLoss, SquaredErrorLoss
from sklearn_mm.networks._convex import cross_fit, deal_folds, fit


@pytest.fixture(params=[(60, 300), (300, 20)], ids=["wide", "tall"])
def design(request):
    return sparse.csr_array(sparse.random(*request.param, density=0.3, random_state=0))


def test_squared_error_gives_ridge_regression(design):
    rng = np.random.default_rng(0)
    y, weight = rng.normal(size=(design.shape[0], 2)), rng.uniform(0.5, 2, size=design.shape[0])
    weights = torch.from_numpy(np.repeat(weight[:, np.newaxis], 2, axis=1))
    coef = fit(design, torch.from_numpy(y), weights, SquaredErrorLoss(), 2, alpha=0.02)
    ridge = Ridge(alpha=0.02 / 2 * weight.sum(), tol=1e-8).fit(design, y, sample_weight=weight)
    np.testing.assert_allclose(design @ coef[1:] + coef[0], ridge.predict(design), atol=0.02)


def test_cross_entropy_gives_logistic_regression(design):
    y = np.random.default_rng(0).integers(3, size=design.shape[0])
    loss = CrossEntropyLoss().build([0, 1, 2])
    coef = fit(design, torch.from_numpy(y), torch.ones(len(y)), loss, 3, alpha=0.01)
    logistic = LogisticRegression(C=1 / (0.01 * len(y)), tol=1e-6, max_iter=1000).fit(design, y)
    scores = design @ coef[1:] + coef[0]
    centred = scores - scores.mean(1, keepdims=True)
    np.testing.assert_allclose(centred, logistic.decision_function(design), atol=0.05)


def test_the_penalty_follows_the_noise():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 40))
    signal = rows @ rng.normal(size=(40, 1)) / 6
    folds, alphas = np.arange(200) % 5, []
    for noise in (0.1, 5.0):
        y = torch.from_numpy(signal + noise * rng.normal(size=signal.shape))
        *_, alpha = cross_fit(sparse.csr_array(rows), y, torch.ones(200, 1), SquaredErrorLoss(), 1, folds)
        alphas.append(alpha)
    assert alphas[0] < 0.1 < alphas[1]


def test_coefficients_of_a_fold_do_not_know_its_rows():
    rng = np.random.default_rng(0)
    rows, y, weight = (
        sparse.csr_array(rng.normal(size=(50, 8))),
        torch.from_numpy(rng.normal(size=(50, 1))),
        torch.ones(50, 1),
    )
    folds = np.arange(50) % 5
    _, fold_coefs, alpha = cross_fit(rows, y, weight, SquaredErrorLoss(), 1, folds)
    for fold, coef in enumerate(fold_coefs):
        others = folds != fold
        expected = fit(rows[others], y[others], weight[others], SquaredErrorLoss(), 1, alpha)
        np.testing.assert_allclose(coef, expected, atol=0.02)


def test_equal_rows_share_a_fold_and_classes_are_dealt_evenly():
    rng = np.random.default_rng(0)
    different = sparse.csr_array(rng.normal(size=(60, 7)))
    target = torch.from_numpy(np.repeat([0, 1], [40, 20]))
    which = np.concatenate([np.arange(60), rng.integers(60, size=40)])
    folds = deal_folds(different[which], target[which], 5, torch.Generator().manual_seed(0))
    assert all(len(np.unique(folds[which == row])) == 1 for row in range(60))
    counts = np.array([np.bincount(folds[:60][target == label], minlength=5) for label in (0, 1)])
    assert counts.tolist() == [[8] * 5, [4] * 5]


def test_one_row_many_times_is_one_fold():
    rows = sparse.csr_array(np.ones((6, 3)))
    folds = deal_folds(rows, torch.arange(6), 5, torch.Generator().manual_seed(0))
    assert folds.tolist() == [0] * 6
