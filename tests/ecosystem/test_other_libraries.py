"""What imbalanced-learn and MAPIE do with tables of pictures and texts; run where they are installed.

The guide names them and the versions that were tried (docs/guide/meta_estimators.rst).
"""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklearn_mm import ModalityTransformer


@pytest.fixture
def few(X):
    """Two classes, one of which has a quarter of the rows."""
    return np.where(np.arange(len(X)) % 4, "many", "few")


def in_two_steps(model):
    """Return a pipeline whose first step reads the columns that the model is told."""
    columns = {name: getattr(model, name) for name in ("image", "text", "tabular")}
    return make_pipeline(ModalityTransformer(**columns), clone(model).set_params(**dict.fromkeys(columns, "auto")))


# imbalanced-learn


@pytest.mark.parametrize(("name", "n_each"), [("RandomOverSampler", 36), ("RandomUnderSampler", 12)])
def test_rows_are_drawn_before_they_are_read(clf, X, few, name, n_each):
    sampler = getattr(pytest.importorskip("imblearn"), "over_sampling" if "Over" in name else "under_sampling")
    pipeline = pytest.importorskip("imblearn.pipeline")
    sampler = getattr(sampler, name)(random_state=0)
    drawn, labels = sampler.fit_resample(X, few)
    assert np.unique(labels, return_counts=True)[1].tolist() == [n_each, n_each]
    by_hand = clone(clf).fit(drawn, labels)
    model = pipeline.make_pipeline(sampler, clf).fit(X, few)
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))


@pytest.mark.parametrize("name", ["BalancedBaggingClassifier", "EasyEnsembleClassifier", "RUSBoostClassifier"])
def test_balanced_ensembles_of_arrays(nameless_clf, X, few, name):
    ensemble = pytest.importorskip("imblearn.ensemble")
    model = getattr(ensemble, name)(n_estimators=2, estimator=nameless_clf.set_params(max_epochs=1), random_state=0)
    assert set(model.fit(X, few).predict(X)) <= {"many", "few"}


def test_distances_are_measured_between_features(clf, X, few):
    over_sampling, pipeline = pytest.importorskip("imblearn.over_sampling"), pytest.importorskip("imblearn.pipeline")
    with pytest.raises(ValueError, match="could not convert string to float"):
        over_sampling.SMOTE().fit_resample(X, few)
    model = pipeline.make_pipeline(clf, over_sampling.SMOTE(random_state=0), LogisticRegression(max_iter=1000))
    assert model.fit(X, few).predict(X).shape == (48,)


# MAPIE


def test_split_conformal_models_take_a_pipeline_of_two_steps(clf, reg, X, y, price):
    classification = pytest.importorskip("mapie.classification")
    regression = pytest.importorskip("mapie.regression")
    conformal = classification.SplitConformalClassifier(clone(clf).fit(X, y), prefit=True)
    with pytest.raises(UserWarning, match="failed a minimal prediction test"):
        conformal.conformalize(X, y)
    model = in_two_steps(clf).fit(X[:24], y[:24])
    conformal = classification.SplitConformalClassifier(model, confidence_level=0.9, prefit=True)
    labels, sets = conformal.conformalize(X[24:], y[24:]).predict_set(X)
    np.testing.assert_array_equal(labels, model.predict(X))
    assert sets[24:, :, 0][np.arange(24), np.searchsorted(model.classes_, y[24:])].mean() >= 0.9

    model = in_two_steps(reg).fit(X[:24], price[:24])
    conformal = regression.SplitConformalRegressor(model, confidence_level=0.9, prefit=True)
    predicted, intervals = conformal.conformalize(X[24:], price[24:]).predict_interval(X)
    np.testing.assert_array_equal(predicted, model.predict(X))
    inside = (intervals[24:, 0, 0] <= price[24:]) & (price[24:] <= intervals[24:, 1, 0])
    assert inside.mean() >= 0.9


def test_cross_conformal_models_take_tables(clf, reg, X, y, price):
    classification = pytest.importorskip("mapie.classification")
    regression = pytest.importorskip("mapie.regression")
    conformal = classification.CrossConformalClassifier(clf.set_params(max_epochs=1), confidence_level=0.9, cv=2)
    assert conformal.fit_conformalize(X, y).predict_set(X)[1].shape == (48, 2, 1)
    conformal = regression.CrossConformalRegressor(reg.set_params(max_epochs=1), confidence_level=0.9, cv=2)
    assert np.isfinite(conformal.fit_conformalize(X, price).predict_interval(X)[1]).all()
