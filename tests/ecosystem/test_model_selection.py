"""Splitters, searches and curves on a raw table: what they say is what doing it by hand gives."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)

GROUPS = np.repeat(np.arange(12), 4)
HALVES = PredefinedSplit(np.arange(48) % 2)


@pytest.fixture
def scores_by_hand(fit_once):
    def scores(estimator, X, y, folds):
        return [
            fit_once(estimator, X.iloc[train], y.iloc[train]).score(X.iloc[test], y.iloc[test]) for train, test in folds
        ]

    return scores


# splitters


@pytest.mark.parametrize(
    "splitter",
    [
        GroupKFold(3),
        StratifiedGroupKFold(2),
        RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0),
        ShuffleSplit(2, test_size=0.25, random_state=0),
        TimeSeriesSplit(2),
        PredefinedSplit(np.repeat([-1, 0], 24)),
    ],
    ids=lambda splitter: type(splitter).__name__,
)
def test_splitters(clf, X, y, splitter, scores_by_hand):
    clf.set_params(
        wide=None, max_epochs=6
    )  # the picture tells the class, and half of 48 rows are few to begin with something else
    groups = GROUPS if "Group" in type(splitter).__name__ else None
    scores = cross_val_score(clf, X, y, groups=groups, cv=splitter, error_score="raise")
    assert scores.tolist() == scores_by_hand(clf, X, y, splitter.split(X, y, groups))
    assert scores.mean() > 0.75


def test_no_group_is_on_both_sides(clf, X, y):
    result = cross_validate(clf, X, y, groups=GROUPS, cv=GroupKFold(3), return_indices=True, return_estimator=True)
    for train, test in zip(*result["indices"].values(), strict=True):
        assert not set(GROUPS[train]) & set(GROUPS[test])
    fitted, test = result["estimator"][1], result["indices"]["test"][1]
    assert fitted.score(X.iloc[test], y.iloc[test]) == result["test_score"][1]


def test_a_split_in_two(clf, X, four):
    parts = train_test_split(X, four, stratify=four, random_state=0)
    assert clf.fit(parts[0], parts[2]).score(parts[1], parts[3]) > 0.4  # of four classes


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_cross_val_predict(clf, X, four, method, fit_once):
    predicted = cross_val_predict(clf, X, four, cv=HALVES, method=method)
    for train, test in HALVES.split():
        fitted = fit_once(clf, X.iloc[train], four.iloc[train])
        np.testing.assert_array_equal(predicted[test], getattr(fitted, method)(X.iloc[test]))
    assert predicted.shape == ((48,) if method == "predict" else (48, 4))


def test_permutation_test_score(clf, X, y, scores_by_hand):
    score, permuted, p_value = permutation_test_score(clf, X, y, cv=HALVES, n_permutations=3, random_state=0)
    assert score == np.mean(scores_by_hand(clf, X, y, HALVES.split()))
    assert score > permuted.max()
    assert p_value == pytest.approx(1 / 4)


# searches


def test_randomized_search(clf, X, y, fit_once, scores_by_hand):
    distributions = {"image__encoder__channels": [(2,), (4,), (2, 2)], "lr": loguniform(1e-3, 1e-1)}
    search = RandomizedSearchCV(clf, distributions, n_iter=2, cv=HALVES, random_state=0, error_score="raise").fit(X, y)
    by_hand = [
        np.mean(scores_by_hand(clone(clf).set_params(**params), X, y, HALVES.split()))
        for params in search.cv_results_["params"]
    ]
    assert search.cv_results_["mean_test_score"].tolist() == by_hand
    best = fit_once(clone(clf).set_params(**search.best_params_), X, y)
    np.testing.assert_array_equal(search.predict_proba(X), best.predict_proba(X))


def test_several_scores(clf, X, y, fit_once):
    clf.set_params(wide=None)  # which learns the same at any rate
    search = GridSearchCV(clf, {"lr": [1e-5, 2e-2]}, cv=HALVES, scoring=["accuracy", "roc_auc"], refit="roc_auc")
    search.fit(X, y)
    folds = [
        roc_auc_score(y.iloc[test], fit_once(clf, X.iloc[train], y.iloc[train]).decision_function(X.iloc[test]))
        for train, test in HALVES.split()
    ]
    assert search.best_params_ == {"lr": 2e-2}
    assert search.best_score_ == pytest.approx(np.mean(folds))


@pytest.mark.parametrize("Search", [HalvingGridSearchCV, HalvingRandomSearchCV])
def test_halving_by_rows(clf, X, y, fit_once, Search):
    candidates = {"n_candidates": 3} if Search is HalvingRandomSearchCV else {}
    rates = {"lr": [1e-6, 1e-5, 5e-2]}
    clf.set_params(wide=None, max_epochs=10)  # the wide part learns the same at any rate
    search = Search(clf, rates, cv=2, factor=3, min_resources=16, random_state=0, error_score="raise", **candidates)
    search.fit(X, y)
    assert search.n_resources_ == [16, 48]
    assert search.n_candidates_ == [3, 1]
    assert search.best_params_ == {"lr": 5e-2}
    by_hand = fit_once(clf.set_params(lr=5e-2), X, y)
    np.testing.assert_array_equal(search.predict_proba(X), by_hand.predict_proba(X))


def test_halving_by_epochs(clf, X, y):
    clf.set_params(wide=None)  # which predicts by itself, whatever the rate of the rest
    rates = {"lr": [1e-6, 1e-5, 2e-2]}
    search = HalvingGridSearchCV(
        clf, rates, cv=2, resource="max_epochs", min_resources=3, max_resources=9, random_state=0, error_score="raise"
    ).fit(X, y)
    assert search.n_resources_ == [3, 9]
    assert search.cv_results_["n_resources"].tolist() == [3, 3, 3, 9]
    assert search.best_params_ == {"lr": 2e-2, "max_epochs": 9}
    assert search.best_estimator_.n_epochs_ == 9
    assert search.score(X, y) > 0.9


def test_which_columns_are_worth_reading(clf, X, y):
    grid = {"image": [clf.image, None], "text": ["title", None]}
    search = GridSearchCV(clf, grid, cv=HALVES, error_score="raise").fit(X, y)
    results = zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True)
    seeing, blind = [], []
    for params, score in results:
        (blind if params["image"] is None else seeing).append(score)
    assert min(seeing) > max(blind) + 0.1  # the picture tells the class
    assert search.best_score_ == max(seeing)


# curves


def test_learning_curve(clf, X, y, scores_by_hand):
    sizes, train_scores, test_scores = learning_curve(clf, X, y, cv=HALVES, train_sizes=[0.5, 1.0], error_score="raise")
    assert sizes.tolist() == [12, 24]
    assert train_scores.shape == test_scores.shape == (2, 2)
    for size, scores in zip(sizes, test_scores, strict=True):
        assert scores.tolist() == scores_by_hand(clf, X, y, [(train[:size], test) for train, test in HALVES.split()])


def test_learning_curve_that_goes_on(clf, X, y):
    sizes, _, test_scores = learning_curve(
        clf, X, y, cv=HALVES, train_sizes=[0.5, 1.0], exploit_incremental_learning=True, error_score="raise"
    )
    for fold, (train, test) in enumerate(HALVES.split()):
        going_on = clone(clf)
        for before, size, scores in zip([0, *sizes], sizes, test_scores, strict=False):
            going_on.partial_fit(X.iloc[train[before:size]], y.iloc[train[before:size]], classes=np.unique(y))
            assert going_on.score(X.iloc[test], y.iloc[test]) == scores[fold]


def test_validation_curve(clf, X, y, scores_by_hand):
    train_scores, test_scores = validation_curve(
        clf, X, y, param_name="image__transformer__size", param_range=[2, 8], cv=HALVES, error_score="raise"
    )
    assert train_scores.shape == (2, 2)
    for size, scores in zip([2, 8], test_scores, strict=True):
        clf.set_params(image__transformer__size=size)
        assert scores.tolist() == scores_by_hand(clf, X, y, HALVES.split())
