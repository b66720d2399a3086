from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_mm.preprocessing.cells._missing import is_missing, missing_rows
from sklearn_mm.preprocessing.containers._columns import as_cells

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

WORDS = ["one", "", "three"]


def named(name):
    return [
        pd.Series(WORDS, name=name),
        pd.Series(WORDS, name=name, dtype=object),
        pd.Series(WORDS, name=name, dtype="category"),
        pd.Series(WORDS, name=name, dtype=pd.ArrowDtype(pa.string())),
        pd.DataFrame({name: WORDS}, index=[7, 7, 3]),
        pl.Series(name, WORDS),
        pl.DataFrame({name: WORDS}),
        pa.table({name: WORDS}),
        pa.RecordBatch.from_pydict({name: WORDS}),
    ]


@pytest.mark.parametrize("X", named("title"), ids=lambda X: f"{type(X).__module__}.{type(X).__name__}")
def test_named_column(X):
    cells, name = as_cells(X)
    assert cells.dtype == object
    assert cells.tolist() == WORDS
    assert name == "title"


@pytest.mark.parametrize(
    "X",
    [
        WORDS,
        tuple(WORDS),
        np.array(WORDS),
        np.array(WORDS, dtype=object),
        np.array(WORDS)[:, None],
        np.array(WORDS, dtype=object)[:, None],
        pd.Series(WORDS),
        pl.Series(WORDS),
        pa.array(WORDS),
        pa.chunked_array([WORDS]),
        pd.Series(WORDS).array,
    ],
    ids=lambda X: type(X).__name__,
)
def test_nameless_column(X):
    cells, name = as_cells(X)
    assert cells.dtype == object
    assert cells.tolist() == WORDS
    assert name is None


def test_column_names_that_are_no_strings_are_kept():
    assert as_cells(pd.DataFrame({0: WORDS}))[1] == 0
    assert as_cells(pd.DataFrame({("a", "b"): WORDS}))[1] == ("a", "b")


def test_cells_that_are_arrays_of_one_shape_stay_whole():
    pictures = [np.full((2, 3), i) for i in range(4)]
    for X in (pictures, np.stack(pictures), pd.Series(pictures)):
        cells, _ = as_cells(X)
        assert cells.shape == (4,)
        assert cells[2].shape == (2, 3)
        assert cells[2][0, 0] == 2


def test_bytes_survive_every_table():
    blobs = [b"\x00\xff", None, b"a\x00"]
    for X in (blobs, pd.Series(blobs), pl.Series("a", blobs), pa.table({"a": blobs}), np.array(blobs, dtype=object)):
        cells = as_cells(X)[0].tolist()
        assert cells[0] == blobs[0]
        assert is_missing(cells[1])
        assert cells[2] == blobs[2]


def test_masked_entries_are_missing():
    X = np.ma.masked_array(["a", "b", "c"], mask=[False, True, False])
    assert as_cells(X)[0].tolist() == ["a", None, "c"]


def test_no_rows():
    for X in ([], np.empty((0, 1), dtype=object), pd.Series([], dtype=object)):
        cells, _ = as_cells(X)
        assert cells.shape == (0,)
        assert missing_rows(cells).tolist() == []


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"front": WORDS, "back": WORDS}),
        pl.DataFrame({"front": WORDS, "back": WORDS}),
        pa.table({"front": WORDS, "back": WORDS}),
    ],
    ids=lambda X: type(X).__module__,
)
def test_two_columns_are_refused_by_name(X):
    with pytest.raises(
        ValueError, match=r"ImageTransformer reads one column, got 2: \['front', 'back'\].*ModalityTransformer"
    ):
        as_cells(X, "ImageTransformer")


@pytest.mark.parametrize("X", [np.zeros((3, 4)), np.empty((3, 0)), pd.DataFrame(index=range(3))])
def test_any_other_number_of_columns_is_refused(X):
    with pytest.raises(ValueError, match=r"reads one column, got [04]"):
        as_cells(X)


@pytest.mark.parametrize(
    "X",
    [
        "photo.jpg",
        b"\x89PNG",
        Path("photo.jpg"),
        None,
        3,
        np.float64(3),
        np.array("photo.jpg"),
        {"a": 1},
        {"a"},
        (word for word in WORDS),
        Image.new("RGB", (2, 2)),
    ],
    ids=lambda X: type(X).__name__,
)
def test_what_is_no_column_is_refused(X):
    with pytest.raises(TypeError, match=r"TextTransformer reads one column.*list"):
        as_cells(X, "TextTransformer")


def test_lazy_frame_is_told_to_collect():
    with pytest.raises(TypeError, match="collect"):
        as_cells(pl.LazyFrame({"a": WORDS}))
