"""Ensembles of multimodal estimators: votes, stacks, bags and boosts are what they are by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

HALVES = PredefinedSplit(np.arange(48) % 2)


def pair(model):
    """Two models that differ."""
    return [("concat", model), ("sum", clone(model).set_params(fusion="sum", random_state=1))]


# voting


def test_hard_votes(clf, X, four, fit_once):
    models = [*pair(clf), ("blind", clone(clf).set_params(image=None))]
    ensemble = VotingClassifier(models, voting="hard").fit(X, four)
    votes = np.array([fit_once(model, X, four).predict(X) for _, model in models])
    majority = [max(sorted(set(column)), key=list(column).count) for column in votes.T]
    assert ensemble.predict(X).tolist() == majority


def test_soft_votes(clf, X, four, fit_once):
    ensemble = VotingClassifier(pair(clf), voting="soft", weights=[3, 1]).fit(X, four)
    by_hand = [fit_once(model, X, four).predict_proba(X) for _, model in pair(clf)]
    np.testing.assert_allclose(ensemble.predict_proba(X), np.average(by_hand, axis=0, weights=[3, 1]), rtol=1e-6)
    assert ensemble.score(X, four) > 0.6  # of four classes


def test_mean_of_regressors(reg, X, price, fit_once):
    ensemble = VotingRegressor(pair(reg)).fit(X, price)
    by_hand = [fit_once(model, X, price).predict(X) for _, model in pair(reg)]
    np.testing.assert_allclose(ensemble.predict(X), np.mean(by_hand, axis=0))


# stacking


def test_stacking_classifier(clf, X, four, fit_once):
    stack = StackingClassifier(pair(clf), final_estimator=LogisticRegression(C=3.0), cv=HALVES).fit(X, four)
    out_of_fold = [cross_val_predict(model, X, four, cv=HALVES, method="predict_proba") for _, model in pair(clf)]
    final = LogisticRegression(C=3.0).fit(np.hstack(out_of_fold), four)
    np.testing.assert_allclose(stack.final_estimator_.coef_, final.coef_, atol=1e-5)
    by_hand = np.hstack([fit_once(model, X, four).predict_proba(X) for _, model in pair(clf)])
    np.testing.assert_array_equal(stack.transform(X), by_hand)
    assert stack.predict(X).tolist() == final.predict(by_hand).tolist()


def test_stacking_of_fitted_models(clf, X, y):
    stack = StackingClassifier([("fitted", clf.fit(X[:24], y[:24]))], cv="prefit").fit(X[24:], y[24:])
    final = LogisticRegression().fit(clf.predict_proba(X[24:])[:, 1:], y[24:])
    np.testing.assert_allclose(stack.predict_proba(X), final.predict_proba(clf.predict_proba(X)[:, 1:]), atol=1e-5)


def test_stacking_regressor(reg, X, price, fit_once):
    stack = StackingRegressor(pair(reg), final_estimator=LinearRegression(), cv=HALVES).fit(X, price)
    out_of_fold = [cross_val_predict(model, X, price, cv=HALVES) for _, model in pair(reg)]
    final = LinearRegression().fit(np.column_stack(out_of_fold), price)
    by_hand = np.column_stack([fit_once(model, X, price).predict(X) for _, model in pair(reg)])
    np.testing.assert_allclose(stack.predict(X), final.predict(by_hand))


# bagging: arrays without names, and a weight of zero for what is not in the bag


def test_bagging_classifier(nameless_clf, X, four):
    bag = BaggingClassifier(nameless_clf, n_estimators=2, random_state=0).fit(X, four)
    cells, codes = X.to_numpy(dtype=object), np.unique(four, return_inverse=True)[1]
    by_hand = []
    for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        counts = np.bincount(rows, minlength=48)
        model = clone(nameless_clf).set_params(random_state=member.random_state)
        by_hand.append(model.fit(cells[counts > 0], codes[counts > 0], counts[counts > 0]).predict_proba(cells))
        assert list(member.specs_) == ["0", "1", "tabular"]
    np.testing.assert_allclose(bag.predict_proba(X), np.mean(by_hand, axis=0), rtol=1e-6)
    assert bag.score(X, four) > 0.5  # of four classes


def test_bagging_takes_positions_and_not_names(clf, nameless_reg, X, price):
    with pytest.raises(ValueError, match=r"names column 'photo', but X is an array without names. Give its position"):
        BaggingClassifier(clf, n_estimators=2).fit(X, price > 3)
    bag = BaggingRegressor(nameless_reg, n_estimators=2, random_state=0).fit(X, price)
    by_hand = np.mean([member.predict(X.to_numpy(dtype=object)) for member in bag.estimators_], axis=0)
    np.testing.assert_allclose(bag.predict(X), by_hand)


def test_bagging_of_columns(nameless_clf, X, y):
    bag = BaggingClassifier(nameless_clf, n_estimators=3, max_features=2, random_state=0).fit(X, y)
    kinds = [set(member.transformer_.column_kinds_.values()) for member in bag.estimators_]
    drawn = [{["image", "text", "numeric"][column] for column in columns} for columns in bag.estimators_features_]
    assert kinds == drawn
    assert bag.predict(X).shape == (48,)


def test_rows_out_of_the_bag(nameless_clf, X, y):
    bag = BaggingClassifier(nameless_clf, n_estimators=6, max_samples=0.3, oob_score=True, random_state=0).fit(X, y)
    said = np.array([member.predict_proba(X.to_numpy(dtype=object)) for member in bag.estimators_])
    out = np.array([~np.isin(np.arange(48), rows) for rows in bag.estimators_samples_])
    by_hand = (said * out[:, :, np.newaxis]).sum(axis=0) / out.sum(axis=0)[:, np.newaxis]
    np.testing.assert_allclose(bag.oob_decision_function_, by_hand, rtol=1e-6)
    assert bag.oob_score_ == np.mean(bag.classes_[by_hand.argmax(axis=1)] == y)


def test_bagging_of_rows_that_lack_cells(nameless_clf, X, y):
    lacking = X.astype(object).mask(np.eye(48, 3, dtype=bool))
    bag = BaggingClassifier(nameless_clf, n_estimators=2, random_state=0).fit(lacking, y)
    assert np.isfinite(bag.predict_proba(lacking)).all()
    for member, rows in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        assert member.n_features_in_ == 3
        assert len(rows) == 48


# boosting: complete rows


def test_adaboost_classifier(nameless_clf, X, four):
    X = pd.concat([X, X[:12]], ignore_index=True)  # again, with other labels: some will be wrong
    four = pd.concat([four, four[:12].map(dict(zip(sorted(set(four)), four.unique(), strict=True)))])
    boost = AdaBoostClassifier(nameless_clf, n_estimators=2, random_state=0).fit(X, four)
    cells, labels = X.to_numpy(dtype=object), four.to_numpy()
    first, second = (clone(nameless_clf).set_params(random_state=m.random_state) for m in boost.estimators_)
    wrong = first.fit(cells, labels).predict(cells) != labels
    error = wrong.mean()
    assert boost.estimator_errors_[0] == pytest.approx(error)
    assert 0 < error < 0.75
    weight = np.where(wrong, 3 * (1 - error) / error, 1.0)  # SAMME for four classes
    second.fit(cells, labels, sample_weight=weight)
    np.testing.assert_allclose(boost.estimators_[1].predict_proba(cells), second.predict_proba(cells), atol=1e-4)
    assert boost.predict(X).tolist() == list(boost.staged_predict(X))[-1].tolist()
    assert boost.score(X, four) > 0.5


def test_adaboost_regressor(nameless_reg, X, price):
    boost = AdaBoostRegressor(nameless_reg, n_estimators=3, random_state=0).fit(X, price)
    by_hand = np.array([member.predict(X.to_numpy(dtype=object)) for member in boost.estimators_])
    assert (np.abs(boost.predict(X) - by_hand).min(axis=0) < 1e-6).all()  # a weighted median is one of them
    assert boost.score(X, price) > 0.2
