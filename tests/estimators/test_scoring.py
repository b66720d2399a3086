"""What early stopping goes by."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import get_scorer, log_loss

from sklearn_mm import (
    MultimodalClassifier,
    MultimodalRegressor,
)
from sklearn_mm.preprocessing import Blocks


def test_early_stopping_goes_by_the_scorer(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(scoring="neg_log_loss", early_stopping=True, n_iter_no_change=4, max_epochs=60, lr=0.05)
    clf.set_params(lr_schedule="constant", random_state=0).fit(X, y, X_val=X[:40], y_val=y[:40])
    scores = [row["valid_neg_log_loss"] for row in clf.history_]
    assert clf.best_epoch_ == 1 + int(np.argmax(scores))
    assert clf.n_epochs_ == clf.best_epoch_ + 4 < 60
    assert -log_loss(y[:40], clf.predict_proba(X[:40])) == pytest.approx(max(scores), rel=1e-5)


def test_a_callable_scorer_sees_a_fitted_estimator_blocks_and_the_users_labels(table):
    X, y = table
    seen = []

    def scorer(estimator, X, y):
        seen.append((type(X), list(y), list(estimator.predict(X)), estimator.n_epochs_))
        return -len(seen)  # worse every time

    clf = MultimodalClassifier(image=None, scoring=scorer, n_iter_no_change=2, max_epochs=9, random_state=0)
    clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    assert [row["valid_scoring"] for row in clf.history_] == [-1, -2, -3]
    assert clf.best_epoch_ == 1
    assert all(kind is Blocks and labels == list(y[80:]) for kind, labels, _, _ in seen)
    assert [n_epochs for *_, n_epochs in seen] == [0, 1, 2]
    assert list(clf.predict(X[80:])) == seen[0][2]


def test_rows_that_are_held_out_are_scored_with_their_own_labels(yes_no):
    X, y = yes_no
    seen = []
    truth = dict(zip(X[:, 0], y, strict=True))

    def scorer(estimator, X, y):
        numbers = estimator.transformer_.transform(np.array([[key] * 3 for key in truth]))["tabular"]["numbers"][:, 0]
        label = dict(zip(numbers.tolist(), truth.values(), strict=True))
        seen.append([label[number] == given for number, given in zip(X["tabular"]["numbers"][:, 0], y, strict=True)])
        return 0.0

    MultimodalClassifier(scoring=scorer, early_stopping=True, max_epochs=1).fit(X, pd.Series(y, index=range(200, 321)))
    assert np.all(seen)
    assert len(seen[0]) == 13


def test_weights_of_validation_rows_go_to_the_scorer_that_takes_them(yes_no):
    X, y = yes_no
    weight = np.r_[np.ones(20), np.zeros(21)]
    fits = []
    for scoring in ["accuracy", lambda estimator, X, y: get_scorer("accuracy")(estimator, X, y)]:
        clf = MultimodalClassifier(scoring=scoring, max_epochs=2, random_state=0)
        fits.append(clf.fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:], sample_weight_val=weight))
    weighted, plain = fits
    best = [clf.history_[clf.best_epoch_ - 1] for clf in fits]
    assert best[0]["valid_accuracy"] == weighted.score(X[80:100], y[80:100])
    assert best[1]["valid_scoring"] == plain.score(X[80:], y[80:])
    assert weighted.score(X[80:100], y[80:100]) != weighted.score(X[80:], y[80:])


def test_a_perfect_score_ends_training(yes_no):
    X, _ = yes_no
    X = X[np.abs(X[:, 0]) > 0.4]
    y = X[:, 0] > 0
    clf = MultimodalClassifier(scoring="accuracy", max_epochs=60, n_iter_no_change=60, lr=0.02, random_state=0)
    clf.fit(X, y, X_val=X, y_val=y)
    assert clf.n_epochs_ == clf.best_epoch_ < 60
    assert clf.score(X, y) == 1 == clf.history_[-1]["valid_accuracy"]
    assert all(row["valid_accuracy"] < 1 for row in clf.history_[:-1])


def test_scoring_of_regressors(yes_no):
    X, _ = yes_no
    reg = MultimodalRegressor(scoring="neg_mean_absolute_error", max_epochs=5, random_state=0)
    reg.fit(X, X[:, 0] * 100, X_val=X[:30], y_val=X[:30, 0] * 100)
    best = reg.history_[reg.best_epoch_ - 1]["valid_neg_mean_absolute_error"]
    assert np.abs(reg.predict(X[:30]) - X[:30, 0] * 100).mean() == pytest.approx(-best, rel=1e-4)


def test_scoring_is_shown(yes_no, capsys):
    MultimodalClassifier(scoring="f1_macro", early_stopping=True, max_epochs=2, verbose=2).fit(*yes_no)
    assert "valid_f1_macro" in capsys.readouterr().out


@pytest.mark.parametrize("early_stopping", [True, False])
def test_an_unknown_scorer_is_an_error(yes_no, early_stopping):
    with pytest.raises(ValueError, match=r"scoring.*accuracy"):
        MultimodalClassifier(scoring="acuracy", early_stopping=early_stopping).fit(*yes_no)


def test_a_scorer_must_give_a_number(yes_no):
    with pytest.raises(ValueError, match=r"scoring of MultimodalClassifier must give one number, got \{'a': 1\}"):
        MultimodalClassifier(scoring=lambda *args: {"a": 1}, early_stopping=True).fit(*yes_no)


def test_scoring_changes_no_weights(yes_no):
    """It draws no random numbers and leaves the network as it is."""
    X, y = yes_no
    fits = [MultimodalClassifier(early_stopping=False, max_epochs=3, random_state=0, scoring=s) for s in ("loss", "f1")]
    for clf in fits:
        clf.fit(X, y == "yes", X_val=X, y_val=y == "yes")
    np.testing.assert_array_equal(*(clf.predict_proba(X) for clf in fits))


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_score_that_is_no_number_is_reported_and_never_the_best(yes_no, early_stopping):
    X, y = yes_no
    scores = [np.nan, 0.5, np.nan, 0.7, np.nan, np.nan]

    def scoring(estimator, X, y):
        return scores[len(estimator.net_.history) - 1]

    clf = MultimodalClassifier(scoring=scoring, early_stopping=early_stopping, max_epochs=6, random_state=0)
    with pytest.warns(
        UserWarning, match=r"scoring=.*scoring.* of MultimodalClassifier gave NaN in epoch 1\."
    ) as warned:
        clf.fit(X, y, X_val=X, y_val=y)
    assert len(warned) == 1
    np.testing.assert_array_equal([row["valid_scoring"] for row in clf.history_], scores)
    assert clf.best_epoch_ == (4 if early_stopping else 6)


def test_scores_that_are_never_a_number_leave_the_last_weights(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=3, random_state=0, early_stopping=False)
    expected = clone(clf).fit(X, y, X_val=X, y_val=y).predict_proba(X)
    clf.set_params(scoring=lambda estimator, X, y: np.nan, early_stopping=True)
    with pytest.warns(UserWarning, match="gave NaN in epoch 1"):
        clf.fit(X, y, X_val=X, y_val=y)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_a_scorer_sees_the_epoch_whose_weights_it_scores(table):
    X, y = table
    seen = []

    def worse_and_worse(estimator, X, y):
        seen.append((estimator.best_epoch_, estimator.n_epochs_))
        return -float(len(seen))

    clf = MultimodalClassifier(scoring=worse_and_worse, early_stopping=True, max_epochs=3, random_state=0).fit(X, y)
    assert [best == n_epochs for best, n_epochs in seen] == [True] * 3
    assert clf.best_epoch_ == 1
