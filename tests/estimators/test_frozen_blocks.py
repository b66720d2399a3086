"""What frozen encoders make of `Blocks` is found again by whoever has the same Blocks, or slices of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.model_selection import GridSearchCV, cross_val_predict

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.fusion import AttentionFusion, BottleneckFusion, FiLMFusion
from sklearn_mm.networks import WideLinear
from sklearn_mm.preprocessing import Blocks, BlockStore, ImageTransformer, TextTransformer
from sklearn_mm.training import _frozen


class Seen(list):
    """A list that says nothing of what is in it to fingerprints."""

    def __reduce__(self):
        return Seen, ()


SEEN = Seen()


class Patches(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.conv = nn.Conv2d(3, 6, 4, 4)

    def forward(self, x):
        SEEN.append(len(x))
        return self.conv(x)


class Words(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(500, width)

    def forward(self, ids):
        SEEN.append(len(ids))
        return self.embedding(ids)


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()
    _frozen._dtypes.clear()


@pytest.fixture
def data():
    """90 different pictures, each with a text of 1 to 12 words, and which of them are bright."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 2
    pictures = (rng.integers(0, 60, size=(90, 16, 16, 3)) + 140 * y[:, None, None, None]).astype(np.uint8)
    titles = [" ".join(rng.choice(list("abcdefgh"), size=row % 12 + 1)) + f" {row}" for row in range(90)]
    return {"photo": list(pictures), "title": titles}, y


@pytest.fixture
def blocks(data):
    image = ImageInput("photo", transformer=ImageTransformer(16))
    text = TextInput("title", transformer=TextTransformer(tokenizer="word"))
    return ModalityTransformer(image=image, text=text, tabular=None).fit_transform(pd.DataFrame(data[0])), data[1]


def classifier(module=None, **params):
    image = ImageInput("photo", encoder=ModuleEncoder(Patches() if module is None else module, width=6))
    defaults = {"image": image, "tabular": None, "wide": WideLinear(n_folds=2), "max_epochs": 2, "random_state": 0}
    return MultimodalClassifier(**{**defaults, **params})


@pytest.mark.parametrize("with_keys", [True, False])
def test_a_second_fit_finds_the_features_again(blocks, with_keys):
    blocks, y = blocks
    if not with_keys:
        blocks = Blocks(dict(blocks), blocks.specs, blocks.present)
    expected = classifier().fit(blocks, y).predict_proba(blocks)
    assert sum(SEEN) == 90
    for params in ({}, {"early_stopping": True, "scoring": "accuracy"}, {"fusion": "gated"}):
        clf = classifier(**params).fit(blocks, y)
        outputs = clf.predict_proba(blocks)
        assert params or np.allclose(outputs, expected, atol=1e-6)
    assert sum(SEEN) == 90


def test_a_search_and_its_folds_encode_each_row_once(blocks):
    blocks, y = blocks
    grid = {"fusion": ["concat", "gated", "attention"], "head": ["linear", "mlp"]}
    search = GridSearchCV(classifier(max_epochs=1), grid, cv=2).fit(blocks, y)
    search.predict(blocks)
    n_seen = sum(SEEN)
    assert n_seen <= 2 * 90 + 1, "once with tokens and once without, and a row to know its tokens"
    cross_val_predict(classifier(fusion="attention"), blocks[::-1], y[::-1], cv=3)
    assert sum(SEEN) == n_seen


def test_they_are_what_is_computed_otherwise(blocks, monkeypatch):
    blocks, y = blocks
    fits = [classifier(fusion="attention").fit(blocks, y) for _ in range(2)]
    with monkeypatch.context() as patch:
        patch.setattr("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks)
        expected = classifier(fusion="attention").fit(blocks, y)
    fresh = pickle.loads(pickle.dumps(blocks))
    for clf in fits:
        np.testing.assert_allclose(clf.predict_proba(blocks), expected.predict_proba(fresh), atol=1e-5)


def test_other_modules_and_other_blocks_are_encoded(blocks):
    blocks, y = blocks
    classifier().fit(blocks, y)
    classifier(Patches(seed=1)).fit(blocks, y)
    assert sum(SEEN) == 2 * 90
    classifier().fit(pickle.loads(pickle.dumps(blocks)), y)
    assert sum(SEEN) == 3 * 90
    classifier().fit(blocks, y)
    classifier(Patches(seed=1)).fit(blocks, y)
    assert sum(SEEN) == 3 * 90


def test_what_is_predicted_once_is_not_kept(blocks):
    blocks, y = blocks
    clf = classifier().fit(blocks[:60], y[:60])
    others = pickle.loads(pickle.dumps(blocks[60:]))
    clf.predict(others)
    assert not len(others.cache)
    clf.predict(blocks[60:])  # a slice of those that were fitted, as in a search
    assert sum(SEEN) == 60 + 2 * 30
    clf.predict(blocks[60:])
    assert sum(SEEN) == 60 + 2 * 30


def test_old_features_make_room(blocks, monkeypatch):
    blocks, y = blocks
    monkeypatch.setattr(_frozen, "_IN_MEMORY", 1)  # so that the limit is what the pictures take
    modules = [nn.Sequential(Patches(seed), nn.Flatten(), nn.Linear(96, 150)) for seed in range(3)]
    for module in modules:
        image = ImageInput("photo", encoder=ModuleEncoder(module))
        classifier(image=image).fit(blocks, y)
        assert len(blocks.cache) == 1
    seen = sum(SEEN)
    classifier(image=image).fit(blocks, y)
    assert sum(SEEN) == seen + 1, "the dry run of build"
    image = ImageInput("photo", encoder=ModuleEncoder(modules[0]))
    classifier(image=image).fit(blocks, y)
    assert sum(SEEN) == seen + 2 + 90


@pytest.mark.parametrize("where", ["store", None])
@pytest.mark.parametrize(
    "fusion",
    [AttentionFusion(dropout=0.0), BottleneckFusion(dropout=0.0), FiLMFusion()],  # what is drawn depends on the padding
    ids=lambda fusion: type(fusion).__name__,
)
def test_tokens_of_texts_are_kept_without_padding(blocks, monkeypatch, tmp_path, fusion, where):
    blocks, y = blocks
    text = TextInput("title", encoder=ModuleEncoder(Words(256), width=256))
    params = {"image": None, "text": text, "fusion": fusion, "memory": where and tmp_path, "wide": None}
    with monkeypatch.context() as patch:
        patch.setattr("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks)
        expected = classifier(**params).fit(blocks, y)
    for n_seen in (91, 0):
        SEEN.clear()
        clf = classifier(**params).fit(blocks, y)
        assert sum(SEEN) == n_seen
    fresh = pickle.loads(pickle.dumps(blocks))
    outputs = [fitted.set_params(memory=None).predict_proba(fresh) for fitted in (clf, expected)]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    losses = [[row["train_loss"] for row in fitted.history_] for fitted in (clf, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("where", ["store", None])
def test_stored_tokens_take_what_the_words_need(data, tmp_path, where):
    width = 384
    X, y = data
    titles = [*X["title"][:-1], "long " * 250]
    reader = TextTransformer(tokenizer="word", max_length=250)
    text = TextInput("title", transformer=reader, encoder=ModuleEncoder(Words(width), width=width))
    transformer = ModalityTransformer(image=None, text=text, tabular=None)
    blocks = transformer.fit_transform(pd.DataFrame({"title": titles}))
    assert blocks["title"].shape == (90, 250)
    store = BlockStore(tmp_path)
    clf = MultimodalClassifier(fusion="attention", max_epochs=1, tabular=None, memory=store if where else None)
    clf.fit(blocks, y)
    n_words = np.count_nonzero(blocks["title"])
    n_bytes = store.n_bytes if where else blocks.cache.n_bytes
    assert 0 < n_bytes / (4 * width * n_words + 90 * 4 * width) < 1.25, "of what words and pooled vectors need"


def test_a_store_without_room_for_tokens(blocks, tmp_path):
    blocks, y = blocks
    text = TextInput("title", encoder=ModuleEncoder(Words(64), width=64))
    params = {"image": None, "text": text, "fusion": "film", "wide": None}
    expected = classifier(**params).fit(blocks, y)
    for max_bytes in (0, 30_000):
        store = BlockStore(tmp_path / str(max_bytes), max_bytes=max_bytes)
        with pytest.warns(UserWarning, match=f"keeps nothing more: it has reached max_bytes={max_bytes}"):
            clf = classifier(**params, memory=store).fit(blocks, y)
        assert store.n_bytes <= max_bytes
        outputs = [fitted.set_params(memory=None).predict_proba(blocks) for fitted in (clf, expected)]
        np.testing.assert_allclose(*outputs, atol=1e-6)


def test_blocks_without_keys_whose_rows_lack_some(blocks, tmp_path):
    blocks, y = blocks
    present = blocks.present.copy()
    present[::4, 0] = False
    bare = Blocks(dict(blocks), blocks.specs, present)
    outputs = [classifier(memory=where).fit(bare, y).predict_proba(bare) for where in (None, tmp_path, tmp_path)]
    np.testing.assert_allclose(outputs[1:], [outputs[0]] * 2, atol=1e-6)
