"""Encoders that are not trained: what they make of a row is computed once, and is what it was without."""

import gc
import pickle
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.networks import MLPHead, WideLinear
from sklearn_mm.preprocessing import Blocks, ImageTransformer
from sklearn_mm.training import ImageAugmentation, _frozen
from sklearn_mm.training import _time as _frozen_time


class Seen(list):
    """A list that modules below may add to: it is known by its pickle, which says nothing of what is in it."""

    def __reduce__(self):
        return Seen, ()


SEEN = Seen()  # number of rows of each call of a module below


class Patches(nn.Module):
    """Maps of 4 x 4 places."""

    def __init__(self, seed=0, width=6):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 4, 4)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.conv.weight.copy_(torch.randn(self.conv.weight.shape, generator=generator))
            self.conv.bias.zero_()
        self.norm = nn.BatchNorm2d(width)  # that must stay in `eval` mode

    def forward(self, x):
        SEEN.append(len(x))
        return self.norm(self.conv(x))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(500, 5)
        with torch.no_grad():
            self.embedding.weight.copy_(torch.linspace(-1, 1, 2500).view(500, 5).sin())

    def forward(self, ids):
        SEEN.append(len(ids))
        return self.embedding(ids)


class Numbers(nn.Module):
    def forward(self, numbers, codes):
        SEEN.append(len(numbers))
        return torch.cat([numbers, codes], 1)


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()
    _frozen._dtypes.clear()


@pytest.fixture
def memory(tmp_path):
    return str(tmp_path / "store")


def image(encoder=None, **params):
    encoder = ModuleEncoder(Patches(), width=6) if encoder is None else encoder
    return ImageInput("photo", transformer=ImageTransformer(16), encoder=encoder, **params)


def classifier(**params):
    defaults = {"image": image(), "text": "title", "tabular": None, "wide": WideLinear(n_folds=2)}
    return MultimodalClassifier(**{**defaults, "max_epochs": 2, "random_state": 0, **params})


@pytest.fixture
def distinct(table):
    """The first half of the table, with a picture of its own in each row."""
    X, y = table[0][:48], table[1][:48]
    rng = np.random.default_rng(0)
    shades = np.where(y.str.startswith("bright"), 180, 40)
    pixels = rng.integers(0, 60, size=(48, 16, 16, 3)) + shades[:, np.newaxis, np.newaxis, np.newaxis]
    return X.assign(photo=list(pixels.astype(np.uint8))), y


def assert_same_fit(first, second, X, **tolerance):
    tolerance = tolerance or {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(first.predict_proba(X), second.predict_proba(X), **tolerance)
    for name in ("train_loss", "valid_loss"):
        losses = [[row.get(name, 0) for row in clf.history_] for clf in (first, second)]
        np.testing.assert_allclose(*losses, **tolerance)


@pytest.fixture
def recomputing(monkeypatch):
    """A function that fits with frozen encoders that encode each batch of each epoch."""

    def fit(clf, *args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks)
            return clf.fit(*args, **kwargs)

    return fit


@pytest.mark.parametrize("fusion", ["concat", "gated", "attention", "film"])
def test_once_per_fit_without_memory(distinct, recomputing, fusion):
    X, y = distinct
    expected = recomputing(classifier(fusion=fusion), X, y)
    assert sum(SEEN) == 3 * 48, "for each epoch, and for the linear part"
    SEEN.clear()
    clf = classifier(fusion=fusion).fit(X, y)
    assert sum(SEEN) == 48 + (fusion in ("attention", "film")), "and one row to know its tokens"
    assert_same_fit(expected, clf, X)


@pytest.mark.parametrize("fusion", ["concat", "attention"])
def test_once_for_all_with_memory(distinct, recomputing, memory, fusion):
    X, y = distinct
    expected = recomputing(classifier(fusion=fusion), X, y)
    plain = classifier(fusion=fusion).fit(X, y)
    SEEN.clear()
    for n_seen in (48, 0):
        clf = classifier(fusion=fusion, memory=memory).fit(X, y)
        assert sum(SEEN) == n_seen
        SEEN.clear()
        np.testing.assert_allclose(clf.predict_proba(X), expected.predict_proba(X), atol=1e-5)
        assert sum(SEEN) == 48, "of the one without memory"
        SEEN.clear()
        assert_same_fit(plain, clf.set_params(memory=None), X)
        SEEN.clear()


def test_a_search_over_fusions_heads_and_folds_encodes_each_row_once(distinct, memory):
    X, y = distinct
    grid = {"fusion": ["concat", "gated"], "head": ["linear", MLPHead((8,))]}
    search = GridSearchCV(classifier(memory=memory, max_epochs=1), grid, cv=3).fit(X, y)
    search.predict(X)
    assert sum(SEEN) == 48
    GridSearchCV(classifier(memory=memory, max_epochs=1, early_stopping=True), grid, cv=2).fit(X[::-1], y[::-1])
    assert sum(SEEN) == 48


def test_fusions_with_and_without_tokens_share_what_the_former_computed(distinct, memory):
    X, y = distinct
    classifier(memory=memory, fusion="attention").fit(X, y)
    SEEN.clear()
    classifier(memory=memory, fusion="concat").fit(X, y)
    assert not SEEN


def test_validation_and_its_scorer_cost_nothing_per_epoch(distinct, memory):
    X, y = distinct
    for where in (None, memory):
        SEEN.clear()
        classifier(early_stopping=True, scoring="accuracy", memory=where).fit(X, y)
        assert sum(SEEN) == 48
    SEEN.clear()
    classifier(scoring="accuracy").fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert sum(SEEN) == 48


def test_scorers_see_the_pictures(distinct, memory):
    X, y = distinct
    shapes = []

    def score(estimator, X, y):
        shapes.append((np.asarray(X["photo"]).shape, list(X.features)))
        return estimator.score(X, y)

    classifier(early_stopping=True, scoring=score, memory=memory, max_epochs=1).fit(X, y)
    assert shapes == [((5, 16, 16, 3), ["photo"])]


@pytest.mark.parametrize("where", ["store", None])
def test_missing_blocks_lists_text_and_tables(distinct, recomputing, memory, where):
    X, y = distinct
    photos = X["photo"].tolist()
    X = X.assign(
        photo=[[photos[row - n] for n in range(row % 4)] for row in range(48)],
        front=[None if row % 5 == 2 else photo for row, photo in enumerate(photos)],
        title=X["title"].where(np.arange(48) % 7 != 3),
    )
    transformer = ImageTransformer(16)
    inputs = [
        ("pictures", ImageInput("photo", transformer=transformer, encoder=ModuleEncoder(Patches(), width=6))),
        ("front", ImageInput("front", transformer=transformer, encoder=ModuleEncoder(Patches(1), width=6))),
        ("title", TextInput("title", encoder=ModuleEncoder(Words()))),
        ("table", TabularInput(["weight", "colour"], encoder=ModuleEncoder(Numbers()))),
    ]
    params = {"image": "auto", "text": "auto", "tabular": "auto", "inputs": inputs, "fusion": "attention"}
    expected = recomputing(classifier(**params), X, y)
    for _ in range(2):
        clf = classifier(**params, memory=where and memory).fit(X, y)
        np.testing.assert_allclose(clf.predict_proba(X), expected.predict_proba(X), atol=1e-5)
        assert_same_fit(expected.set_params(memory=None), clf.set_params(memory=None), X)
    if where:
        SEEN.clear()
        expected.set_params(memory=memory).predict(X)
        assert sum(SEEN) <= 4, "a row each at most, to know its tokens"


def test_blocks_with_one_encoder(distinct, recomputing, memory):
    X, y = distinct
    X = X.assign(back=X["photo"].to_numpy()[::-1])
    inputs = [("both", ImageInput(["photo", "back"], transformer=ImageTransformer(16), shared=True, encoder=None))]
    inputs[0][1].encoder = ModuleEncoder(Patches(), width=6)
    params = {"image": "auto", "text": "auto", "inputs": inputs}
    expected = recomputing(classifier(**params), X, y)
    SEEN.clear()
    clf = classifier(**params, memory=memory).fit(X, y)
    assert sum(SEEN) == 48, "each picture once, whichever column it is in"
    assert_same_fit(expected, clf, X)


def test_other_modules_settings_and_weights_are_kept_apart(distinct, memory):
    X, y = distinct
    seen = []
    for encoder in (
        ModuleEncoder(Patches(), width=6),
        ModuleEncoder(Patches(seed=1), width=6),
        ModuleEncoder(nn.Sequential(Patches(), nn.ReLU()), width=6),
        ModuleEncoder(Patches(), width=6),
    ):
        SEEN.clear()
        plain = classifier(image=image(encoder)).fit(X, y)
        SEEN.clear()
        clf = classifier(image=image(encoder), memory=memory).fit(X, y)
        seen.append(sum(SEEN))
        assert_same_fit(plain, clf, X)
    assert seen == [48, 48, 48, 0]
    for transformer in (ImageTransformer(16, mean=0.5), ImageTransformer(16, rotate=90)):
        plain = classifier(image=image().set_params(transformer=transformer)).fit(X, y)
        SEEN.clear()
        clf = classifier(image=image().set_params(transformer=transformer), memory=memory).fit(X, y)
        assert sum(SEEN) == 48
        assert_same_fit(plain, clf, X)


def test_a_loader_that_comes_to_return_something_else(distinct, memory):
    X, y = distinct
    pictures = X["photo"].tolist()
    X = X.assign(photo=np.arange(48))
    source = {"pictures": pictures}

    def transformer():
        return ImageTransformer(16, loader=lambda cell: source["pictures"][cell])

    clf = classifier(image=image().set_params(transformer=transformer()), memory=memory).fit(X, y)
    source["pictures"] = pictures[::-1]
    again = classifier(image=image().set_params(transformer=transformer()), memory=memory).fit(X, y)
    plain = classifier(image=image().set_params(transformer=transformer())).fit(X, y)
    assert_same_fit(plain, again, X)
    assert not np.allclose(clf.predict_proba(X), again.predict_proba(X))


def test_weights_that_are_changed_after_fit(distinct, memory):
    X, y = distinct
    clf = classifier(memory=memory, wide=None).fit(X, y)  # whose pixels tell all here
    before = clf.predict_proba(X)
    with torch.no_grad():
        clf.net_.module_.encoders["photo"].layers.conv.weight.mul_(2)
    after = clf.predict_proba(X)
    assert np.abs(before - after).max() > 1e-3
    np.testing.assert_allclose(clf.set_params(memory=None).predict_proba(X), after, atol=1e-5)


def test_a_module_without_a_fingerprint_is_computed_once_per_fit(distinct, memory):
    X, y = distinct
    encoder = ModuleEncoder(Patches(), width=6)
    encoder.module.act = lambda x: open(x)  # noqa: SIM115, whose file may change
    plain = classifier().fit(X, y)
    for _ in range(2):
        SEEN.clear()
        clf = classifier(image=image(encoder), memory=memory, early_stopping=False).fit(X, y)
        assert sum(SEEN) == 48
        assert_same_fit(plain, clf, X)
    SEEN.clear()
    classifier(image=image(encoder), early_stopping=True, scoring="accuracy").fit(X, y)
    assert sum(SEEN) == 48


def test_of_encoders_without_a_fingerprint_nothing_is_left_behind(distinct):
    X, y = distinct
    gc.collect()
    n_before = len(_frozen._unlike_others)
    for _ in range(2):
        encoder = ModuleEncoder(Patches(), width=6)
        encoder.module.act = lambda x: open(x)  # noqa: SIM115
        clf = classifier(image=image(encoder), fusion="attention", max_epochs=1).fit(X, y)
        assert not _frozen._dtypes
        assert len(_frozen._unlike_others) > n_before
    del clf
    gc.collect()
    assert len(_frozen._unlike_others) == n_before


def test_rows_that_all_lack_a_block_whose_tokens_are_kept(distinct, memory):
    X, y = distinct
    clf = classifier(fusion="attention", memory=memory).fit(X, y)
    _frozen._dtypes.clear()
    lacking = X.assign(photo=None)
    kept = clf.predict_proba(lacking)
    np.testing.assert_array_equal(kept, clf.set_params(memory=None).predict_proba(lacking))


def test_features_too_large_for_memory_are_computed_batch_by_batch(distinct, monkeypatch):
    X, y = distinct
    plain = classifier(fusion="attention").fit(X, y)
    monkeypatch.setattr(_frozen, "_IN_MEMORY", 1000)
    SEEN.clear()
    clf = classifier(fusion="attention", image=image(ModuleEncoder(Patches(width=60)))).fit(X, y)
    assert sum(SEEN) > 2 * 48
    SEEN.clear()
    small = classifier(fusion="attention").fit(X, y)  # no more than the pictures take
    assert sum(SEEN) == 48
    assert_same_fit(plain, small, X)
    assert clf.n_epochs_ == 2


def test_two_steps_and_blocks_without_keys(distinct, memory):
    X, y = distinct
    blocks = ModalityTransformer(image=image(), text="title", tabular=None, memory=memory).fit_transform(X)
    params = {"image": "auto", "text": "auto", "memory": memory}
    expected = classifier(memory=memory).fit(X, y)
    SEEN.clear()
    clf = classifier(**params).fit(blocks, y)
    assert not SEEN
    np.testing.assert_allclose(clf.predict_proba(blocks), expected.predict_proba(X), atol=1e-5)
    bare = Blocks(dict(blocks), blocks.specs, blocks.present)
    for n_seen in (48, 0):  # known by their pixels
        SEEN.clear()
        np.testing.assert_allclose(
            classifier(**params).fit(bare, y).predict_proba(bare), clf.predict_proba(blocks), atol=1e-5
        )
        assert sum(SEEN) == n_seen


def test_partial_fit_warm_start_regression_pickle_and_clone(distinct, numeric_target, memory):
    X, y = distinct
    clf = classifier(memory=memory, warm_start=True).fit(X, y).fit(X, y)
    clf.partial_fit(X, y)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    clone(clf).fit(X, y)
    fits = [
        MultimodalRegressor(image=image(), text=None, tabular=None, max_epochs=2, random_state=0, memory=where).fit(
            X, numeric_target[:48]
        )
        for where in (None, memory)
    ]
    np.testing.assert_allclose(fits[0].predict(X), fits[1].set_params(memory=None).predict(X), rtol=1e-5)
    assert sum(SEEN) == 4 * 48  # the store's; a fit and two predictions without it


def test_precisions_are_kept_apart(distinct, memory):
    X, y = distinct
    plain = classifier(precision="bfloat16").fit(X, y)
    classifier(memory=memory).fit(X, y)
    SEEN.clear()
    clf = classifier(memory=memory, precision="bfloat16").fit(X, y)
    assert sum(SEEN) == 48
    assert_same_fit(plain, clf, X, atol=1e-5)


def test_an_augmentation_that_is_asked_for_is_refused(distinct, memory):
    X, y = distinct
    with pytest.raises(ValueError, match="cannot act before a frozen encoder"):
        classifier(image=image(augment="light"), memory=memory).fit(X, y)


def test_an_augmentation_acts_before_what_is_computed_in_each_epoch(distinct):
    X, y = distinct
    encoder = ModuleEncoder(Patches().requires_grad_(False), trainable="all", width=6)
    clf = classifier(image=image(encoder, augment="light"), max_epochs=2).fit(X, y)
    assert sum(SEEN) == 2 * 48
    assert isinstance(clf.net_.module_.encoders.augment[0], ImageAugmentation)


def test_what_is_trained_is_not_kept(distinct, memory):
    X, y = distinct
    encoder = ModuleEncoder(Patches(), trainable="all", width=6)
    classifier(image=image(encoder), memory=memory, max_epochs=2).fit(X, y)
    assert sum(SEEN) == 2 * 48
    kept = {path.name.partition("-")[0] for path in Path(memory).glob("*/*")}
    assert kept == {"header", "image"}


def test_scikit_learns_callbacks_predict_without_encoding_again(distinct):
    callback = pytest.importorskip("sklearn.callback")
    X, y = distinct
    clf = classifier(max_epochs=4).set_callbacks(callback.ScoringMonitor(scoring="accuracy"))
    clf.fit(X, y)
    assert sum(SEEN) <= 2 * 48, "once for training, once for what the fitted estimator says in the end"


def test_the_clock_of_the_schedule_starts_after_the_encoding(distinct, monkeypatch):
    X, y = distinct
    moments = []
    begin, encode = _frozen_time.TimeLimit.begin, _frozen._FrozenBlock.encode
    monkeypatch.setattr(_frozen_time.TimeLimit, "begin", lambda self: moments.append("begin") or begin(self))
    monkeypatch.setattr(
        _frozen._FrozenBlock, "encode", lambda self, *args: moments.append("encode") or encode(self, *args)
    )
    classifier(max_time=60).fit(X, y)
    assert moments[-1] == "begin"
    assert "encode" in moments


def test_beside_a_wide_part_that_sees_the_block_itself(table, recomputing, memory):
    X, y = table
    params = {
        "image": None,
        "text": TextInput("title", encoder=ModuleEncoder(Words())),
        "tabular": TabularInput(["weight", "colour"], encoder=ModuleEncoder(Numbers())),
        "scoring": "accuracy",
    }
    expected = recomputing(classifier(**params), X, y)
    assert expected.net_.module_.top.wide.block_names == ["title", "tabular"]
    for where in (None, memory, memory):
        SEEN.clear()
        clf = classifier(**params, memory=where).fit(X, y)
        assert_same_fit(expected, clf, X)


def test_content_keys_are_asked_for_only_where_features_are_kept(table, tmp_path):
    X, y = table
    with mock.patch.object(
        ImageTransformer, "content_keys", side_effect=ImageTransformer.content_keys, autospec=True
    ) as asked:
        MultimodalClassifier(max_epochs=1, memory=tmp_path / "a").fit(X, y).predict(X)
        classifier(max_epochs=1).fit(X, y).predict(X)
        assert not asked.called
        classifier(max_epochs=1, memory=tmp_path / "b").fit(X, y).predict(X)
        assert asked.call_count == 2
        ModalityTransformer().fit(X)
        assert asked.call_count == 3


def test_a_prediction_takes_a_fingerprint_only_where_features_may_be_found(distinct, memory):
    X, y = distinct
    clf = classifier(max_epochs=1).fit(X, y)
    with mock.patch.object(_frozen, "fingerprint", wraps=_frozen.fingerprint) as taken:
        expected = clf.predict_proba(X)
        assert not taken.called  # it takes longer than to predict a row
        np.testing.assert_allclose(clf.set_params(memory=memory).predict_proba(X), expected, rtol=1e-5)
        assert taken.called
