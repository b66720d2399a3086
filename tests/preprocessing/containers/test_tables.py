import collections
import pathlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_mm import ModalityTransformer, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.preprocessing import TabularTransformer

TABLE = pd.DataFrame({"a": np.arange(40.0) % 7, "b": ["x", "y"] * 20})
Y = np.arange(40) % 2
ROW = r"pandas\.DataFrame\(\[X\]\)"
NOT_TABLES = {
    "a row as a dict": ({"a": 1.0, "b": "x"}, TypeError, f"got a dict that is one row. .*{ROW}"),
    "columns as a dict": ({"a": [1.0], "b": ["x"]}, TypeError, r"got a dict\. .* pandas\.DataFrame\(X\)"),
    "records": ([{"a": 1.0, "b": "x"}], TypeError, r"got a list of dict\. .* pandas\.DataFrame\(X\)"),
    "a row as a Series": (TABLE.iloc[0], ValueError, f"Expected a 2-dimensional container but got Series.*{ROW}"),
    "a column as a Series": (TABLE["a"], ValueError, r"X\.to_frame\(\) if it is its only column"),
    "a row as a list": ([1.0, "x"], ValueError, r"the list \[1.0, 'x'\]\. .* \[X\] if this is one row"),
    "a row as a namedtuple": (next(TABLE.itertuples()), TypeError, f"that is one row. .*{ROW}"),
    "cells": (["x", "y"], ValueError, r"pandas\.DataFrame\(\{name: X\}\) if it is one column"),
    "a path": ("photo.png", TypeError, r"got a str, which is one cell\. .* pandas\.DataFrame\(\{name: \[X\]\}\)"),
    "a pathlib path": (pathlib.Path("a"), TypeError, "which is one cell"),
    "a picture": (Image.new("L", (2, 2)), TypeError, "got a Image, which is one cell"),
    "None": (None, TypeError, "got None. Hand in a DataFrame"),
    "an iterator": (iter([[1.0, "x"]]), TypeError, r"pandas\.DataFrame\(list\(X\)\)"),
}


@pytest.fixture(scope="module")
def models():
    estimators = (MultimodalClassifier(max_epochs=1), MultimodalRegressor(max_epochs=1))
    return [estimator.fit(TABLE, Y) for estimator in (*estimators, ModalityTransformer(), TabularTransformer())]


@pytest.mark.parametrize(("X", "error", "message"), NOT_TABLES.values(), ids=NOT_TABLES)
def test_every_method_gives_the_way_out(models, X, error, message):
    for model in models:
        for method in ("predict", "predict_proba", "decision_function", "transform"):
            if hasattr(model, method):
                with pytest.raises(error, match=message) as raised:
                    getattr(model, method)(X)
                assert type(model).__name__ in str(raised.value)
        with pytest.raises(error, match=message):
            type(model)().fit(X, [0, 1])


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame([{"a": 1.0, "b": "x"}]),
        pd.DataFrame([TABLE.iloc[1]]),
        TABLE.iloc[1].to_frame().T,
        pd.DataFrame([next(TABLE[1:].itertuples(index=False))]),
        pd.DataFrame(iter([{"a": 1.0, "b": "x"}])),
    ],
    ids=["dict", "Series", "transposed", "namedtuple", "iterator"],
)
def test_what_is_advised_works(models, X):
    row = pd.DataFrame({"a": [1.0], "b": ["x"]})
    if X["b"].iloc[0] != "x":
        row = TABLE[1:2]
    np.testing.assert_allclose(models[0].predict_proba(X), models[0].predict_proba(row))


def test_validation_rows_are_looked_at_too():
    with pytest.raises(TypeError, match="MultimodalClassifier needs a table, got a dict"):
        MultimodalClassifier().fit(TABLE, Y, X_val=dict(TABLE), y_val=Y)


def test_tables_of_other_libraries():
    class Other:
        def to_pandas(self):
            return TABLE

    with pytest.raises(TypeError, match=r"got a Other\. Make one of it: X\.to_pandas\(\)"):
        ModalityTransformer().fit(Other())


def test_namedtuples_in_a_list_are_rows(models):
    Row = collections.namedtuple("Row", ["a", "b"])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        rows = models[0].predict([Row(1.0, "y"), Row(2.0, "x")])
    np.testing.assert_array_equal(rows, models[0].predict(TABLE[1:3]))
