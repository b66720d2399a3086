"""Encoders whose last layers are trained: what comes before them is computed once per fit, or once for all."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm import ImageInput, MultimodalClassifier, TabularInput, TextInput
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer
from sklearn_mm.training import _frozen


class Seen(list):
    """A list that says nothing of what is in it to fingerprints."""

    def __reduce__(self):
        return Seen, ()


SEEN = Seen()


class Counted(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *inputs):
        SEEN.append(len(inputs[0]))
        return self.module(*inputs)


@pytest.fixture(autouse=True)
def _nothing_seen():
    SEEN.clear()
    _frozen._dtypes.clear()


@pytest.fixture
def table():
    """80 rows of pictures, texts and numbers, of which some rows lack one, and which of them are bright."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    photo = list((rng.integers(0, 60, size=(80, 16, 16, 3)) + 140 * y[:, None, None, None]).astype(np.uint8))
    title = [" ".join(rng.choice(list("abcdef"), size=row % 5 + 1)) for row in range(80)]
    X = pd.DataFrame({"photo": photo, "title": title, "weight": rng.normal(size=80), "height": rng.normal(size=80)})
    X.loc[::7, "photo"] = None
    X.loc[3::9, "title"] = None
    return X, y


def image(**params):
    torch.manual_seed(0)
    module = nn.Sequential(Counted(nn.Conv2d(3, 6, 4, 4)), nn.ReLU(), nn.Conv2d(6, 5, 1, bias=False), nn.BatchNorm2d(5))
    encoder = ModuleEncoder(module, trainable="2", width=5)
    return ImageInput("photo", transformer=ImageTransformer(16), encoder=encoder, **params)


def classifier(**params):
    defaults = {"image": image(), "text": None, "tabular": None, "max_epochs": 3, "random_state": 0, "wide": None}
    return MultimodalClassifier(**{**defaults, **params})


@pytest.fixture
def recomputing(monkeypatch):
    def fit(clf, *args):
        with monkeypatch.context() as patch:
            patch.setattr("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks)
            return clf.fit(*args)

    return fit


def assert_same_fit(first, second, X):
    outputs = [clf.set_params(memory=None).predict_proba(X) for clf in (first, second)]
    np.testing.assert_allclose(*outputs, atol=1e-5)
    losses = [[row["train_loss"] for row in clf.history_] for clf in (first, second)]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("fusion", ["concat", "film"])
def test_once_per_fit(table, recomputing, fusion):
    X, y = table
    n_pictures = X["photo"].notna().sum()
    expected = recomputing(classifier(fusion=fusion), X, y)
    assert sum(SEEN) == 3 * n_pictures
    SEEN.clear()
    clf = classifier(fusion=fusion).fit(X, y)
    assert sum(SEEN) == n_pictures + 1, "and one row to know what there is of each"
    assert_same_fit(expected, clf, X)
    trained = [clf.net_.module_.encoders["photo"].layers, clf.image.encoder.module[2:]]
    assert not torch.equal(trained[0][0].weight, trained[1][0].weight)


def test_once_for_all_with_memory(table, recomputing, tmp_path):
    X, y = table
    expected = recomputing(classifier(), X, y)
    SEEN.clear()
    clf = classifier(memory=tmp_path).fit(X, y)
    n_seen = sum(SEEN)
    assert n_seen <= X["photo"].notna().sum() + 1
    clf = classifier(memory=tmp_path, fusion="concat").fit(X, y)
    clf.predict(X)
    classifier(memory=tmp_path, fusion="attention").fit(X, y)
    assert sum(SEEN) == n_seen, "by weights that were trained in between as well"
    assert_same_fit(expected, clf, X)


def test_texts_tables_and_lists(table, recomputing):
    X, y = table
    photo = X["photo"].tolist()
    X = X.assign(photo=[[photos for photos in photo[row : row + row % 3] if photos is not None] for row in range(80)])
    reader = TextTransformer(tokenizer="word")
    words = nn.Sequential(Counted(nn.Embedding(50, 6)), nn.Linear(6, 4))
    numbers = nn.Sequential(Counted(nn.Linear(2, 6)), nn.ReLU(), nn.Linear(6, 4))
    params = {
        "text": TextInput("title", transformer=reader, encoder=ModuleEncoder(words, trainable="1")),
        "tabular": TabularInput(["weight", "height"], encoder=ModuleEncoder(numbers, trainable="2")),
        "fusion": "film",
    }
    assert_same_fit(recomputing(classifier(**params), X, y), classifier(**params).fit(X, y), X)


def test_early_stopping_averages_and_going_on(table, recomputing):
    X, y = table
    params = {"weight_averaging": "ema", "early_stopping": True, "n_iter_no_change": 2, "max_epochs": 6}
    expected = recomputing(classifier(**params), X, y)
    clf = classifier(**params, warm_start=True).fit(X, y)
    assert_same_fit(expected, clf, X)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), clf.fit(X, y).predict_proba(X))
    frozen = clf.net_.module_.encoders["photo"].stem.layers
    assert torch.equal(frozen[0].module.weight, clf.image.encoder.module[0].module.weight)


def test_a_pickle_has_what_is_not_trained_once(table):
    X, y = table
    stem = [nn.Conv2d(3, 6, 4, 4), nn.Flatten(), nn.Linear(96, 5000)]
    module = nn.Sequential(*stem, nn.Linear(5000, 1))
    encoder = ModuleEncoder(module, trainable="3")
    image = ImageInput("photo", transformer=ImageTransformer(16), encoder=encoder)
    clf = classifier(image=image, head="linear", warm_start=True).fit(X, y)
    sizes = [sum(weight.numel() for weight in part.parameters()) for part in (module, module[3])]
    assert sizes[1] < 0.0102 * sizes[0]
    size = len(pickle.dumps(module))
    assert len(pickle.dumps(clf)) < 1.05 * size
    for again in (pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf)):
        assert again.image.encoder._held._module is None, "the parameter is copied only when it is asked for"
        assert again.net_.module_.encoders["photo"].stem.layers is clf.net_.module_.encoders["photo"].stem.layers
        np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
        for weight, mine in zip(again.image.encoder.module.parameters(), module.parameters(), strict=True):
            assert torch.equal(weight, mine)
        assert len(pickle.dumps(again)) < 1.05 * size
        np.testing.assert_array_equal(clone(again).fit(X, y).predict_proba(X), clf.predict_proba(X))


def test_an_augmentation_cannot_act_before_what_is_computed_once(table):
    X, y = table
    with pytest.raises(ValueError, match="cannot act before a frozen encoder"):
        classifier(image=image(augment="light")).fit(X, y)
    assert isinstance(classifier(image=image(augment="auto")).fit(X, y).net_.module_.encoders.augment[0], nn.Identity)
