"""Pipelines, unions and ColumnTransformers: before, around and after a multimodal estimator."""

import os
import shutil

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from sklearn_mm import ModalityTransformer, MultimodalClassifier
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

CONTAINERS = {"pandas": pd.DataFrame, "polars": pl.DataFrame}


def flatten(pictures):
    return pictures.reshape(len(pictures), -1)


def name_pixels(transformer, rows):
    return [f"{row}_{i}" for row in rows for i in range(8 * 3)]


PIXELS = make_pipeline(ImageTransformer(size=8), FunctionTransformer(flatten, feature_names_out=name_pixels))


# transformers of this package among others


def test_pictures_as_columns_of_pixels(X, y):
    columns = make_column_transformer((PIXELS, ["photo"]), (StandardScaler(), ["weight"]))
    pixels = ImageTransformer(size=8).fit_transform(X["photo"]).reshape(48, -1)
    expected = np.column_stack([pixels, StandardScaler().fit_transform(X[["weight"]])])
    np.testing.assert_array_equal(columns.fit_transform(X), expected)
    model = make_pipeline(columns, StandardScaler(), LogisticRegression()).fit(X[:32], y[:32])
    assert model.score(X[32:], y[32:]) > 0.9


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_columns_of_pixels_have_names(X, container):
    columns = make_column_transformer(
        (PIXELS, ["photo"]), (StandardScaler(), ["weight"]), verbose_feature_names_out=False
    )
    frame = columns.set_output(transform=container).fit_transform(X)
    assert isinstance(frame, CONTAINERS[container])
    assert list(frame.columns) == columns.get_feature_names_out().tolist()
    assert frame.shape == (48, 193)
    pictures = ImageTransformer(size=8).fit_transform(X["photo"])
    np.testing.assert_array_equal(frame["photo_2_22"], pictures[:, 2, 7, 1])


def test_token_ids_as_columns(X):
    columns = make_column_transformer((TextTransformer(), "title"), (StandardScaler(), ["weight"]))
    ids = TextTransformer().fit_transform(X["title"])
    np.testing.assert_array_equal(columns.fit_transform(X)[:, :-1], ids)
    assert columns.get_feature_names_out()[1] == "texttransformer__title_1"


def test_blocks_are_no_columns_and_the_estimator_makes_some(clf, X, y, fit_once):
    with pytest.raises(ValueError, match="2D"):
        make_column_transformer((ModalityTransformer(), ["photo"])).fit_transform(X)
    clf.set_params(tabular=None)
    columns = make_column_transformer((clf, ["photo", "title"]), (StandardScaler(), ["weight"]))
    features = columns.fit(X, y).transform(X)
    np.testing.assert_array_equal(features[:, :-1], fit_once(clf, X[["photo", "title"]], y).transform(X))
    assert features.shape[1] == columns.named_transformers_["multimodalclassifier"].transform(X).shape[1] + 1


# what comes before: tables that are made ready


@pytest.mark.parametrize("imputer", [SimpleImputer(), KNNImputer(n_neighbors=2)], ids=lambda i: type(i).__name__)
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_an_imputer_before(clf, X, y, imputer, container, fit_once):
    lacking = X.assign(height=X["weight"] * 2, weight=X["weight"].mask(np.arange(48) % 5 == 0))
    clf.set_params(tabular=["weight", "height"])
    filled = lacking.copy()
    filled[["weight", "height"]] = imputer.fit_transform(lacking[["weight", "height"]])
    filling = make_column_transformer(
        (clone(imputer), ["weight", "height"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform=container)
    table = lacking if container == "pandas" else pl.from_pandas(lacking)
    model = make_pipeline(filling, clf).fit(table, y)
    by_hand = fit_once(clf, filled, y)
    np.testing.assert_allclose(model.predict_proba(table), by_hand.predict_proba(filled), rtol=1e-5)
    assert model[-1].feature_names_in_.tolist() == list(filling.get_feature_names_out())


def test_names_are_lost_without_set_output(clf, nameless_clf, X, y):
    filling = make_column_transformer((SimpleImputer(), ["weight"]), remainder="passthrough")
    with pytest.raises(ValueError, match="'photo', but X is an array without names"):
        make_pipeline(filling, clf).fit(X, y)
    model = make_pipeline(filling, nameless_clf).fit(X, y)
    by_hand = clone(nameless_clf).fit(X[["weight", "photo", "title"]].to_numpy(dtype=object), y)
    np.testing.assert_array_equal(
        model.predict_proba(X), by_hand.predict_proba(X[["weight", "photo", "title"]].to_numpy(dtype=object))
    )


def test_columns_that_are_made_of_others(nameless_clf, X, y):
    X = X.assign(size=np.where(X["weight"] > 10, "large", "small"))
    making = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["size"]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    model = make_pipeline(making, nameless_clf).fit(X, y)
    assert model[-1].specs_["tabular"].columns == ("size_large", "size_small", "weight")
    assert model.score(X, y) > 0.9


# what comes after: the estimator as a transformer


def test_a_support_vector_machine_on_its_features(clf, X, y, fit_once):
    model = make_pipeline(clf, SVC(C=10)).fit(X, y)
    features = fit_once(clf, X, y).transform(X)
    np.testing.assert_allclose(model.decision_function(X), SVC(C=10).fit(features, y).decision_function(features))
    assert model.score(X, y) > 0.9


def test_a_frozen_estimator_as_a_transformer(clf, X, y, four):
    clf.fit(X, four)
    model = make_pipeline(FrozenEstimator(clf), StandardScaler(), LogisticRegression()).fit(X[:24], y[:24])
    assert model.score(X[24:], y[24:]) > 0.9
    features = StandardScaler().fit_transform(clf.transform(X[:24]))
    np.testing.assert_allclose(model[-1].coef_, LogisticRegression().fit(features, y[:24]).coef_, atol=1e-6)


def test_a_union_of_two_and_of_the_text(clf, X, y, fit_once):
    blind = clone(clf).set_params(image=None)
    words = make_column_transformer((TfidfVectorizer(), "title"))
    union = FeatureUnion([("seeing", clf), ("blind", blind), ("words", words)]).fit(X, y)
    parts = [fit_once(model, X, y).transform(X) for model in (clf, blind)]
    expected = np.hstack([*parts, TfidfVectorizer().fit_transform(X["title"]).toarray()])
    np.testing.assert_allclose(union.transform(X), expected)
    assert make_pipeline(union, LogisticRegression()).fit(X, y).score(X, y) > 0.9


def test_selection_and_components_of_features(clf, X, y, fit_once):
    features = fit_once(clf, X, y).transform(X)
    best = make_pipeline(clf, SelectKBest(k=3)).fit_transform(X, y)
    np.testing.assert_array_equal(best, SelectKBest(k=3).fit_transform(features, y))
    parts = make_pipeline(clf, PCA(2, svd_solver="full")).fit_transform(X, y)
    np.testing.assert_allclose(parts, PCA(2, svd_solver="full").fit_transform(features), atol=1e-4)


def test_neighbours_and_clusters_of_features(clf, X, y):
    features = clf.set_params(text=None, tabular=None).fit(X, y).transform(X)
    nearest = NearestNeighbors(n_neighbors=2).fit(features).kneighbors(return_distance=False)[:, 0]
    assert np.mean(y.to_numpy()[nearest] == y) > 0.9
    clusters = KMeans(4, n_init=3, random_state=0).fit_predict(features)
    assert adjusted_rand_score(X["photo"], clusters) == 1  # there are four pictures


# configuration and caching


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_configured_output(clf, X, y, container, fit_once):
    plain = fit_once(clf, X, y)
    model = make_pipeline(ModalityTransformer(image=clf.image), MultimodalClassifier(max_epochs=1))
    # rounding differs between containers, and the default tolerance of the search would let it grow
    svm = make_pipeline(clone(clf), StandardScaler(), SVC(tol=1e-6))
    with config_context(transform_output=container):
        frame = clf.fit(X, y).transform(X)
        assert isinstance(frame, CONTAINERS[container])
        assert list(frame.columns) == clf.get_feature_names_out().tolist()
        two_steps = model.fit(X, y).transform(X)
        assert isinstance(two_steps, CONTAINERS[container])
        assert list(two_steps.columns) == model.get_feature_names_out().tolist()
        of_frames = svm.fit(X, y).decision_function(X)
        assert svm[-1].feature_names_in_[0] == "multimodalclassifier0"
        assert ImageTransformer(size=8).fit_transform(X["photo"]).shape == (48, 8, 8, 3)
    np.testing.assert_array_equal(frame.to_numpy(), plain.transform(X))
    np.testing.assert_allclose(of_frames, clone(svm).fit(X, y).decision_function(X), atol=1e-5)


def test_a_pipeline_with_memory_reads_once(clf, X, y, tmp_path):
    for path in set(X["photo"]):
        shutil.copy(path, tmp_path)
    X = X.assign(photo=[str(tmp_path / os.path.basename(path)) for path in X["photo"]])
    pipeline = make_pipeline(
        ModalityTransformer(image=clf.image),
        MultimodalClassifier(max_epochs=2, random_state=0),
        memory=str(tmp_path / "memory"),
    ).fit(X, y)
    again = clone(pipeline)
    for path in set(X["photo"]):
        os.remove(path)
    again.fit(X, y)
    with pytest.raises(ValueError, match="no such file"):
        again.predict(X[:0:-1])
    weights = [model[-1].net_.module_.state_dict() for model in (pipeline, again)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
