import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from sklearn_mm.preprocessing import TabularTransformer
from sklearn_mm.preprocessing.tabular._vectors import is_vector

RNG = np.random.default_rng(0)
VECTORS = RNG.normal([1, -2, 30], [1, 4, 0.1], size=(40, 3))


def read(cells, new=None, **params):
    """Numbers of a column of vectors, as they are read in fit and, for ``new``, later."""
    transformer = TabularTransformer(**params)
    numbers = transformer.fit_transform(as_table(cells))["numbers"]
    return numbers if new is None else transformer.transform(as_table(new))["numbers"]


def as_table(cells):
    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):  # one by one: pandas 2.2 cannot make a column of all kinds of tensors
        column[row] = cell
    return pd.DataFrame({"embedding": column})


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (np.zeros(3), True),
        (np.zeros(3, np.int8), True),
        (np.array([True]), True),
        (np.array([1.0, None], dtype=object), True),
        (np.zeros(0), False),
        (np.zeros((1, 3)), False),
        (np.array("a"), False),
        (np.zeros(3, complex), False),
        (np.array(["1", "2"]), False),
        ([1, 2.5, None], True),
        ((np.float32(1), np.bool_(True)), True),
        ([], False),
        ([None], False),
        (["1", "2"], False),
        ([[1], [2]], False),
        (torch.zeros(3), True),
        (torch.zeros(2, 3), False),
        (3.5, False),
        ("12", False),
        (None, False),
        ({"a": 1}, False),
        ({1, 2}, False),
    ],
    ids=repr,
)
def test_vectors(cell, expected):
    assert is_vector(cell) is expected


def test_relative_scales_and_directions_are_kept():
    numbers = read(list(VECTORS))
    np.testing.assert_allclose(numbers.mean(axis=0), 0, atol=1e-6)
    assert numbers.var(axis=0).mean() == pytest.approx(1)
    deviations = VECTORS - VECTORS.mean(axis=0)
    np.testing.assert_allclose(numbers, deviations / np.sqrt((deviations**2).mean()), atol=1e-5)


@pytest.mark.parametrize("scaling", ["standard", "quantile"])
def test_scaling_is_not_for_vectors(scaling):
    np.testing.assert_array_equal(read(list(VECTORS), scaling=scaling), read(list(VECTORS)))


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        np.float32,
        lambda vector: vector.astype(object),
        torch.tensor,
        lambda vector: torch.tensor(vector, requires_grad=True),
    ],
    ids=["list", "tuple", "float32", "object", "tensor", "tensor with gradient"],
)
def test_containers(convert):
    np.testing.assert_allclose(read([convert(vector) for vector in VECTORS]), read(list(VECTORS)), atol=1e-6)
    np.testing.assert_allclose(read(list(VECTORS), [convert(VECTORS[3])]), read(list(VECTORS))[[3]], atol=1e-6)


@pytest.mark.parametrize(
    "table",
    [
        pl.DataFrame({"e": VECTORS.tolist()}),
        pl.DataFrame({"e": pl.Series(VECTORS.tolist(), dtype=pl.Array(pl.Float64, 3))}),
        pa.table({"e": VECTORS.tolist()}),
        pa.table({"e": pa.array(VECTORS.tolist(), pa.list_(pa.float64(), 3))}),
        pd.DataFrame({"e": pd.Series(VECTORS.tolist(), dtype=pd.ArrowDtype(pa.list_(pa.float64())))}),
    ],
    ids=["polars List", "polars Array", "arrow list", "arrow fixed_size_list", "pandas with arrow"],
)
def test_columns_of_other_libraries(table):
    transformer = TabularTransformer().fit(table)
    assert transformer.kinds_ == {"e": "vector"}
    np.testing.assert_allclose(transformer.transform(table)["numbers"], read(list(VECTORS)), atol=1e-6)


def test_other_dtypes():
    whole = RNG.integers(0, 100, size=(10, 4))
    expected = read(list(whole.astype(float)))
    for dtype in (np.uint8, np.int64, np.float16):
        np.testing.assert_allclose(read(list(whole.astype(dtype))), expected, atol=1e-6)
    assert read(list(whole > 50)).shape == (10, 4)
    halves = [torch.tensor(vector, dtype=torch.bfloat16) for vector in whole]
    np.testing.assert_allclose(read(halves), expected, atol=1e-2)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", [], np.zeros(0), [np.nan] * 3, [None] * 3], ids=repr)
def test_missing_cells(missing):
    X = pd.DataFrame({"embedding": pd.Series([*VECTORS[:5], missing, *VECTORS[5:]], dtype=object), "n": 1.0})
    numbers = TabularTransformer().fit_transform(X)["numbers"]
    assert numbers.shape == (41, 5)
    assert numbers[:, 3].tolist() == [0] * 5 + [1] + [0] * 35
    assert numbers[5, :3].tolist() == [0, 0, 0]
    np.testing.assert_allclose(np.delete(numbers, 5, axis=0)[:, :3], read(list(VECTORS)), atol=1e-6)
    assert TabularTransformer(add_indicator=False).fit_transform(X)["numbers"].shape == (41, 4)
    assert read(list(VECTORS), [missing, VECTORS[0]])[0].tolist() == [0, 0, 0]  # nothing was missing in fit


def test_missing_elements_become_the_mean():
    holes = VECTORS.copy()
    holes[::2, 1] = np.nan
    numbers = read(list(holes))
    assert numbers.shape == (40, 3)
    assert not numbers[::2, 1].any()
    np.testing.assert_allclose(numbers[:, 1].sum(), 0, atol=1e-4)
    assert read(list(VECTORS), [[None, -2, 30]])[0, 0] == 0


def test_rows_without_anything_are_absent():
    transformer = TabularTransformer()
    _, present = transformer.fit_read(pd.DataFrame({"embedding": [*VECTORS, None]}))
    assert present.tolist() == [True] * 40 + [False]


def test_constant_vectors_and_single_rows():
    assert not read([VECTORS[0]] * 5).any()
    assert not read([VECTORS[0]]).any()
    assert not read([VECTORS[0]] * 5, [VECTORS[3]]).any()


def test_extreme_numbers():
    assert np.isfinite(read(list(VECTORS * 1e37), [VECTORS[0] * 1e37, [3e38] * 3])).all()
    assert np.isfinite(read(list(VECTORS * 1e-40), [[3e38] * 3])).all()


def test_infinity():
    column = [*VECTORS[:2], [1, np.inf, 2], [1, 2, 1e300]]
    with pytest.raises(
        ValueError, match=r"infinity or a value too large.*'embedding' does in 2 of 4 cells \(rows 2, 3\)"
    ):
        read(column)


def test_vectors_of_other_lengths():
    column = [*VECTORS[:3], [1, 2], None, *VECTORS[:3], [1, 2, 3, 4]]
    message = r"one length in column 'embedding', but 2 of 8 .* than 3, .*lengths \[2, 4\] \(rows 3, 8\)"
    with pytest.raises(ValueError, match=message):
        read(column)
    with pytest.raises(ValueError, match=r"1 of 1 .* than 3, which in `fit` all had: lengths \[5\] \(row 0\)"):
        read(list(VECTORS), [np.zeros(5)])


@pytest.mark.parametrize("cell", [["a", "b", "c"], "abc", {"a": 1}, np.zeros((1, 3)), 3.5], ids=repr)
def test_cells_that_are_no_vectors(cell):
    message = rf"'embedding' as vectors .* 1 of 4 cells are something else \(row 1\).*'{type(cell).__name__}'"
    with pytest.raises(TypeError, match=message):
        read([VECTORS[0], cell, *VECTORS[:2]])


def test_told_and_found():
    X = pd.DataFrame({"embedding": [None, *VECTORS, None], "n": range(42)})
    assert TabularTransformer().fit(X).kinds_ == {"embedding": "vector", "n": "numeric"}
    assert TabularTransformer(kinds={"embedding": "vector"}).fit(X).kinds_["embedding"] == "vector"
    with pytest.raises(TypeError, match="argument must be a string or a real number, not 'ndarray'"):
        TabularTransformer(kinds={"embedding": "categorical"}).fit(X)
    with pytest.raises(ValueError, match="no vector in column 'e'"):
        TabularTransformer(kinds={"e": "vector"}).fit(pd.DataFrame({"e": [None, None]}))
    few = pd.DataFrame({"embedding": ["a", "b", VECTORS[0]]})
    with pytest.raises(TypeError, match="not 'ndarray'"):
        TabularTransformer().fit(few)


def test_feature_names():
    transformer = TabularTransformer().fit(pd.DataFrame({"embedding": [*VECTORS, None], "n": range(41)}))
    names = ["embedding_0", "embedding_1", "embedding_2", "embedding_missing", "n"]
    assert transformer.get_feature_names_out().tolist() == names
    assert transformer.spec_.n_numbers == 5


def test_pickle_and_the_table_is_left_as_it_was():
    vectors = VECTORS.astype(np.float32)
    X = pd.DataFrame({"embedding": list(vectors.copy())})
    transformer = TabularTransformer().fit(X)
    twin = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(twin.transform(X), transformer.transform(X))
    np.testing.assert_array_equal(np.stack(X["embedding"]), vectors)


def test_the_column_is_never_float64_as_a_whole():
    X = pd.DataFrame({"embedding": list(RNG.random((2_000, 500), dtype=np.float32))})
    transformer = TabularTransformer()
    tracemalloc.start()
    try:
        numbers = transformer.fit_transform(X)["numbers"]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert numbers.dtype == np.float32
    assert peak < 3.6 * numbers.nbytes  # the column stacked, scaled and in the block; one in float64 would be two more
