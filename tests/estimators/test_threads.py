"""Fits in threads of one process: side by side, and within one another."""

import threading

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_backend
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback
from torch import nn

from sklearn_mm import MultimodalClassifier

SMALL = MultimodalClassifier(max_epochs=2, random_state=0)


def ends(function, seconds=120):
    """Return what a function returns, or fail if it never does."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert results, "it never ends, or has raised"
    return results[0]


def scores_of_fits_in_threads(X, y):
    with parallel_backend("threading", n_jobs=2):
        return cross_val_score(clone(SMALL), X, y, cv=2)


class FitsInThreads(Callback):
    def on_epoch_end(self, net, **kwargs):
        self.scores_ = scores_of_fits_in_threads(*data())

    on_batch_end = on_epoch_end


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, np.where(X[:, 0] + 0.5 * rng.normal(size=60) > 0, "yes", "no")


def score_by_fits(estimator, X, y):
    assert np.isfinite(scores_of_fits_in_threads(X, y)).all()
    return estimator.score(X, y)


@pytest.mark.parametrize(
    "params",
    [{"scoring": score_by_fits, "early_stopping": True}, {"skorch_callbacks": [FitsInThreads()]}],
    ids=["scorer", "callback"],
)
def test_what_fits_in_threads_within_a_fit(params):
    X, y = data()
    plain = dict(params, skorch_callbacks=None)
    if "scoring" in plain:
        plain["scoring"] = lambda estimator, X, y: estimator.score(X, y)
    expected = clone(SMALL).set_params(**plain).fit(X, y).predict_proba(X)
    clf = ends(lambda: clone(SMALL).set_params(**params).fit(X, y))
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


def test_fits_side_by_side_are_those_one_by_one():
    X, y = data()
    scored = clone(SMALL).set_params(scoring="accuracy", early_stopping=True, skorch_callbacks=[("none", Callback())])
    candidates = [clone(scored).set_params(random_state=seed) for seed in range(4)]

    def outputs(n_jobs):
        work = (delayed(lambda clf: clone(clf).fit(X, y).predict_proba(X))(clf) for clf in candidates)
        return Parallel(n_jobs=n_jobs, backend="threading")(work)

    together = ends(lambda: outputs(3))
    assert not np.array_equal(together[0], together[1])
    np.testing.assert_array_equal(together, outputs(1))


def test_predictions_do_not_move_a_network_that_is_in_place(monkeypatch):
    """Another thread may be predicting with it, and recurrent layers are without their weights for a moment."""
    X, y = data()
    clf = clone(SMALL).fit(X, y)
    expected = clf.predict_proba(X)
    monkeypatch.setattr(nn.Module, "_apply", lambda *_, **__: pytest.fail("the network is moved"))
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
