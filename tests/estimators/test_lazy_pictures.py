"""Pictures that a frozen encoder reads are decoded when they are encoded, and no picture is decoded twice."""

import io
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.encoders import CNNEncoder, ModuleEncoder
from sklearn_mm.fusion import AttentionFusion
from sklearn_mm.preprocessing import ImageTransformer, LazyRows, Ragged
from sklearn_mm.preprocessing.image import _picture_decoder
from sklearn_mm.training import _frozen

N_ROWS = 64


@pytest.fixture
def decoded(monkeypatch):
    """Sizes of the cells that were decoded, one by one."""
    cells, decode = [], _picture_decoder.decode

    def noting(cell, *args):
        cells.append(cell)
        return decode(cell, *args)

    monkeypatch.setattr(_picture_decoder, "decode", noting)
    return cells


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture
def data():
    """Different pictures, bright or dark, as the bytes of files."""
    rng = np.random.default_rng(0)
    y = np.arange(N_ROWS) % 2
    pixels = rng.integers(0, 60, size=(N_ROWS, 16, 16, 3)) + 140 * y[:, None, None, None]
    return pd.DataFrame({"photo": [png(picture) for picture in pixels.astype(np.uint8)]}), y


def image(encoder=None, **params):
    torch.manual_seed(0)
    encoder = ModuleEncoder(nn.Conv2d(3, 6, 4, 4)) if encoder is None else encoder
    return ImageInput("photo", encoder=encoder, transformer=ImageTransformer(16), **params)


def classifier(image_input="auto", **params):
    defaults = {"tabular": None, "wide": None, "max_epochs": 3, "random_state": 0}
    return MultimodalClassifier(image=image_input, **{**defaults, **params})


def test_blocks_of_frozen_encoders_are_lazy(data, decoded):
    transformer = ModalityTransformer(image=image())
    for blocks in (transformer.fit_transform(data[0]), transformer.transform(data[0])):
        assert isinstance(blocks["photo"], LazyRows)
        assert isinstance(blocks[3:5]["photo"], LazyRows)
    assert not decoded
    assert not isinstance(transformer.transformers_["photo"].transform(data[0]["photo"]), LazyRows)


@pytest.mark.parametrize("encoder", ["auto", "cnn", CNNEncoder(), ModuleEncoder(nn.Conv2d(3, 6, 4), trainable="all")])
def test_blocks_of_others_are_not(data, encoder):
    blocks = ModalityTransformer(image=image(encoder)).fit_transform(data[0])
    assert isinstance(blocks["photo"], np.ndarray)


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"fusion": AttentionFusion()}], ids=["default", "early_stopping", "tokens"]
)
def test_a_fit_decodes_each_picture_once(data, decoded, params):
    X, y = data
    clf = classifier(image(), **params).fit(X, y)
    own_shape = 1 if "fusion" in params else 0  # how large the tokens of a picture are is asked of the first
    assert len(decoded) == N_ROWS + own_shape
    assert len(set(decoded)) == N_ROWS
    decoded.clear()
    assert clf.score(X, y) == 1
    assert len(decoded) == N_ROWS


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"fusion": AttentionFusion()}], ids=["default", "early_stopping", "tokens"]
)
def test_the_linear_part_which_sees_pixels_too_makes_none_be_decoded_twice(data, decoded, params):
    X, y = data
    clf = classifier(image(), wide="auto", **params).fit(X, y)
    assert len(decoded) == N_ROWS
    decoded.clear()
    clf.predict(X)
    assert len(decoded) == N_ROWS
    decoded.clear()
    clf.transform(X)
    assert len(decoded) == N_ROWS


def test_equal_pictures_are_decoded_once(data, decoded):
    X, y = data
    rows = np.arange(40) % 8
    classifier(image()).fit(X.iloc[rows], y[rows])
    assert len(decoded) == 8


def test_it_learns_what_it_does_of_pictures_in_memory(data):
    X, y = data
    arrays = pd.DataFrame({"photo": [np.asarray(Image.open(io.BytesIO(cell))) for cell in X["photo"]]})
    lazy, at_once = (classifier(image()).fit(table, y).predict_proba(table) for table in (X, arrays))
    np.testing.assert_allclose(lazy, at_once, rtol=1e-5, atol=1e-6)


def test_fits_on_the_same_blocks_decode_once(data, decoded):
    X, y = data
    blocks = ModalityTransformer(image=image()).fit_transform(X)
    first = classifier().fit(blocks, y).predict_proba(blocks)
    assert len(decoded) == N_ROWS
    np.testing.assert_allclose(classifier().fit(blocks, y).predict_proba(blocks), first, rtol=1e-5)
    assert cross_val_predict(classifier(), blocks, y, cv=4).shape == (N_ROWS,)
    assert len(decoded) == N_ROWS


def test_two_steps(data, decoded):
    X, y = data
    pipeline = make_pipeline(ModalityTransformer(image=image()), classifier()).fit(X, y)
    assert len(decoded) == N_ROWS
    loaded = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_allclose(loaded.predict_proba(X), pipeline.predict_proba(X), rtol=1e-5)
    assert clone(pipeline).fit(X, y).score(X, y) == 1


def test_lists(data, decoded):
    X, y = data
    cells = [list(X["photo"].iloc[start : start + 2]) for start in range(0, N_ROWS, 2)]
    table, y = pd.DataFrame({"photo": cells}), np.arange(N_ROWS // 2) % 2
    blocks = ModalityTransformer(image=image()).fit_transform(table)
    assert isinstance(blocks["photo"], Ragged)
    classifier().fit(blocks, y)
    assert len(decoded) == N_ROWS
    classifier(image()).fit(table, y)
    assert len(decoded) == 2 * N_ROWS


def test_columns_that_share_an_encoder(data, decoded):
    X, y = data
    X = X.assign(back=X["photo"].to_numpy()[::-1])
    shared = image(shared=True).set_params(columns=["photo", "back"])
    classifier(shared).fit(X, y)
    assert len(set(decoded)) == N_ROWS
    blocks = ModalityTransformer(image=shared).fit_transform(X)
    assert isinstance(blocks["back"], LazyRows)


def test_features_that_are_too_large_leave_an_array(data, decoded, monkeypatch):
    X, y = data
    monkeypatch.setattr(_frozen, "_IN_MEMORY", 0)
    wide = ModuleEncoder(nn.Conv2d(3, 4000, 4, 4))
    clf = classifier(image(wide)).fit(X, y)
    assert len(decoded) == N_ROWS
    assert clf.score(X, y) == 1


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_encoder_that_is_trained_decodes_once_for_all_epochs_and_fits(data, decoded, early_stopping):
    X, y = data
    blocks = ModalityTransformer(image=image()).fit_transform(X)
    trained = ModuleEncoder(nn.Conv2d(3, 6, 4, 4), trainable="all")
    clf = classifier(ImageInput(encoder=trained), early_stopping=early_stopping)
    for _ in range(2):
        clf.fit(blocks, y)
        assert len(decoded) == N_ROWS


def test_validation_rows(data, decoded):
    X, y = data
    transformer = ModalityTransformer(image=image()).fit(X)
    train, validation = transformer.transform(X[:40]), transformer.transform(X[40:])
    trained = ImageInput(encoder=ModuleEncoder(nn.Conv2d(3, 6, 4, 4), trainable="all"))
    for input_ in ("auto", trained):
        decoded.clear()
        classifier(input_, early_stopping=True).fit(train, y[:40], X_val=validation, y_val=y[40:])
        assert len(decoded) == N_ROWS


def test_a_store_of_the_estimator_keeps_features_of_lazy_blocks(data, decoded, tmp_path):
    X, y = data
    transformer = ModalityTransformer(image=image())
    for _ in range(2):
        classifier(memory=tmp_path).fit(transformer.fit_transform(X), y)
        assert len(decoded) == N_ROWS


class TestUnreadable:
    @pytest.fixture
    def torn(self, data):
        """The last picture has a header, and then ends."""
        X, y = data
        return X.assign(photo=[*X["photo"][:-1], X["photo"].iloc[-1][:-60]]), y

    def message(self, function, *args):
        with pytest.raises(ValueError, match="ImageTransformer cannot read 1 of 64 cells of column 'photo'") as caught:
            function(*args)
        return str(caught.value)

    def test_fit_fails_as_a_whole_and_says_the_same(self, data, torn):
        clf = classifier(image())
        assert self.message(clf.fit, *torn) == self.message(classifier(image("cnn")).fit, *torn)
        assert not hasattr(clf, "net_")
        clf.fit(*data)
        before = clf.predict_proba(data[0])
        self.message(clf.fit, *torn)
        np.testing.assert_array_equal(clf.predict_proba(data[0]), before)

    def test_predict_says_the_same(self, data, torn):
        frozen, trained = (classifier(image(encoder)).fit(*data) for encoder in (None, "cnn"))
        assert self.message(frozen.predict, torn[0]) == self.message(trained.predict, torn[0])

    def test_in_the_second_step(self, torn):
        blocks = ModalityTransformer(image=image()).fit_transform(torn[0])
        self.message(classifier().fit, blocks, torn[1])

    def test_on_error_reads_at_once(self, torn):
        warns = image().set_params(transformer__on_error="warn")
        with pytest.warns(UserWarning, match="cannot read 1 of 64 cells"):
            blocks = ModalityTransformer(image=warns).fit_transform(torn[0])
        assert isinstance(blocks["photo"], np.ndarray)
        assert blocks.present.sum() == N_ROWS - 1
