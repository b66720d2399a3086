"""Meta-estimators that change the target: one class against the rest, several outputs, another scale."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.multiclass import OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.preprocessing import StandardScaler


def test_one_against_the_rest(clf, X, four, fit_once):
    meta = OneVsRestClassifier(clf).fit(X, four)
    by_hand = [fit_once(clf, X, (four == name).astype(int)) for name in meta.classes_]
    scores = np.column_stack([model.decision_function(X) for model in by_hand])
    np.testing.assert_array_equal(meta.decision_function(X), scores)
    assert meta.predict(X).tolist() == meta.classes_[scores.argmax(axis=1)].tolist()
    assert meta.score(X, four) > 0.5


def test_one_against_the_rest_for_labels(clf, X, labels, fit_once):
    meta = OneVsRestClassifier(clf).fit(X, labels)
    by_hand = [fit_once(clf, X, column).predict_proba(X)[:, 1] for column in labels.T]
    np.testing.assert_array_equal(meta.predict_proba(X), np.column_stack(by_hand))


def test_one_against_the_rest_in_parts(clf, X, four):
    meta = (
        OneVsRestClassifier(clf).partial_fit(X[:24], four[:24], classes=np.unique(four)).partial_fit(X[24:], four[24:])
    )
    by_hand = clone(clf)
    for rows in (slice(0, 24), slice(24, 48)):
        by_hand.partial_fit(X[rows], (four[rows] == "bright dog").astype(int), classes=[0, 1])
    np.testing.assert_array_equal(meta.decision_function(X)[:, 1], by_hand.decision_function(X))


def test_output_code(clf, X, four):
    meta = OutputCodeClassifier(clf, code_size=1.5, random_state=0).fit(X, four)
    codes = np.column_stack([model.decision_function(X) for model in meta.estimators_])
    assert codes.shape == (48, 6)
    nearest = np.linalg.norm(codes[:, np.newaxis] - meta.code_book_, axis=2).argmin(axis=1)
    assert meta.predict(X).tolist() == meta.classes_[nearest].tolist()


def test_several_targets_of_one_classifier_each(clf, X, y, four, fit_once):
    targets = pd.DataFrame({"shade": y, "both": four})
    meta = MultiOutputClassifier(clf).fit(X, targets)
    by_hand = [fit_once(clf, X, targets[name]) for name in targets]
    assert meta.predict(X).tolist() == np.column_stack([model.predict(X) for model in by_hand]).tolist()
    for probabilities, model in zip(meta.predict_proba(X), by_hand, strict=True):
        np.testing.assert_array_equal(probabilities, model.predict_proba(X))


def test_several_targets_in_parts(clf, X, labels):
    meta = MultiOutputClassifier(clf).partial_fit(X, labels, classes=[[0, 1], [0, 1]])
    by_hand = clone(clf).partial_fit(X, labels[:, 1], classes=[0, 1])
    np.testing.assert_array_equal(meta.predict_proba(X)[1], by_hand.predict_proba(X))


def test_several_numbers(reg, X, price, fit_once):
    targets = np.column_stack([price, -price])
    meta = MultiOutputRegressor(reg).fit(X, targets)
    for column, target in enumerate(targets.T):
        np.testing.assert_array_equal(meta.predict(X)[:, column], fit_once(reg, X, target).predict(X))


@pytest.mark.parametrize("how", ["functions", "transformer"])
def test_a_transformed_target(reg, X, price, how, fit_once):
    if how == "functions":
        meta = TransformedTargetRegressor(reg, func=np.log, inverse_func=np.exp).fit(X, price)
        expected = np.exp(fit_once(reg, X, np.log(price)).predict(X))
    else:
        meta = TransformedTargetRegressor(reg, transformer=StandardScaler()).fit(X, price)
        scaled = (price - price.mean()) / price.std()
        expected = price.mean() + price.std() * fit_once(reg, X, scaled).predict(X)
    np.testing.assert_allclose(meta.predict(X), expected, rtol=1e-4)
    assert meta.score(X, price) > 0.2
