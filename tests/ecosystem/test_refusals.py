"""What scikit-learn's tools and those built on it refuse on tables with pictures and texts, and the way round of each.

The guide lists them (docs/guide/meta_estimators.rst). If one is no longer refused, say so there.
"""

from itertools import combinations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import AdaBoostClassifier, BaggingClassifier, StackingClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SelectFromModel, SequentialFeatureSelector
from sklearn.impute import IterativeImputer
from sklearn.inspection import DecisionBoundaryDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, RANSACRegressor
from sklearn.model_selection import PredefinedSplit
from sklearn.multiclass import OneVsOneClassifier
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils.fixes import parse_version

from sklearn_mm import ModalityTransformer

OLD = parse_version(sklearn.__version__) < parse_version("1.9")
HALVES = PredefinedSplit(np.arange(48) % 2)
ROWS = np.arange(48).reshape(-1, 1)


def looking_up(table, model):
    """Return a model that is handed numbers of rows, and what a chain puts beside them."""

    def look_up(rows):
        numbers, *others = np.asarray(rows).T
        further = {f"further {i}": other for i, other in enumerate(others)}
        return table.iloc[numbers.astype(int)].assign(**further)

    return make_pipeline(FunctionTransformer(look_up), model)


# refused


REFUSED = {
    "stacking with passthrough": (lambda clf, reg: StackingClassifier([("only", clf)], passthrough=True), "y"),
    "one against one": (lambda clf, reg: OneVsOneClassifier(clf), "four"),
    "chain of classifiers": (lambda clf, reg: ClassifierChain(clf), "labels"),
    "chain of regressors": (lambda clf, reg: RegressorChain(reg), "labels"),
    "self-training": (lambda clf, reg: SelfTrainingClassifier(clf), "labels"),
    "sequential selection": (lambda clf, reg: SequentialFeatureSelector(clf, n_features_to_select=1), "y"),
    "recursive elimination": (lambda clf, reg: RFE(clf), "y"),
    "recursive elimination with folds": (lambda clf, reg: RFECV(clf), "y"),
    "imputation by models": (lambda clf, reg: IterativeImputer(reg), "y"),
    "consensus of samples": (lambda clf, reg: RANSACRegressor(reg), "price"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_strings_are_refused(clf, reg, X, request, name):
    make, target = REFUSED[name]
    target = request.getfixturevalue(target)
    target = target[:, 0] if name == "self-training" else target
    with pytest.raises(ValueError, match="could not convert string to float"):
        make(clf.set_params(max_epochs=1), reg).fit(X, target)


def test_missing_cells_are_refused_by_adaboost(nameless_clf, X, y):
    for column in X:
        lacking = X.assign(**{column: X[column].mask(np.arange(48) == 3)})
        with pytest.raises(ValueError, match="contains NaN"):
            AdaBoostClassifier(nameless_clf).fit(lacking, y)


def test_weights_are_not_passed_to_a_pipeline_by_adaboost(clf, X, y):
    with pytest.raises(ValueError, match="Pipeline doesn't support sample_weight"):
        AdaBoostClassifier(looking_up(X, clf)).fit(ROWS, y)


@pytest.mark.parametrize("convert", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"])
def test_partial_dependence_refuses_what_is_not_pandas(reg, X, price, fit_once, convert):
    with pytest.raises((AttributeError, TypeError, ValueError)):
        partial_dependence(fit_once(reg, X, price), convert(X), ["weight"])


@pytest.mark.skipif(OLD, reason="it rounds the grid to whole numbers instead, or warns of it")
def test_partial_dependence_refuses_whole_numbers(reg, X, price):
    whole = X.assign(weight=X["weight"].round().astype(int))
    with pytest.raises(ValueError, match="integer data"):
        partial_dependence(reg.fit(whole, price), whole, ["weight"])


def test_decision_boundaries_are_of_two_columns(clf, X, y, fit_once):
    with pytest.raises(ValueError, match="n_features must be equal to 2"):
        DecisionBoundaryDisplay.from_estimator(fit_once(clf, X, y), X)


def test_importances_for_selection_have_to_be_told(nameless_clf, X, y):
    with pytest.raises(ValueError, match="importance_getter"):
        SelectFromModel(nameless_clf).fit(X, y).get_support()


def probe(model):
    """Do as MAPIE 1.6 does to see whether a model, or the last step of a pipeline, is fitted."""
    model = model[-1] if isinstance(model, Pipeline) else model
    if hasattr(model, "n_features_in_"):
        model.predict(np.zeros((1, model.n_features_in_)))


def test_rows_of_zeros_are_refused(clf, X, y, fit_once):
    with pytest.raises(TypeError, match="reads paths"):
        probe(fit_once(clf, X, y))


# the way round: numbers of rows, which are looked up


def test_self_training_on_numbers_of_rows(clf, X, y, fit_once):
    clf.set_params(wide=None)  # the picture tells the class, and 32 rows are few to begin with something else
    known = np.where(np.arange(48) < 32, y == "dark", -1)
    learner = SelfTrainingClassifier(looking_up(X, clf), threshold=0.7).fit(ROWS, known)
    assert (learner.labeled_iter_ > 0).any()  # some rows got their labels by training
    trained = learner.transduction_ != -1
    by_hand = fit_once(clf, X[trained], learner.transduction_[trained])
    np.testing.assert_array_equal(learner.predict_proba(ROWS), by_hand.predict_proba(X))
    np.testing.assert_array_equal(learner.estimator_[-1].predict_proba(X), by_hand.predict_proba(X))
    assert np.mean(learner.predict(ROWS[32:]) == (y[32:] == "dark")) > 0.9


def test_one_against_one_on_numbers_of_rows(clf, X, four, fit_once):
    meta = OneVsOneClassifier(looking_up(X, clf)).fit(ROWS, four)
    classes = sorted(set(four))
    for member, (first, second) in zip(meta.estimators_, combinations(classes, 2), strict=True):
        used = four.isin([first, second]).to_numpy()
        by_hand = fit_once(clf, X[used], (four[used] == second).astype(int))
        np.testing.assert_array_equal(member[-1].decision_function(X), by_hand.decision_function(X))
    assert meta.score(ROWS, four) > 0.4


def test_a_chain_of_classifiers_on_numbers_of_rows(clf, X, labels, fit_once):
    clf.set_params(tabular="auto")
    chain = ClassifierChain(looking_up(X, clf), order=[0, 1]).fit(ROWS, labels)
    first = fit_once(clf, X, labels[:, 0])
    second = fit_once(clf, X.assign(**{"further 0": labels[:, 0].astype(float)}), labels[:, 1])
    assert second.specs_["tabular"].columns == ("weight", "further 0")
    predicted = first.predict(X)
    beside = second.predict(X.assign(**{"further 0": predicted.astype(float)}))
    np.testing.assert_array_equal(chain.predict(ROWS), np.column_stack([predicted, beside]))


def test_a_chain_of_regressors_on_numbers_of_rows(reg, X, price, fit_once):
    reg.set_params(tabular="auto")
    targets = np.column_stack([price, -price])
    chain = RegressorChain(looking_up(X, reg)).fit(ROWS, targets)
    first = fit_once(reg, X, price).predict(X)
    second = fit_once(reg, X.assign(**{"further 0": price}), -price)
    expected = np.column_stack([first, second.predict(X.assign(**{"further 0": first}))])
    np.testing.assert_allclose(chain.predict(ROWS), expected, rtol=1e-5)


def test_bagging_of_named_columns_on_numbers_of_rows(clf, X, y):
    bag = BaggingClassifier(looking_up(X, clf), n_estimators=2, random_state=0).fit(ROWS, y)
    for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        by_hand = clone(clf).set_params(random_state=member[-1].random_state)
        by_hand.fit(X.iloc[rows], np.unique(y, return_inverse=True)[1][rows])
        np.testing.assert_array_equal(member.predict_proba(ROWS), by_hand.predict_proba(X))


def test_consensus_of_samples_on_numbers_of_rows(reg, X, price, fit_once):
    junk = price.copy()
    junk[::8] += 50
    ransac = RANSACRegressor(looking_up(X, reg), min_samples=0.5, max_trials=3, residual_threshold=5, random_state=0)
    ransac.fit(ROWS, junk)
    assert not ransac.inlier_mask_[::8].any()
    by_hand = fit_once(reg, X[ransac.inlier_mask_], junk[ransac.inlier_mask_])
    np.testing.assert_allclose(ransac.predict(ROWS), by_hand.predict(X), rtol=1e-5)


# other ways round


def test_numbers_beside_a_stack(clf, X, y):
    numbers = make_pipeline(make_column_transformer(("passthrough", ["weight"])), LogisticRegression())
    stack = StackingClassifier([("all", clf), ("numbers", numbers)], cv=HALVES).fit(X, y)
    by_hand = LogisticRegression().fit(X[["weight"]], y).predict_proba(X[["weight"]])[:, 1]
    np.testing.assert_allclose(stack.transform(X)[:, 1], by_hand)
    assert stack.score(X, y) > 0.9


def test_a_pipeline_of_two_steps_is_not_asked_for_rows_of_zeros(clf, X, y, fit_once):
    image, text, tabular = clf.image, clf.text, clf.tabular
    reader = ModalityTransformer(image=image, text=text, tabular=tabular)
    model = make_pipeline(reader, clone(clf).set_params(image="auto", text="auto", tabular="auto")).fit(X, y)
    probe(model)
    np.testing.assert_allclose(model.predict_proba(X), fit_once(clf, X, y).predict_proba(X), rtol=1e-5)


def test_adaboost_takes_none_for_missing(nameless_clf, X, y):
    lacking = X.astype(object).where(~np.eye(48, 3, dtype=bool), None)
    boost = AdaBoostClassifier(nameless_clf.set_params(max_epochs=2), n_estimators=2, random_state=0).fit(lacking, y)
    for member in boost.estimators_:
        present = member.transformer_.transform(lacking.to_numpy(dtype=object)).present
        np.testing.assert_array_equal(present, ~np.eye(48, 3, dtype=bool))
    assert boost.predict(lacking).shape == (48,)


def test_selection_by_permutation_importance(nameless_clf, X, y):
    def importances(fitted):
        return permutation_importance(fitted, X[32:], y[32:], n_repeats=5, random_state=0).importances_mean

    selector = SelectFromModel(nameless_clf, importance_getter=importances).set_output(transform="pandas")
    selector.fit(X[:32], y[:32])
    assert selector.transform(X).columns.tolist() == ["photo"]  # which tells the class
    model = make_pipeline(selector, clone(nameless_clf)).fit(X[:32], y[:32])
    assert list(model[-1].specs_) == ["photo"]
    assert model.score(X[32:], y[32:]) > 0.9
