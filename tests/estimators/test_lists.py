"""Estimators on columns whose cells are lists of pictures, lists of texts, and vectors."""

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.utils.fixes import parse_version

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalRegressor, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.preprocessing import ImageTransformer

N_ROWS = 60


def shade(rng, value):
    return np.clip(rng.normal(value, 15, size=(8, 8, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def table():
    """Whether one of a row's pictures is bright, and one of its notes is a complaint."""
    rng = np.random.default_rng(0)
    is_bright, complains = rng.random((2, N_ROWS)) < 0.5
    photos = [[shade(rng, 60) for _ in range(rng.integers(1, 4))] for _ in range(N_ROWS)]
    notes = [[f"all is well in room {rng.integers(100)}" for _ in range(rng.integers(1, 3))] for _ in range(N_ROWS)]
    for row in range(N_ROWS):
        if is_bright[row]:
            photos[row].insert(rng.integers(len(photos[row]) + 1), shade(rng, 200))
        if complains[row]:
            notes[row].append(f"the lamp of room {rng.integers(100)} is broken")
    X = pd.DataFrame({"photos": photos, "notes": notes, "embedding": list(rng.normal(size=(N_ROWS, 3)))})
    return X, is_bright + 2 * complains


@pytest.fixture
def image():
    return ImageInput(transformer=ImageTransformer(size=8, n_jobs=1), encoder=CNNEncoder(channels=(8,)), augment=None)


@pytest.fixture
def clf(image):
    return MultimodalClassifier(image=image, max_epochs=2, random_state=0)


@pytest.mark.parametrize("pool", ["auto", "max", "attention"])
def test_it_learns_from_what_is_in_the_lists(pool, table, clf):
    X, y = table
    clf.set_params(image__pool=pool, text=TextInput(pool=pool), tabular=None, wide=None, max_epochs=40, lr=0.01)
    assert clf.fit(X[:40], y[:40]).score(X[40:], y[40:]) > 0.9


def test_one_step_and_two_give_the_same(table, clf, image):
    X, y = table
    two = make_pipeline(ModalityTransformer(image=image), clone(clf).set_params(image="auto"))
    expected = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(two.fit(X, y).predict_proba(X), expected)
    blocks = two[0].transform(X)
    np.testing.assert_allclose(two[1].predict_proba(blocks[[5, 3]]), expected[[5, 3]], atol=1e-5)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), expected)


def test_search_over_blocks_and_tables(table, clf, image):
    X, y = table
    clf.set_params(max_epochs=1, text=TextInput(encoder="lstm"), wide=None)
    grid = {"image__pool": ["mean", "attention"], "text__pool": ["max"]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise", refit=False)
    blocks = ModalityTransformer(image=image, text=clf.text).fit_transform(X)
    on_blocks = clone(search).set_params(estimator__image=ImageInput(), refit=True).fit(blocks, y)
    assert on_blocks.best_estimator_.specs_["notes"].pool == "max"
    assert on_blocks.predict(blocks).shape == (N_ROWS,)
    search.fit(X, y)
    assert np.isfinite(cross_validate(clf, X, y, cv=2, error_score="raise")["test_score"]).all()


def test_blocks_of_single_cells_for_an_estimator_of_lists(table, clf, image):
    X, y = table
    clf.set_params(image="auto").fit(ModalityTransformer(image=image).fit_transform(X), y)
    singles = X.assign(photos=[photos[0] for photos in X["photos"]])
    with pytest.raises(ValueError, match="Block 'photos' was read with other settings"):
        clf.predict(ModalityTransformer(image=image).fit_transform(singles))


def test_single_pictures_where_fit_had_lists_and_the_other_way_round(table, clf):
    X, y = table
    singles = X.assign(photos=[photos[0] for photos in X["photos"]])
    wrapped = X.assign(photos=[photos[:1] for photos in X["photos"]])
    clf.fit(X, y)
    np.testing.assert_array_equal(clf.predict_proba(singles), clf.predict_proba(wrapped))
    assert clf.predict(X.assign(photos=None)).shape == (N_ROWS,)
    clf.fit(singles, y)
    np.testing.assert_array_equal(clf.predict_proba(singles), clf.predict_proba(wrapped))
    with pytest.raises(ValueError, match=r"fitted on a column without lists.*pool='mean'"):
        clf.predict(X)
    clf.set_params(image__pool="mean").fit(singles, y)
    assert clf.predict(X).shape == (N_ROWS,)


def test_a_single_picture_in_all_rows(table, clf):
    X, y = table
    clf.fit(X.assign(photos=[X["photos"][0][:1]] + [[]] * (N_ROWS - 1)), y)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_shared_lists(table, clf):
    X, y = table
    X = X.assign(back=X["photos"][::-1].to_numpy())
    clf.set_params(image__shared=True, image__pool="attention").fit(X, y)
    network = clf.net_.module_
    assert network.encoders["photos"] is network.encoders["back"]
    assert network.encoders.pooling("photos") is network.encoders.pooling("back")
    assert network.encoders.pooling("tabular") is None


def test_vectors_alone():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 16))
    y = vectors @ rng.normal(size=16)
    X = pd.DataFrame({"embedding": list(vectors)})
    reg = MultimodalRegressor(max_epochs=30, random_state=0).fit(X[:150], y[:150])
    assert reg.score(X[150:], y[150:]) > 0.8


def test_arrow_table_with_all_there_is():
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2

    def gappy(cells, kind=None):
        return pa.array([None if row == 3 else cell for row, cell in enumerate(cells)], kind)

    table = pa.table(
        {
            "title": gappy([f"a {('dark', 'bright')[k]} place {rng.integers(1000)}" for k in y]),
            "notes": gappy([[f"it was {('dark', 'bright')[k]} {rng.integers(1000)}", None] for k in y]),
            "colour": gappy(rng.choice(["red", "green"], 24).tolist()).dictionary_encode(),
            "size": gappy(range(24), pa.int32()),
            "sold": gappy([bool(k) for k in rng.integers(2, size=24)]),
            "day": gappy(pd.date_range("2024-01-01", periods=24).date),
            "list": gappy(rng.normal(size=(24, 3)).tolist()),
            "fixed": gappy(rng.normal(size=(24, 3)).tolist(), pa.list_(pa.float32(), 3)),
        }
    )
    clf = MultimodalClassifier(max_epochs=2, random_state=0).fit(table, y)
    assert clf.transformer_.column_kinds_ == {
        "title": "text",
        "notes": "text",
        "colour": "categorical",
        "size": "numeric",
        "sold": "categorical",
        "day": "datetime",
        "list": "vector",
        "fixed": "vector",
    }
    expected = clf.predict_proba(table)
    np.testing.assert_array_equal(clf.predict_proba(table.to_pandas()), expected)
    np.testing.assert_allclose(clf.predict_proba(table.slice(2, 5)), expected[2:7], atol=1e-5)
    if parse_version(sklearn.__version__) >= parse_version("1.7"):  # older ones cannot index Arrow tables
        assert np.isfinite(cross_validate(clf, table, pa.array(y), cv=2, error_score="raise")["test_score"]).all()


@pytest.mark.slow
def test_emoji_that_are_variants_of_one_another():
    """Rows of several pictures and names: a firefighter, a woman firefighter, ..."""
    data = load_emoji()
    emoji = data.data.assign(category=data.target, group=data.groups)
    rows = emoji.groupby("group").agg({"image": list, "text": list, "category": "first"})
    rows = rows[rows["category"].isin(["Flags", "Objects", "People & Body"])].sample(200, random_state=0)
    X, y = rows[["image", "text"]], rows["category"]
    assert X["image"].map(len).max() > 2
    clf = MultimodalClassifier(image=ImageInput(transformer=ImageTransformer(size=32)), max_epochs=4, random_state=0)
    assert clf.fit(X[:120], y[:120]).score(X[120:], y[120:]) > 0.8
