"""One warning names the columns that detection leaves out, and how to read them."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import MultimodalClassifier, TextInput
from sklearn_mm.inputs import ImageInput, ModalityTransformer, TabularInput
from sklearn_mm.preprocessing import TabularTransformer

RNG = np.random.default_rng(0)


@pytest.fixture
def X():  # noqa: N802
    return pd.DataFrame({"x": RNG.normal(size=60), "sku": [f"A-{code}" for code in RNG.permutation(10_000)[:60]]})


def fit_silently(X, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ModalityTransformer(**params).fit(X)


def test_identifiers(X):
    message = (
        r"ModalityTransformer ignores 1 of the 2 columns of X: 'sku' \(identifiers: .*tabular=TabularInput\("
        r"transformer=TabularTransformer\(kinds=\{'sku': 'categorical'\}\)\) reads 'sku' as categories, a TextInput"
    )
    with pytest.warns(UserWarning, match=message) as record:
        ModalityTransformer().fit(X)
    assert len(record) == 1
    # What it advises:
    kinds = TabularTransformer(kinds={"sku": "categorical"})
    assert fit_silently(X, tabular=TabularInput(transformer=kinds)).specs_["tabular"].columns == ("x", "sku")
    assert list(fit_silently(X, text=TextInput("sku")).specs_) == ["sku", "tabular"]
    fit_silently(X[["x"]])


def test_several_columns_in_one_warning(X):
    X = X.assign(key=X["sku"].str.lower(), file=[bytes([row]) for row in range(60)])
    with pytest.warns(
        UserWarning, match=r"ignores 3 of the 4 columns of X: 'sku' .*; 'key' .*; 'file' \(60 of"
    ) as record:
        ModalityTransformer().fit(X)
    assert len(record) == 1
    assert "an Input of your own" in str(record[0].message)


def test_an_estimator_says_it_once_and_under_its_name(X):
    with pytest.warns(UserWarning, match="MultimodalClassifier ignores 1 of the 2 columns") as record:
        clf = MultimodalClassifier(max_epochs=1).fit(X, ["a", "b"] * 30)
    assert sum("ignores" in str(warning.message) for warning in record) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf.predict(X)


@pytest.mark.parametrize(
    "cells",
    [
        [str(row) for row in range(60)],
        [str(row) for row in range(60, 0, -1)],
        [f"row{row:05d}" for row in range(1000, 1060)],
        [f"id-{row}" for row in RNG.permutation(100)[:60]],
        ["K7"] * 60,
        [None, ""] * 30,
        [np.nan] * 60,
    ],
    ids=["from 0", "from 60", "behind a word", "most of 100", "constant", "blank", "missing"],
)
def test_nothing_is_said_of_what_says_nothing(X, cells):
    fit_silently(X[["x"]].assign(more=cells))


def test_nothing_is_said_of_what_someone_left_out(X):
    fit_silently(X, text=None, tabular="x")
    fit_silently(X, inputs=[("numbers", TabularInput("x"))])
    photos = X.assign(photo=[np.full((4, 4, 3), row, np.uint8) for row in range(60)])
    fit_silently(photos, image=ImageInput(), text=None, tabular=None)


def test_named_inputs_are_advised_too(X):
    with pytest.warns(UserWarning, match=r"tabular=TabularInput\(transformer="):
        ModalityTransformer(tabular=None).fit(X.assign(title="a word of " + X["sku"] + " to read"))
    with pytest.warns(UserWarning, match=r"'categorical'\}\)\) in `inputs` reads 'sku' as categories"):
        ModalityTransformer(inputs=[("rest", TabularInput())]).fit(X)
