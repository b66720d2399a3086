import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sklearn_mm.preprocessing.tabular._distinct_values import Container, DistinctValues


def objects(*cells):
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return pd.Series(column)


def test_values_codes_and_counts():
    distinct = DistinctValues(objects("b", 1, None, "b", np.nan))
    assert distinct.values == ["b", 1]
    assert distinct.codes.tolist() == [0, 1, -1, 0, -1]
    assert distinct.counts.tolist() == [2, 1]
    assert distinct.is_string.tolist() == [True, False]
    assert not distinct.is_container.any()
    places, strings = distinct.strings()
    assert (places.tolist(), strings.tolist()) == ([0], ["b"])
    assert distinct.spread(np.array([5, 6]), -1).tolist() == [5, 6, -1, 5, -1]


@pytest.mark.parametrize("cell", [[1], (1, 2), {"a": 1}, {1}, range(3), np.zeros(2), np.zeros((2, 2))], ids=repr)
def test_containers(cell):
    distinct = DistinctValues(objects("b", cell, None, cell, "b"))
    assert distinct.is_container.sum() == 2  # each is one of its own, whether it has a hash or not
    assert all(isinstance(value, Container) for value in np.array(distinct.values, dtype=object)[distinct.is_container])
    assert distinct.codes.tolist() == [0, 1, -1, 2, 0]


@pytest.mark.parametrize("cell", [[], (), [None], np.zeros(0)], ids=repr)
def test_containers_of_nothing_are_missing(cell):
    assert DistinctValues(objects("b", cell)).codes.tolist() == [0, -1]


def test_nested_types_of_arrow():
    column = pd.Series([[1], None, [2, 3]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))
    assert DistinctValues(column).codes.tolist() == [0, -1, 1]
    assert DistinctValues(column).is_container.all()


@pytest.mark.parametrize("dtype", [object, "string", "string[pyarrow]", "category"])
def test_strings_of_any_dtype(dtype):
    distinct = DistinctValues(pd.Series(["x", None, "y", "x"], dtype=dtype))
    assert distinct.values == ["x", "y"]
    assert distinct.is_string.all()


def test_a_column_of_nothing():
    distinct = DistinctValues(objects(None, np.nan))
    assert distinct.values == []
    assert distinct.spread(np.array([], dtype=bool), True).tolist() == [True, True]
