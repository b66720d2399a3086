"""What a fitted estimator is asked about: importances, partial dependence and displays."""

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    partial_dependence,
    permutation_importance,
)
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    DetCurveDisplay,
    PrecisionRecallDisplay,
    PredictionErrorDisplay,
    RocCurveDisplay,
    average_precision_score,
    confusion_matrix,
    roc_auc_score,
)
from sklearn.model_selection import LearningCurveDisplay, PredefinedSplit, ValidationCurveDisplay

mpl.use("agg")

HALVES = PredefinedSplit(np.arange(48) % 2)


# importances


def test_permutation_importance(clf, X, y, fit_once):
    importance = permutation_importance(fit_once(clf, X, y), X, y, n_repeats=3, random_state=0)
    assert importance.importances_mean.argmax() == 0  # the picture tells the class
    assert importance.importances_mean[0] > 0.2 + importance.importances_mean[1:].max()


def test_a_column_that_is_not_read_has_no_importance(clf, X, y):
    importance = permutation_importance(clf.set_params(text=None).fit(X, y), X, y, n_repeats=2, random_state=0)
    assert importance.importances[1].tolist() == [0, 0]


def test_permutation_importance_of_a_polars_table(clf, X, y):
    table = pl.from_pandas(X)
    with pytest.warns(UserWarning, match="does not have valid feature names"):  # scikit-learn makes an array of it
        of_polars = permutation_importance(clf.fit(table, y), table, y, n_repeats=2, random_state=0)
    of_pandas = permutation_importance(clf, table.to_pandas(), y, n_repeats=2, random_state=0)
    np.testing.assert_array_equal(of_polars.importances, of_pandas.importances)


# partial dependence


@pytest.mark.parametrize("column", ["weight", 2])
def test_partial_dependence_of_a_number(reg, X, price, column, fit_once):
    reg = fit_once(reg, X, price)
    result = partial_dependence(reg, X, [column], grid_resolution=3, kind="both")
    for value, average, individual in zip(
        result["grid_values"][0], result["average"][0], result["individual"][0].T, strict=True
    ):
        by_hand = reg.predict(X.assign(weight=value))
        np.testing.assert_allclose(individual, by_hand, rtol=1e-6)
        assert average == pytest.approx(by_hand.mean())
    assert np.ptp(result["average"]) > 0.1


def test_partial_dependence_of_classes(clf, X, four, fit_once):
    clf = fit_once(clf, X, four)
    result = partial_dependence(clf, X, ["weight"], grid_resolution=3, response_method="predict_proba")
    for value, average in zip(result["grid_values"][0], result["average"].T, strict=True):
        np.testing.assert_allclose(average, clf.predict_proba(X.assign(weight=value)).mean(axis=0), rtol=1e-5)


def test_partial_dependence_of_a_category(reg, X, price):
    X = X.assign(size=np.where(X["weight"] > 10, "large", "small"))
    reg.set_params(tabular=["weight", "size"]).fit(X, price)
    result = partial_dependence(reg, X, ["size"], categorical_features=["size"])
    assert result["grid_values"][0].tolist() == ["large", "small"]
    by_hand = [reg.predict(X.assign(size=size)).mean() for size in ("large", "small")]
    np.testing.assert_allclose(result["average"][0], by_hand, rtol=1e-6)


def test_partial_dependence_of_whole_numbers_and_of_polars_tables(reg, X, price, fit_once):
    # What scikit-learn refuses (see test_refusals.py) has the same result after a conversion.
    expected = partial_dependence(fit_once(reg, X, price), X, ["weight"], grid_resolution=3)["average"]
    table = pl.from_pandas(X)
    np.testing.assert_array_equal(
        partial_dependence(clone(reg).fit(table, price), table.to_pandas(), ["weight"], grid_resolution=3)["average"],
        expected,
    )
    whole = X.assign(weight=X["weight"].round().astype(int))
    reg.fit(whole, price)
    result = partial_dependence(reg, whole.astype({"weight": float}), ["weight"], grid_resolution=3)
    by_hand = [reg.predict(whole.assign(weight=value)).mean() for value in result["grid_values"][0]]
    np.testing.assert_allclose(result["average"][0], by_hand, rtol=1e-6)


def test_partial_dependence_display(reg, X, price, fit_once):
    reg = fit_once(reg, X, price)
    display = PartialDependenceDisplay.from_estimator(reg, X, ["weight"], grid_resolution=3)
    expected = partial_dependence(reg, X, ["weight"], grid_resolution=3)["average"][0]
    np.testing.assert_allclose(display.lines_[0, 0].get_ydata(), expected)


# displays


def test_learning_curve_display(clf, X, y, fit_once):
    display = LearningCurveDisplay.from_estimator(clf, X, y, cv=HALVES, train_sizes=[0.5, 1.0], score_type="test")
    assert display.train_sizes.tolist() == [12, 24]
    scores = [
        fit_once(clf, X.iloc[train], y.iloc[train]).score(X.iloc[test], y.iloc[test]) for train, test in HALVES.split()
    ]
    assert display.test_scores[1].tolist() == scores
    assert display.lines_[0].get_ydata()[1] == pytest.approx(np.mean(scores))


def test_validation_curve_display(clf, X, y):
    display = ValidationCurveDisplay.from_estimator(
        clf.set_params(wide=None), X, y, param_name="max_epochs", param_range=[1, 6], cv=HALVES, score_type="train"
    )
    first, last = display.lines_[0].get_ydata()
    assert first < last
    assert display.train_scores.shape == (2, 2)


def test_confusion_matrix_display(clf, X, four, fit_once):
    clf = fit_once(clf, X, four)
    display = ConfusionMatrixDisplay.from_estimator(clf, X, four)
    np.testing.assert_array_equal(display.confusion_matrix, confusion_matrix(four, clf.predict(X)))
    assert [label.get_text() for label in display.ax_.get_xticklabels()] == clf.classes_.tolist()


def test_curves_of_two_classes(clf, X, y):
    clf.set_params(max_epochs=2, lr=1e-2).fit(X, y)
    scores = clf.decision_function(X)
    assert RocCurveDisplay.from_estimator(clf, X, y).roc_auc == pytest.approx(roc_auc_score(y, scores))
    precision = average_precision_score(y, scores, pos_label="dark")
    assert PrecisionRecallDisplay.from_estimator(clf, X, y).average_precision == pytest.approx(precision)
    det = DetCurveDisplay.from_estimator(clf, X, y)
    assert (np.diff(det.fnr) >= 0).all()
    assert det.pos_label == "dark"
    calibration = CalibrationDisplay.from_estimator(clf, X, y, n_bins=4)
    np.testing.assert_array_equal(calibration.y_prob, clf.predict_proba(X)[:, 1])


def test_prediction_error_display(reg, X, price, fit_once):
    reg = fit_once(reg, X, price)
    display = PredictionErrorDisplay.from_estimator(reg, X, price, subsample=None)
    np.testing.assert_array_equal(display.y_pred, reg.predict(X))


def test_decision_boundary_display_of_two_numbers(nameless_clf, X, y):
    numbers = X[["weight"]].assign(height=np.where(y == "dark", 1.0, 2.0))
    nameless_clf.fit(numbers, y)
    display = DecisionBoundaryDisplay.from_estimator(
        nameless_clf, numbers, grid_resolution=5, response_method="decision_function"
    )
    assert display.response.shape == (5, 5)
    assert (display.response[0] > display.response[-1]).all()  # the lowest height is darker than the highest
