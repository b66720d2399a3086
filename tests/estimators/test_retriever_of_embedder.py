"""The retriever with a `MultimodalEmbedder`, its default: what it learns, among scikit-learn's tools."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalEmbedder, MultimodalRetriever
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.preprocessing import ImageTransformer

N = 64
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "grey": (120, 120, 120)}


@pytest.fixture(scope="module")
def rows():
    """Pictures of one colour each, with titles that name it."""
    rng = np.random.default_rng(0)
    colours = rng.choice(list(COLOURS), N)
    photos = [np.clip(COLOURS[c] + rng.integers(-20, 20, (12, 12, 3)), 0, 255).astype(np.uint8) for c in colours]
    titles = [f"a {c} {rng.choice(['square', 'circle', 'stripe'])} thing {row}" for row, c in enumerate(colours)]
    index = [f"row {n}" for n in range(N)]
    return pd.DataFrame({"photo": photos, "title": titles, "colour": colours}, index=index)


@pytest.fixture(scope="module", name="X")
def pictures_and_titles(rows):
    return rows[["photo", "title"]]


@pytest.fixture(scope="module")
def embedder():
    image = ImageInput(transformer=ImageTransformer(size=12), encoder=CNNEncoder(channels=(4,)))
    return MultimodalEmbedder(image=image, n_components=8, max_epochs=10, lr=0.02, random_state=0)


@pytest.fixture(scope="module")
def retriever(embedder, X):
    return MultimodalRetriever(embedder, blocks="image").fit(X)


def assert_same(retriever, other, X):
    for one, two in zip(retriever.kneighbors(X), other.kneighbors(X), strict=True):
        np.testing.assert_array_equal(one, two)


def test_words_find_pictures_of_what_they_name(retriever, rows):
    for colour in COLOURS:
        found = retriever.search(f"a {colour} thing", 8)
        assert (rows["colour"][found.index] == colour).mean() > 0.7
    picture = rows["photo"].iloc[0]
    assert (retriever.search(picture, 1).index == "row 0").all()
    assert (rows["colour"][retriever.search(picture, 8).index] == rows["colour"].iloc[0]).mean() > 0.7


def test_the_default_finds_rows(X):
    retriever = MultimodalRetriever().set_params(n_neighbors=3).fit(X[:24])
    assert type(retriever.embedder_) is MultimodalEmbedder
    assert retriever.feature_names_in_.tolist() == ["photo", "title"]
    assert retriever.kneighbors(X[["title"]])[1].shape == (N, 3)
    retriever.partial_fit(X[24:]).remove("row 30")
    assert retriever.search(X.loc["row 31"], 1).index.tolist() == ["row 31"]
    assert retriever.kneighbors(n_neighbors=1)[1].shape == (N - 1, 1)
    assert 0 < retriever.score(X) <= 1


def test_the_same_seed_gives_the_same_bits(embedder, X):
    one, other = (MultimodalRetriever(embedder).fit(X) for _ in range(2))
    np.testing.assert_array_equal(one.vectors_[:], other.vectors_[:])
    assert_same(one, other, X)
    assert not hasattr(embedder, "specs_")
    np.testing.assert_allclose(one.vectors_[:], clone(embedder).fit(X).transform(X), atol=1e-6)


def test_score_chooses_parameters_of_the_embedder(embedder, X):
    search = GridSearchCV(MultimodalRetriever(embedder, n_neighbors=2), {"embedder__n_components": [1, 8]}, cv=2)
    search.fit(X)
    assert search.best_params_ == {"embedder__n_components": 8}
    assert search.best_estimator_.embedder_.n_components == 8
    folds = cross_val_score(clone(embedder).set_params(n_components=8), X, cv=2)
    np.testing.assert_allclose(search.cv_results_["mean_test_score"][1], folds.mean())
    assert len(search.best_estimator_.search("a red thing")) == 2


def test_a_frozen_embedder_stays_as_it_is(retriever, X):
    frozen = FrozenEstimator(retriever.embedder_)
    search = GridSearchCV(MultimodalRetriever(frozen), {"blocks": ["image", "text"]}, cv=2).fit(X)
    assert search.best_estimator_.embedder_.estimator is retriever.embedder_
    assert_same(clone(retriever).set_params(embedder=frozen).fit(X), retriever, X[["title"]])


def test_pickle(retriever, X):
    assert_same(pickle.loads(pickle.dumps(retriever)), retriever, X)


def test_blocks_that_are_read_already(embedder, retriever, X):
    reader = ModalityTransformer(image=ImageInput(transformer=ImageTransformer(size=12)))
    inner = clone(embedder).set_params(image=ImageInput(encoder=CNNEncoder(channels=(4,))))
    pipeline = make_pipeline(reader, MultimodalRetriever(inner, blocks="image")).fit(X)
    blocks = pipeline[0].transform(X)
    for one, two in zip(pipeline[-1].kneighbors(blocks), retriever.kneighbors(X), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    assert pipeline[-1].search(blocks.select(["photo"])[:1], 1).index.tolist() == [0]
    assert pipeline.score(X) == pytest.approx(retriever.score(X))
    with pytest.raises(TypeError, match="was fitted on Blocks"):
        pipeline[-1].search("a red thing")


def test_tables_of_polars(embedder, retriever, X):
    polars = pytest.importorskip("polars")
    photos = polars.Series("photo", list(X["photo"]), dtype=polars.Object)
    table = polars.DataFrame([photos, polars.Series("title", X["title"].tolist())])
    other = clone(retriever).fit(table)
    assert_same(other, retriever, X)
    np.testing.assert_array_equal(other.kneighbors(table[:7])[1], retriever.kneighbors(X[:7])[1])
    found = other.search("a red thing")
    assert isinstance(found, pd.DataFrame)
    assert [f"row {number}" for number in found.index] == retriever.search("a red thing").index.tolist()


def test_a_store_of_what_was_read_changes_nothing(embedder, retriever, X, tmp_path):
    stored = clone(retriever).set_params(embedder__memory=str(tmp_path)).fit(X)
    assert any(tmp_path.iterdir())
    assert_same(stored, retriever, X)


def test_labels_reach_the_embedder(embedder, rows, X):
    fitted = MultimodalRetriever(embedder).fit(X, rows["colour"])
    vectors = clone(embedder).fit(X, rows["colour"]).transform(X)
    np.testing.assert_allclose(fitted.vectors_[:], vectors, atol=1e-6)
    assert np.abs(vectors - clone(embedder).fit(X).transform(X)).max() > 0.1
    assert_same(MultimodalRetriever(embedder).partial_fit(X, rows["colour"]), fitted, X)
