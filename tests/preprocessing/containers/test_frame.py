import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from sklearn_mm.preprocessing.containers._frame import as_frame


def test_a_dataframe_is_itself():
    X = pd.DataFrame({"a": [1]}, index=[7])
    frame, has_labels = as_frame(X, "Someone")
    assert frame is X
    assert has_labels


def test_polars_keeps_its_types():
    X = pl.DataFrame(
        {
            "int": [1, 2],
            "gaps": [1, None],
            "string": ["a", None],
            "bool": [True, None],
            "date": [datetime.date(2024, 1, 31), None],
            "bytes": [b"a", None],
        }
    ).with_columns(
        level=pl.Series(["low", None], dtype=pl.Categorical), size=pl.Series(["S", "L"], dtype=pl.Enum("SL"))
    )
    frame, has_labels = as_frame(X, "Someone")
    assert has_labels
    assert frame["int"].dtype == np.int64
    np.testing.assert_array_equal(frame["gaps"], [1, np.nan])
    assert frame["string"].isna().tolist() == frame["bool"].isna().tolist() == frame["bytes"].isna().tolist()
    assert (frame["string"][0], frame["bool"][0], frame["bytes"][0]) == ("a", True, b"a")
    assert frame["date"].dtype.kind == "M"
    assert frame["date"][0] == pd.Timestamp("2024-01-31")
    for name in ("level", "size"):
        assert isinstance(frame[name].dtype, pd.CategoricalDtype)
    assert frame["level"].isna().tolist() == [False, True]


def test_pyarrow_keeps_its_columns_and_types():
    table = pa.table({"a": [1, None], "b": ["x", None], "c": pa.array(["u", "v"]).dictionary_encode()})
    frame, has_labels = as_frame(table, "Someone")
    assert has_labels
    assert list(frame) == ["a", "b", "c"]
    assert isinstance(frame["c"].dtype, pd.CategoricalDtype)
    indexed = pa.Table.from_pandas(pd.DataFrame({"a": [1], "b": [2]}).set_index("a"))
    assert set(as_frame(indexed, "Someone")[0]) == {"a", "b"}


def test_pyarrow_lists_are_cells():
    table = pa.table(
        {
            "list": [[1.0, None], None],
            "large": pa.array([[1, 2], [3]], pa.large_list(pa.int64())),
            "fixed": pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
            "texts": [["x", None], []],
        }
    )
    frame, _ = as_frame(table, "Someone")
    np.testing.assert_array_equal(frame["list"][0], [1, np.nan])
    np.testing.assert_array_equal(frame["large"][1], [3])
    np.testing.assert_array_equal(frame["fixed"][0], [1, 2])
    assert [frame["texts"][row].tolist() for row in range(2)] == [["x", None], []]
    assert frame["list"].isna().tolist() == frame["fixed"].isna().tolist() == [False, True]
    for other in (table.to_batches()[0], table.slice(0, 2)):
        assert as_frame(other, "Someone")[0].shape == (2, 4)


def test_polars_lists_are_cells():
    X = pl.DataFrame({"list": [[1.0, 2.0], None], "texts": [["x", None], []]}).with_columns(
        array=pl.Series([[1.0, 2.0], [3.0, None]], dtype=pl.Array(pl.Float32, 2)),
    )
    frame, _ = as_frame(X, "Someone")
    np.testing.assert_array_equal(frame["list"][0], [1, 2])
    np.testing.assert_array_equal(frame["array"][1], [3, np.nan])
    assert frame["list"].isna().tolist() == [False, True]
    assert [frame["texts"][row].tolist() for row in range(2)] == [["x", None], []]


def test_numeric_arrays_are_not_copied():
    X = np.random.default_rng(0).normal(size=(5, 3))
    frame, has_labels = as_frame(X, "Someone")
    assert not has_labels
    assert list(frame) == [0, 1, 2]
    assert np.shares_memory(frame.to_numpy(), X)


@pytest.mark.parametrize("as_list", [False, True])
def test_columns_of_object_arrays_get_their_types(as_list):
    X = np.empty((2, 5), dtype=object)
    X[:] = [["a", 1, 2.5, True, None], [None, 2, None, False, None]]
    frame, _ = as_frame(X.tolist() if as_list else X, "Someone")
    assert [frame[i].dtype.kind for i in (1, 2, 3)] == ["i", "f", "b"]
    assert frame[0].isna().tolist() == [False, True]
    assert frame[0][0] == "a"


def test_cells_may_be_arrays():
    X = np.empty((2, 1), dtype=object)
    for row in range(2):
        X[row, 0] = np.full((4, 4, 3), row, dtype=np.uint8)
    frame, _ = as_frame(X, "Someone")
    assert frame[0][1] is X[1, 0]


@pytest.mark.parametrize("container", [np.asarray, torch.tensor])
@pytest.mark.parametrize(
    "X", [np.zeros((5, 8, 6, 3), np.uint8), np.zeros((5, 3, 8, 6)), np.zeros((5, 8, 6), np.uint8)], ids=str
)
def test_a_stack_of_pictures_is_one_column(X, container):
    stack = container(X)
    frame, has_labels = as_frame(stack, "Someone")
    assert not has_labels
    assert frame.shape == (5, 1)
    assert list(frame) == [0]
    assert frame[0][3].shape == X.shape[1:]
    assert type(frame[0][3]) is type(stack)


def test_polars_structs_are_dicts():
    X = pl.DataFrame({"image": [{"bytes": b"a", "path": None}, None], "images": [[{"bytes": b"a"}], []]})
    frame, _ = as_frame(X, "Someone")
    assert frame["image"][0] == {"bytes": b"a", "path": None}
    assert frame["images"].tolist() == [[{"bytes": b"a"}], []]


def test_arrays_of_strings():
    frame, _ = as_frame(np.array([["a.png", "x"], ["b.png", "y"]]), "Someone")
    assert frame[0].tolist() == ["a.png", "b.png"]


def test_masked_cells_are_missing():
    frame, _ = as_frame(np.ma.masked_array([[1.0, 2.0]], mask=[[False, True]]), "Someone")
    assert frame.isna().to_numpy().tolist() == [[False, True]]


def test_what_knows_how_to_be_an_array():
    class NotAnArray:
        def __array__(self, dtype=None, copy=None):
            return np.eye(2)

    np.testing.assert_array_equal(as_frame(NotAnArray(), "Someone")[0], np.eye(2))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros(3), ValueError, "Reshape your data"),
        (["a", "b"], ValueError, "Reshape your data"),
        (pd.Series([1, 2]), ValueError, "Reshape your data|Expected a 2-dimensional container"),
        (np.zeros((2, 2, 2)), ValueError, "Found array with dim 3"),
        (np.zeros((2, 2, 2, 2, 3), np.uint8), ValueError, "Found array with dim 5"),
        (np.zeros((0, 8, 6, 3), np.uint8), ValueError, r"0 sample\(s\)"),
        (np.float64(3), ValueError, "Expected 2D array, got scalar array"),
        (sparse.csr_array(np.eye(3)), TypeError, "Sparse data was passed"),
        (sparse.dok_array(np.eye(3)), TypeError, "Sparse data was passed"),
        (np.ones((2, 2)) * 1j, ValueError, "Complex data not supported"),
        (np.empty((0, 3)), ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required by Someone"),
        (np.empty((12, 0)), ValueError, r"0 feature\(s\) \(shape=\(12, 0\)\) while a minimum of 1 is required"),
        (pd.DataFrame({"a": []}), ValueError, r"0 sample\(s\)"),
        (pd.DataFrame(index=range(3)), ValueError, r"0 feature\(s\)"),
        ({"a": [1, 2]}, TypeError, r"Someone needs a table, got a dict\. Make one of it: pandas\.DataFrame\(X\)"),
        ([{"a": 1}, {"a": 2}], TypeError, r"got a list of dict\. Make one of it: pandas\.DataFrame\(X\)"),
        (pl.LazyFrame({"a": [1]}), TypeError, r"Call its collect\(\) first"),
        ([[1, 2], [3]], ValueError, "inhomogeneous"),
    ],
    ids=str,
)
def test_what_is_no_table(X, error, message):
    with pytest.raises(error, match=message):
        as_frame(X, "Someone")
