from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mm.preprocessing.cells._missing import is_missing, missing_rows
from sklearn_mm.preprocessing.containers._columns import as_cells

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

MISSING = [
    None,
    float("nan"),
    np.nan,
    np.float32("nan"),
    pd.NA,
    pd.NaT,
    np.datetime64("NaT"),
    "",
    "  ",
    "\t\n",
    "\u3000",
    np.str_(" "),
]
FILLED = ["nan", "None", "0", 0, False, 0.0, b"", Path("."), np.zeros(0), np.array([np.nan, np.nan]), [], {}]


@pytest.mark.parametrize("cell", MISSING, ids=repr)
def test_missing(cell):
    assert is_missing(cell) is True


@pytest.mark.parametrize("cell", FILLED, ids=repr)
def test_not_missing(cell):
    assert is_missing(cell) is False


def test_missing_rows_agrees_with_is_missing():
    cells, _ = as_cells(MISSING + FILLED)
    assert missing_rows(cells).tolist() == [True] * len(MISSING) + [False] * len(FILLED)


@pytest.mark.parametrize(
    "X",
    [
        pd.Series(["a", None, "b"], dtype="string"),
        pd.Series(["a", None, "b"], dtype="str" if pd.__version__ >= "3" else object),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series(["a", None, "b"], dtype=pd.ArrowDtype(pa.string())),
        pl.Series(["a", None, "b"]),
        pa.array(["a", None, "b"]),
        np.array(["a", np.nan, "b"], dtype=object),
        pd.Series([1, None, 2], dtype="Int64"),
        np.array([1.0, np.nan, 2.0]),
    ],
    ids=lambda X: f"{type(X).__name__}-{X.dtype if hasattr(X, 'dtype') else X.type}",
)
def test_nulls_of_every_library_are_missing(X):
    assert missing_rows(as_cells(X)[0]).tolist() == [False, True, False]
