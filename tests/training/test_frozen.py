"""Frozen encoders compute rows of like length together, whatever their order, and what they say stays the same."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.training import _frozen

SEEN = []  # shape of the ids of each call, and how many of these are no padding


class Words(nn.Module):
    """Words in their places, so that an order that is mixed up shows."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(500, 6, padding_idx=0)
        with torch.no_grad():
            self.embedding.weight[1:] = torch.linspace(-1, 1, 499 * 6).view(499, 6).sin()

    def forward(self, ids):
        SEEN.append((*ids.shape, int((ids != 0).sum())))
        return self.embedding(ids) * torch.arange(1, ids.shape[1] + 1).view(1, -1, 1).sqrt()


class TrimmedEncoder(ModuleEncoder):
    fixed_length = False
    length_costs = False  # so that training draws the same batches, whether features are there or not


@pytest.fixture
def texts():
    """Texts of 1 to 60 words, the long ones in between, some of them twice, and a label."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefghijkl"), size=rng.integers(1, 61))) for _ in range(300)]
    texts[7], texts[100] = texts[200], None
    return pd.DataFrame({"title": texts}), np.arange(300) % 2


@pytest.fixture(autouse=True)
def _small_budget(monkeypatch):
    monkeypatch.setattr("sklearn_mm.utils._budget._TOKENS", (2**9, 2**8))
    SEEN.clear()
    _frozen._dtypes.clear()


def classifier(encoder=None, **params):
    encoder = TrimmedEncoder(Words(), width=6) if encoder is None else encoder
    text = TextInput("title", transformer=TextTransformer("word"), encoder=encoder)
    settings = {"image": None, "tabular": None, "wide": None, "max_epochs": 2, "random_state": 0}
    return MultimodalClassifier(text=text, **{**settings, **params})


def recomputed(clf, X, y, monkeypatch):
    """Return the estimator, fitted with each batch encoded in each epoch."""
    with monkeypatch.context() as patch:
        patch.setattr("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks)
        return clf.fit(X, y)


@pytest.mark.parametrize("where", ["store", None])
@pytest.mark.parametrize("fusion", ["concat", "film"])
@pytest.mark.parametrize("are_lists", [False, True], ids=["texts", "lists"])
def test_features_come_back_in_the_order_of_the_rows(texts, monkeypatch, tmp_path, where, fusion, are_lists):
    X, y = texts
    if are_lists:
        titles = X["title"].tolist()
        X = pd.DataFrame({"title": [titles[row : row + row % 4] for row in range(300)]})
    expected = recomputed(classifier(fusion=fusion), X, y, monkeypatch)
    SEEN.clear()
    clf = classifier(fusion=fusion, memory=where and tmp_path).fit(X, y)
    outputs = clf.set_params(memory=None).predict_proba(X[:30])  # batch by batch
    np.testing.assert_allclose(outputs, expected.predict_proba(X[:30]), atol=1e-5)
    losses = [[row["train_loss"] for row in fitted.history_] for fitted in (clf, expected)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_batches_are_of_like_length_and_equal_texts_come_once(texts, tmp_path):
    X, y = texts
    classifier(memory=tmp_path).fit(X, y)
    assert sum(n_rows for n_rows, *_ in SEEN) == X["title"].nunique()
    assert max(n_rows * length for n_rows, length, _ in SEEN) <= 2**8
    assert sum(n_rows * length for n_rows, length, _ in SEEN) < 1.05 * sum(n_ids for *_, n_ids in SEEN)


def test_rows_of_a_module_of_which_nothing_is_known_are_not_cut(texts):
    X, y = texts
    classifier(ModuleEncoder(Words(), width=6)).fit(X, y)
    assert {length for _, length, _ in SEEN} == {60}
    assert max(n_rows for n_rows, *_ in SEEN) == 2**8 // 60


def test_many_rows_are_predicted_in_such_batches_and_few_as_they_come(texts, monkeypatch):
    X, y = texts
    clf = classifier(batch_size=64).fit(X, y)
    in_parts = np.concatenate([clf.predict_proba(X[start : start + 50]) for start in range(0, 300, 50)])
    SEEN.clear()
    at_once = clf.predict_proba(X)
    np.testing.assert_allclose(at_once, in_parts, atol=1e-6)
    assert sum(n_rows for n_rows, *_ in SEEN) == X["title"].nunique()
    SEEN.clear()
    monkeypatch.setattr(_frozen, "_FrozenBlock", None)  # which would only cost time
    clf.predict_proba(X[:1])
    assert [n_rows for n_rows, *_ in SEEN] == [1]


@pytest.mark.parametrize("fusion", ["concat", "film"])
def test_chunks_that_are_sorted_do_not_hold_more_than_they_may(texts, monkeypatch, fusion):
    X, y = texts
    expected = classifier(fusion=fusion).fit(X, y).predict_proba(X)
    monkeypatch.setattr(_frozen, "_HELD", 2**12)
    sizes, encoded = [], _frozen._FrozenBlock._encoded
    monkeypatch.setattr(
        _frozen._FrozenBlock, "_encoded", lambda self, rows: sizes.append(len(rows)) or encoded(self, rows)
    )
    clf = classifier(fusion=fusion).fit(X, y)
    assert max(sizes) <= 2**12 // (6 * 4)
    assert len(sizes) > 1
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=1e-6)


class SmallMemory(Words):
    """Runs out of memory with more ids than fit."""

    ids_that_fit = 100

    def forward(self, ids):
        if ids.numel() > self.ids_that_fit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return super().forward(ids)


def test_out_of_memory_halves_these_batches_and_no_others(texts):
    X, y = texts
    encoder = TrimmedEncoder(SmallMemory(), width=6)
    with pytest.warns(UserWarning, match="does not suffice for what a frozen encoder makes of 4 rows") as warned:
        clf = classifier(encoder, batch_size=64).fit(X, y)
    assert clf.net_.n_parts == 2 ** len(warned) <= 8, "4 rows of 60 ids do not fit, nor do 2"
    assert clf.net_.batch_size == 64
    assert max(n_rows * length for n_rows, length, _ in SEEN) <= 100
    expected = classifier(batch_size=64).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), expected.predict_proba(X), atol=1e-6)


def test_a_row_that_does_not_fit_is_an_error(texts, monkeypatch):
    monkeypatch.setattr(SmallMemory, "ids_that_fit", 0)
    with (
        pytest.warns(UserWarning, match="makes of 2 rows"),
        pytest.raises(torch.cuda.OutOfMemoryError),
    ):
        classifier(TrimmedEncoder(SmallMemory(), width=6)).fit(*texts)


def test_rows_that_are_read_from_files_are_read_ahead(texts, tmp_path, monkeypatch):
    X, y = texts
    clf = classifier()
    blocks = ModalityTransformer(text=clf.text, image=None, tabular=None).fit_transform(X)
    ahead, read = [], _frozen.read_batches
    monkeypatch.setattr(
        _frozen, "read_batches", lambda *args, **kwargs: ahead.append(kwargs["ahead"]) or read(*args, **kwargs)
    )
    params = {"text": TextInput("title", encoder=clf.text.encoder)}
    expected = clone(clf).set_params(**params).fit(blocks, y)
    views = pickle.loads(pickle.dumps(blocks)).with_views()
    lazily = clone(clf).set_params(**params).fit(views, y)
    np.testing.assert_allclose(lazily.predict_proba(blocks), expected.predict_proba(blocks), atol=1e-6)
    assert set(ahead) == {False, True} or not views.specs["title"].large
