"""Pretrained encoders in estimators: every way of training them beside everything else that estimators do."""

import copy
import pickle
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, MultimodalRegressor, TextInput
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.training import _frozen

pytest.importorskip("transformers")

WAYS = {
    "none": {},
    "attention": {"pooling": "attention"},
    "last": {"trainable": "last", "n_layers": 1},
    "lora": {"trainable": "lora", "lora_rank": 2},
    "all": {"trainable": "all"},
}
N_ROWS = 24


@pytest.fixture(autouse=True)
def _needs_peft(request):
    if getattr(request.node, "callspec", None) and request.node.callspec.params.get("way") == "lora":
        pytest.importorskip("peft")


@pytest.fixture
def table():
    """24 rows of pictures, two texts and a number, of which some rows lack one, and which of them are bright."""
    rng = np.random.default_rng(0)
    y = np.arange(N_ROWS) % 2
    photo = list((rng.integers(0, 60, size=(N_ROWS, 16, 16, 3)) + 140 * y[:, None, None, None]).astype(np.uint8))
    words = ["small", "quiet", "old", "black", "red", "green"]
    title, review = ([" ".join(rng.choice(words, size=row % 6 + 1)) for row in range(N_ROWS)] for _ in range(2))
    X = pd.DataFrame({"photo": photo, "title": title, "review": review, "weight": rng.normal(size=N_ROWS)})
    X.loc[::7, "photo"] = None
    X.loc[3::9, "title"] = None
    return X, y


@pytest.fixture
def estimator(tiny_model):
    """Return a function that makes a classifier of pictures, titles and weights."""

    def make(way, image=True, **params):
        text = TextInput("title", encoder=PretrainedEncoder(str(tiny_model("bert")), **WAYS[way]))
        photo = ImageInput("photo", encoder=PretrainedEncoder(str(tiny_model("vit")), **WAYS[way])) if image else None
        defaults = {"text": text, "image": photo, "tabular": "weight", "max_epochs": 2, "random_state": 0}
        return MultimodalClassifier(**{**defaults, **params})

    return make


def weights_of(clf, block="title"):
    return {name: value.clone() for name, value in clf.net_.module_.encoders[block].state_dict().items()}


@pytest.mark.parametrize("way", WAYS)
def test_fit_copy_and_fit_again(way, table, estimator):
    X, y = table
    clf = estimator(way).fit(X, y)
    probabilities = clf.predict_proba(X)
    assert np.isfinite(probabilities).all()
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(again.predict_proba(X), probabilities, rtol=1e-5)
    np.testing.assert_allclose(copy.deepcopy(clf).predict_proba(X), probabilities, rtol=1e-5)
    np.testing.assert_allclose(clone(again).fit(X, y).predict_proba(X), probabilities, rtol=1e-4, atol=1e-6)
    for row in (0, 3, 7):  # alone, and without a picture, a title or both
        np.testing.assert_allclose(clf.predict_proba(X.iloc[[row]]), probabilities[[row]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_trained_learns_and_the_rest_stays(way, table, estimator):
    X, y = table
    before = weights_of(estimator(way, image=False, max_epochs=1, lr=1e-9).fit(X, y))
    clf = estimator(way, image=False, max_epochs=2).fit(X, y)
    after, trained = weights_of(clf), {name for name, w in clf.net_.module_.encoders["title"].named_parameters()}
    moved = {name for name in trained if not torch.equal(before[name], after[name])}
    expected = {name for name, weight in clf.net_.module_.encoders["title"].named_parameters() if weight.requires_grad}
    assert moved <= expected
    assert bool(moved) == (way != "none")


@pytest.mark.parametrize("way", ["none", "last", "lora", "all"])
def test_columns_share_an_encoder(way, table, tiny_model):
    X, y = table
    text = TextInput(["title", "review"], shared=True, encoder=PretrainedEncoder(tiny_model("bert"), **WAYS[way]))
    clf = MultimodalClassifier(text=text, image=None, tabular="weight", max_epochs=1, random_state=0).fit(X, y)
    assert len({id(encoder) for encoder in clf.net_.module_.encoders.encoders}) <= 2, "one of texts, one of numbers"
    assert np.isfinite(clf.predict_proba(X)).all()
    np.testing.assert_allclose(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X), rtol=1e-5)


@pytest.mark.parametrize("way", ["none", "last", "lora", "all"])
def test_lists_of_pictures_and_texts(way, table, estimator):
    X, y = table
    photo, title = X["photo"].tolist(), X["title"].tolist()
    several = [[cell for cell in photo[row : row + row % 3] if cell is not None] for row in range(N_ROWS)]
    texts = [[cell for cell in title[row : row + row % 4] if cell is not None] for row in range(N_ROWS)]
    X = X.assign(photo=several, title=texts)
    clf = estimator(way, max_epochs=1).fit(X, y)
    probabilities = clf.predict_proba(X)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(clf.predict_proba(X.iloc[[5]]), probabilities[[5]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", ["none", "last", "lora", "all"])
def test_dropped_modalities_early_stopping_and_averaged_weights(way, table, estimator):
    X, y = table
    params = {"modality_dropout": 0.5, "early_stopping": True, "n_iter_no_change": 1, "weight_averaging": "ema"}
    clf = estimator(way, image=False, **params).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("way", ["none", "last", "lora", "all"])
def test_going_on(way, table, estimator):
    X, y = table
    clf = estimator(way, image=False, max_epochs=1, warm_start=True).fit(X, y)
    first = clf.predict_proba(X)
    second = clf.fit(X, y).predict_proba(X)
    assert np.abs(second - first).max() > 0
    clf.partial_fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()
    again = estimator(way, image=False).partial_fit(X, y, classes=[0, 1])
    assert again.predict_proba(X.iloc[:2]).shape == (2, 2)


@pytest.mark.parametrize("way", ["none", "last", "all"])
def test_lower_precision(way, table, estimator):
    X, y = table
    clf = estimator(way, max_epochs=1, precision="bfloat16").fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.parametrize("way", ["none", "attention", "last"])
def test_what_is_frozen_is_computed_once_with_memory(way, table, estimator, tmp_path, monkeypatch):
    X, y = table
    encode, n_rows = _frozen._FrozenBlock._encoded, []
    monkeypatch.setattr(
        _frozen._FrozenBlock, "_encoded", lambda block, rows: n_rows.append(len(rows)) or encode(block, rows)
    )
    first = estimator(way, memory=tmp_path).fit(X, y)
    assert sum(n_rows) == X[["photo", "title"]].notna().sum().sum(), "all are different"
    estimator(way, memory=tmp_path, image=False, head="linear").fit(X, y).predict(X)
    first.predict(X)
    assert sum(n_rows) == X[["photo", "title"]].notna().sum().sum()


def test_a_search_over_what_is_trained(table, estimator, tmp_path):
    X, y = table
    pytest.importorskip("peft")
    clf = estimator("none", image=False, max_epochs=1, memory=tmp_path)
    grid = {"text__encoder__trainable": ["none", "last", "lora", "all"], "text__encoder__n_layers": [1]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise", refit=False).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("way", ["none", "last", "all"])
def test_two_steps(way, table, estimator):
    X, y = table
    clf = estimator(way)
    steps = ModalityTransformer(text=clf.text, image=clf.image, tabular="weight")
    pipeline = make_pipeline(steps, MultimodalClassifier(max_epochs=2, random_state=0)).fit(X, y)
    np.testing.assert_allclose(pipeline.predict_proba(X), clf.fit(X, y).predict_proba(X), rtol=1e-4, atol=1e-6)


def test_regression(table, tiny_model):
    X, y = table
    text = TextInput("title", encoder=PretrainedEncoder(tiny_model("sentence_bert"), trainable="last", n_layers=1))
    model = MultimodalRegressor(text=text, image=None, tabular="weight", max_epochs=1, random_state=0)
    assert np.isfinite(model.fit(X, y + 0.5).predict(X)).all()


def test_half_precision_is_computed_in_float32(table, tiny_model, tmp_path):
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "half"
    shutil.copytree(tiny_model("bert"), folder)
    transformers.AutoModel.from_pretrained(tiny_model("bert"), dtype=torch.float16).save_pretrained(folder)
    X, y = table
    vectors = []
    for source in (folder, tiny_model("bert")):
        text = TextInput("title", encoder=PretrainedEncoder(source))
        clf = MultimodalClassifier(text=text, image=None, tabular=None, max_epochs=1, random_state=0).fit(X, y)
        encoder = clf.net_.module_.encoders["title"]
        assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
        with torch.no_grad():
            vectors.append(encoder(encoder.prepare(torch.arange(2, 8).view(2, 3).int())).pooled)
    assert vectors[0].dtype == torch.float32
    torch.testing.assert_close(*vectors, rtol=0, atol=0.02)
