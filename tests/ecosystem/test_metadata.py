"""Metadata routing: weights and groups reach the estimator through searches, pipelines and ensembles."""

import numpy as np
import pytest
import sklearn
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit, cross_validate, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

from sklearn_mm import ModalityTransformer, MultimodalClassifier

OLD = parse_version(sklearn.__version__) < parse_version("1.8")
HALVES = PredefinedSplit(np.arange(48) % 2)
WEIGHT = np.linspace(0.1, 3, 48)


@pytest.fixture(autouse=True)
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def requesting(model):
    return model.set_fit_request(sample_weight=True)


@pytest.mark.parametrize(
    "steps", [1, pytest.param(2, marks=pytest.mark.skipif(OLD, reason="its pipelines pass no weights to score"))]
)
def test_through_a_search_to_fit_and_score(clf, X, y, steps):
    model = requesting(clf.set_params(max_epochs=2)).set_score_request(sample_weight=True)
    if steps == 2:
        two = MultimodalClassifier(max_epochs=2, lr=1e-2, random_state=0)
        two = requesting(two).set_score_request(sample_weight=True)
        model = make_pipeline(ModalityTransformer(image=clf.image), two)
    grid = {"multimodalclassifier__fusion" if steps == 2 else "fusion": ["concat", "sum"]}
    search = GridSearchCV(model, grid, cv=HALVES, error_score="raise").fit(X, y, sample_weight=WEIGHT)
    for params, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        by_hand = []
        for train, test in HALVES.split():
            fitted = clone(model).set_params(**params).fit(X.iloc[train], y.iloc[train], sample_weight=WEIGHT[train])
            by_hand.append(accuracy_score(y.iloc[test], fitted.predict(X.iloc[test]), sample_weight=WEIGHT[test]))
        assert score == pytest.approx(np.mean(by_hand))
    best = clone(model).set_params(**search.best_params_).fit(X, y, sample_weight=WEIGHT)
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))
    without = clone(best).fit(X, y)
    assert not np.allclose(search.decision_function(X), without.decision_function(X), atol=1e-2)


def test_groups_beside_weights(clf, X, y, fit_once):
    model = requesting(clf).set_score_request(sample_weight=False).set_fit_request(groups=False)
    groups = np.repeat(np.arange(6), 8)
    result = cross_validate(
        model,
        X,
        y,
        cv=GroupKFold(2),
        params={"groups": groups, "sample_weight": WEIGHT},
        return_indices=True,
        error_score="raise",
    )
    for train, test, score in zip(*result["indices"].values(), result["test_score"], strict=True):
        assert not set(groups[train]) & set(groups[test])
        assert fit_once(clf, X.iloc[train], y.iloc[train], WEIGHT[train]).score(X.iloc[test], y.iloc[test]) == score


def test_a_learning_curve_asks_for_partial_fit_too(clf, X, y, fit_once):
    model = requesting(clf).set_score_request(sample_weight=False)
    weights = {"cv": HALVES, "train_sizes": [1.0], "params": {"sample_weight": WEIGHT}, "error_score": "raise"}
    with pytest.raises(ValueError, match="sample_weight"):
        learning_curve(model, X, y, **weights)
    _, _, scores = learning_curve(model.set_partial_fit_request(sample_weight=True), X, y, **weights)
    train, test = next(HALVES.split())
    assert fit_once(clf, X.iloc[train], y.iloc[train], WEIGHT[train]).score(X.iloc[test], y.iloc[test]) == scores[0, 0]


# Each meta-estimator, with what of it must equal a fit with the weights by hand.
META = {
    "voting": (lambda model: VotingClassifier([("only", model)]), lambda meta: meta.estimators_[0]),
    "stacking": (
        lambda model: StackingClassifier([("only", model)], LogisticRegression().set_fit_request(sample_weight=False)),
        lambda meta: meta.estimators_[0],
    ),
    "one vs rest": (OneVsRestClassifier, lambda meta: meta.estimators_[0]),
    "calibration": (
        lambda model: CalibratedClassifierCV(model, method="isotonic", cv=HALVES, ensemble=False),
        lambda meta: meta.calibrated_classifiers_[0].estimator,
    ),
}


@pytest.mark.parametrize("name", META)
def test_through_ensembles(clf, X, y, name, fit_once):
    make, find = META[name]
    meta = make(requesting(clf)).fit(X, y, sample_weight=WEIGHT)
    by_hand = fit_once(clf, X, (y == "dark").astype(int), sample_weight=WEIGHT)
    np.testing.assert_allclose(find(meta).predict_proba(X), by_hand.predict_proba(X), rtol=1e-5)
    without = fit_once(clf, X, y)
    assert not np.allclose(by_hand.decision_function(X), without.decision_function(X), atol=1e-2)


def test_through_several_outputs(clf, X, labels, fit_once):
    meta = MultiOutputClassifier(requesting(clf)).fit(X, labels, sample_weight=WEIGHT)
    by_hand = fit_once(clf, X, labels[:, 1], sample_weight=WEIGHT)
    np.testing.assert_array_equal(meta.predict_proba(X)[1], by_hand.predict_proba(X))


def test_through_a_transformed_target(reg, X, price):
    meta = TransformedTargetRegressor(requesting(reg), func=np.log, inverse_func=np.exp)
    expected = np.exp(clone(reg).fit(X, np.log(price), sample_weight=WEIGHT).predict(X))
    np.testing.assert_allclose(meta.fit(X, price, sample_weight=WEIGHT).predict(X), expected, rtol=1e-6)


def test_bagging_never_reads_rows_of_weight_zero(nameless_clf, X, y):
    weight = np.where(np.arange(48) < 24, 1.0, 0.0)
    rows = X.assign(photo=X["photo"].where(weight > 0, "nothing.png"))
    bag = BaggingClassifier(requesting(nameless_clf), n_estimators=2, random_state=0)
    assert bag.fit(rows, y, sample_weight=weight).predict(X).shape == (48,)  # and no picture is missing
    with pytest.raises(ValueError, match="no such file"):
        bag.fit(rows, y)


def test_to_the_estimator_as_a_transformer(clf, X, y, fit_once):
    final = LogisticRegression().set_fit_request(sample_weight=False)
    model = make_pipeline(requesting(clf), final).fit(X, y, sample_weight=WEIGHT)
    expected = fit_once(clf, X, y, sample_weight=WEIGHT).transform(X)
    np.testing.assert_array_equal(model[0].transform(X), expected)
