"""Searches in several processes and threads: the same results as in one."""

import multiprocessing
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, PredefinedSplit, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier

from sklearn_mm import MultimodalClassifier, TabularInput

HALVES = PredefinedSplit(np.arange(48) % 2)


def search_over(clf, n_jobs=None):
    grid = [{"fusion": ["gated"]}, {"image__transformer__size": [6]}]
    return GridSearchCV(clf, grid, cv=HALVES, scoring="neg_log_loss", n_jobs=n_jobs, error_score="raise")


@pytest.fixture(autouse=True)
def one_thread():
    """Compute with one thread, as the workers do: more add up in another order, which losses near zero show."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def one(clf, X, y, fit_once):
    """The search in one process."""
    return fit_once(search_over(clf), X, y)


@pytest.mark.slow
def test_two_processes_under_loky(clf, nameless_clf, X, y, labels, one):
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = search_over(clf, n_jobs=2).fit(X, y)
        probabilities = cross_val_predict(clf, X, y, cv=HALVES, method="predict_proba", n_jobs=2)
        rest = OneVsRestClassifier(clf, n_jobs=2).fit(X, labels)
        bag = BaggingClassifier(nameless_clf, n_estimators=2, n_jobs=2, random_state=0).fit(X, y)
        importance = permutation_importance(parallel.best_estimator_, X, y, n_repeats=2, random_state=0, n_jobs=2)
    np.testing.assert_allclose(parallel.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], rtol=1e-4)
    assert parallel.best_params_ == one.best_params_
    np.testing.assert_allclose(parallel.predict_proba(X), one.predict_proba(X), rtol=1e-4)
    alone = cross_val_predict(clf, X, y, cv=HALVES, method="predict_proba")
    np.testing.assert_allclose(probabilities, alone, rtol=1e-3)
    assert len(rest.estimators_) == 2
    same_bag = BaggingClassifier(nameless_clf, n_estimators=2, random_state=0).fit(X, y)
    np.testing.assert_allclose(bag.predict_proba(X), same_bag.predict_proba(X), rtol=1e-3)
    assert importance.importances_mean.argmax() == 0


def test_two_threads(clf, X, y, one):
    with joblib.parallel_config("threading", n_jobs=2):
        parallel = search_over(clf).fit(X, y)
    np.testing.assert_allclose(parallel.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], rtol=1e-4)


@pytest.mark.slow
def test_two_processes_under_spawn(clf, X, y, one, monkeypatch):
    context = multiprocessing.get_context("spawn")
    monkeypatch.setattr("joblib.parallel.DEFAULT_MP_CONTEXT", context)  # as JOBLIB_START_METHOD says at its import
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with joblib.parallel_config("multiprocessing", n_jobs=2):
        search = search_over(clf).fit(X, y)
    with context.Pool(1) as pool:  # models travel there and back
        best = search.best_estimator_
        whole, half = pool.starmap(MultimodalClassifier.fit, [(best, X, y), (best, X[:24], y[:24])])
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], one.cv_results_["mean_test_score"], rtol=1e-4)
    np.testing.assert_allclose(whole.predict_proba(X), one.predict_proba(X), rtol=1e-4)
    expected = clone(one.best_estimator_).fit(X[:24], y[:24]).predict_proba(X)
    np.testing.assert_allclose(half.predict_proba(X), expected, rtol=1e-3)


NOTEBOOK = """
from sklearn_mm.encoders import MLPEncoder


class MyEncoder(MLPEncoder):
    pass
"""


@pytest.mark.slow
def test_fitted_estimators_with_classes_of_a_notebook_go_to_processes(monkeypatch):
    cells = {"__name__": "__main__"}
    exec(NOTEBOOK, cells)
    monkeypatch.setattr(sys.modules["__main__"], "MyEncoder", cells["MyEncoder"], raising=False)  # no worker has it
    X = np.random.default_rng(0).normal(size=(40, 2))
    encoder = cells["MyEncoder"]()
    clf = MultimodalClassifier(tabular=TabularInput(encoder=encoder), max_epochs=3, random_state=0)
    clf.fit(X, np.where(X[:, 0] > 0, "yes", "no"))
    assert type(clf.net_.module_.encoders.encoders[0]).__module__ == "__main__"
    with joblib.parallel_config("loky", inner_max_num_threads=1):  # the workers of the test above
        importance = permutation_importance(clf, X, clf.predict(X), n_repeats=2, random_state=0, n_jobs=2)
    assert importance.importances_mean.argmax() == 0
