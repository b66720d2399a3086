"""What a weight of a row means, on a raw table: none is one, zero is no row, two are two rows."""

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone

from sklearn_mm import (
    ImageInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
    TabularInput,
    TextInput,
)
from sklearn_mm.encoders import BagEncoder, CNNEncoder, MLPEncoder
from sklearn_mm.networks import MLPHead
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

ESTIMATORS = [MultimodalClassifier, MultimodalRegressor]


@pytest.fixture(params=ESTIMATORS, ids=lambda Estimator: Estimator.__name__)
def model_and_target(request, clf, reg, four, price):
    return (clf, four.to_numpy()) if request.param is MultimodalClassifier else (reg, price)


def assert_same(first, second, X, **tolerance):
    for method in ("predict_proba", "predict", "transform"):
        if hasattr(first, method):
            one, other = getattr(first, method)(X), getattr(second, method)(X)
            if one.dtype.kind == "f":
                np.testing.assert_allclose(one, other, err_msg=method, **{"rtol": 0, "atol": 0, **tolerance})


def test_ones_equal_none(model_and_target, X, fit_once):
    model, target = model_and_target
    model.set_params(modality_dropout=0.1)  # and dropout and augmentation, which are on anyway
    assert_same(fit_once(model, X, target), clone(model).fit(X, target, sample_weight=np.ones(48)), X)


def test_equal_weights_equal_none(model_and_target, X, fit_once):
    model, target = model_and_target
    assert_same(fit_once(model, X, target), clone(model).fit(X, target, np.full(48, 0.25)), X, atol=1e-6)


@pytest.mark.parametrize("container", ["pandas", "polars", "array", "Blocks"])
def test_zero_equals_no_row(nameless_clf, X, four, container):
    weight = np.tile([1, 0, 2, 1], 12)
    rows = X.copy()
    if container == "pandas":  # then what such rows hold does not matter, and is not even read
        rows.loc[weight == 0, "photo"] = "nothing.png"
        rows.loc[weight == 0, "title"] = "zero"
        rows.loc[weight == 0, "weight"] = 1e9
    kept = rows[weight > 0]
    if container == "Blocks":
        reader = ModalityTransformer(image=nameless_clf.image, text="title", tabular="weight").fit(kept)
        nameless_clf.set_params(image="auto")
    make = {"pandas": lambda part: part, "polars": pl.from_pandas, "array": lambda part: part.to_numpy(dtype=object)}
    make = make.get(container) or reader.transform
    weighted = clone(nameless_clf).fit(make(rows), four, sample_weight=weight)
    without = clone(nameless_clf).fit(make(kept), four[weight > 0], sample_weight=weight[weight > 0])
    assert_same(weighted, without, make(X))


@pytest.mark.parametrize("Estimator", ESTIMATORS)
def test_two_equal_two_rows(X, four, price, Estimator):
    # At full batch, without dropout and norm, and without what deals rows into parts (validation, the folds of the wide
    # part). Read alike, too: reading (scales, vocabulary) counts cells and not weights.
    reader = ModalityTransformer(
        image=ImageInput("photo", transformer=ImageTransformer(size=8), encoder=CNNEncoder(channels=(4,), norm=None)),
        text=TextInput(
            "title", transformer=TextTransformer("ngram"), encoder=BagEncoder(embedding_dim=16, token_dropout=0.0)
        ),
        tabular=TabularInput("weight", encoder=MLPEncoder(dropout=0.0)),
    ).fit(X)
    target = four.to_numpy() if Estimator is MultimodalClassifier else price
    repeats = np.random.default_rng(0).integers(0, 4, size=48)
    model = Estimator(
        image=ImageInput(augment=None),
        head=MLPHead(dropout=0.0),
        wide=None,
        early_stopping=False,
        batch_size=200,
        max_epochs=6,
        random_state=0,
    )
    plain = clone(model).fit(reader.transform(X), target)
    weighted = clone(model).fit(reader.transform(X), target, sample_weight=repeats)
    repeated = clone(model).fit(reader.transform(X.loc[X.index.repeat(repeats)]), target.repeat(repeats))
    blocks = reader.transform(X)
    assert_same(weighted, repeated, blocks, atol=1e-5)
    assert np.abs(weighted.transform(blocks) - plain.transform(blocks)).max() > 1e-3  # so that this can fail
