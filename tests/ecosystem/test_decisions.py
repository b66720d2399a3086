"""Calibration, thresholds and frozen estimators: what is decided from the scores of a network."""

import copy

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import (
    FixedThresholdClassifier,
    PredefinedSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
)

HALVES = PredefinedSplit(np.arange(48) % 2)


def weights_of(model):
    return {name: weight.clone() for name, weight in model.net_.module_.state_dict().items()}


# calibration


def test_isotonic_calibration_per_fold(clf, X, y, fit_once):
    calibrated = CalibratedClassifierCV(clf, method="isotonic", cv=HALVES).fit(X, y)
    folds = []
    for train, test in HALVES.split():
        model = fit_once(clf, X.iloc[train], y.iloc[train])
        curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        curve.fit(model.decision_function(X.iloc[test]), y.iloc[test] == "dark")
        folds.append(curve.predict(model.decision_function(X)))
    np.testing.assert_allclose(calibrated.predict_proba(X)[:, 1], np.mean(folds, axis=0), atol=1e-6)
    assert calibrated.score(X, y) > 0.9


def test_one_calibration_of_all_folds(clf, X, y, fit_once):
    calibrated = CalibratedClassifierCV(clf, method="isotonic", cv=HALVES, ensemble=False).fit(X, y)
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(cross_val_predict(clf, X, y, cv=HALVES, method="decision_function"), y == "dark")
    expected = curve.predict(fit_once(clf, X, y).decision_function(X))
    np.testing.assert_allclose(calibrated.predict_proba(X)[:, 1], expected, atol=1e-6)


def test_calibration_of_a_fitted_estimator(clf, X, y):
    clf.fit(X[:24], y[:24])
    before = weights_of(clf)
    calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="isotonic").fit(X[24:], y[24:])
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    curve.fit(clf.decision_function(X[24:]), y[24:] == "dark")
    np.testing.assert_allclose(calibrated.predict_proba(X)[:, 1], curve.predict(clf.decision_function(X)), atol=1e-6)
    assert all((weight == before[name]).all() for name, weight in weights_of(clf).items())


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_of_several_classes(clf, X, four, method):
    calibrated = CalibratedClassifierCV(clf, method=method, cv=2).fit(X, four)
    probabilities = calibrated.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert calibrated.classes_.tolist() == sorted(set(four))
    assert calibrated.score(X, four) > 0.4


# thresholds


def test_tuned_threshold(clf, X, y, fit_once):
    clf.set_params(max_epochs=2, lr=1e-2)  # after which the classes still overlap
    tuned = TunedThresholdClassifierCV(clf, cv=HALVES, scoring="balanced_accuracy", store_cv_results=True).fit(X, y)
    probabilities = fit_once(clf, X, y).predict_proba(X)[:, 1]
    expected = np.where(probabilities >= tuned.best_threshold_, "dark", "bright")
    assert tuned.predict(X).tolist() == expected.tolist()
    default = cross_val_score(clf, X, y, cv=HALVES, scoring="balanced_accuracy").mean()
    assert tuned.best_score_ >= default
    assert tuned.cv_results_["scores"].max() == tuned.best_score_


@pytest.mark.parametrize("threshold", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("frozen", [False, True])
def test_fixed_threshold(clf, X, y, threshold, frozen, fit_once):
    clf = fit_once(clf.set_params(max_epochs=2, lr=1e-2), X, y)
    model = FrozenEstimator(clf) if frozen else clone(clf)
    fixed = FixedThresholdClassifier(model, threshold=threshold, pos_label="bright").fit(X, y)
    expected = np.where(clf.predict_proba(X)[:, 0] >= threshold, "bright", "dark")
    assert fixed.predict(X).tolist() == expected.tolist()


def test_threshold_of_a_frozen_estimator_is_tuned_on_other_rows(clf, X, y):
    clf.set_params(max_epochs=2, lr=1e-2).fit(X[:24], y[:24])
    before = weights_of(clf)
    tuned = TunedThresholdClassifierCV(FrozenEstimator(clf), cv="prefit", refit=False).fit(X[24:], y[24:])
    assert all((weight == before[name]).all() for name, weight in weights_of(clf).items())
    probabilities = clf.predict_proba(X[24:])[:, 1]
    candidates = [
        balanced_accuracy_score(y[24:], np.where(probabilities >= threshold, "dark", "bright"))
        for threshold in np.linspace(probabilities.min(), probabilities.max(), 100)
    ]
    assert tuned.best_score_ == pytest.approx(max(candidates))


# frozen


def test_a_frozen_estimator_is_not_fitted_again(clf, X, y, fit_once):
    clf = copy.deepcopy(fit_once(clf, X, y))
    frozen = FrozenEstimator(clf)
    expected = clf.predict_proba(X)
    np.testing.assert_array_equal(clone(frozen).fit(X[:8], y[:8][::-1]).predict_proba(X), expected)
    scores = cross_val_score(frozen, X, y, cv=HALVES)
    assert scores.tolist() == [clf.score(X.iloc[test], y.iloc[test]) for _, test in HALVES.split()]
