"""What users hand in instead of a table, and how they make one of it."""

import os
from collections.abc import Iterator, Mapping, Set

import pandas as pd
from PIL import Image
from scipy import sparse

from sklearn_mm.preprocessing.containers._columns import check_in_memory
from sklearn_mm.utils._messages import abbreviated_repr

__all__ = ["check_is_table", "check_not_empty", "check_unique_labels"]

_CELLS = (str, bytes, bytearray, os.PathLike, Image.Image)


def check_is_table(X, who):
    """Raise, with the way out, where ``X`` is a row, a column, a cell or records instead of a table.

    What is nothing of these, arrays among it, is left to `sklearn.utils.check_array`. The errors are of the types that
    scikit-learn raises.
    """
    check_in_memory(X, who)
    if isinstance(X, pd.Series):
        raise ValueError(
            f"Expected a 2-dimensional container but got {type(X).__name__}. {who} needs a table: "
            f"pandas.DataFrame([X]) if this is one row of it, X.to_frame() if it is its only column."
        )
    if isinstance(X, list | tuple) and len(X) and not any(map(_is_row, X)) and not hasattr(X, "_fields"):
        raise ValueError(
            f"Expected 2D array, got 1D array instead: the {type(X).__name__} {abbreviated_repr(X)}. {who} needs a "
            f"table. Reshape your data: [X] if this is one row, pandas.DataFrame({{name: X}}) if it is one column."
        )
    got, advice = _what_it_is(X)
    if got:
        raise TypeError(f"{who} needs a table, got {got}. {advice}")


def _what_it_is(X):
    """Return what ``X`` is and what to do with it, or None twice."""
    name = type(X).__name__
    if isinstance(X, Mapping) and not sparse.issparse(X):  # some of SciPy's are both
        if X and all(pd.api.types.is_scalar(cell) or isinstance(cell, _CELLS) for cell in X.values()):
            return f"a {name} that is one row", "Make one of it: pandas.DataFrame([X])."
        return f"a {name}", "Make one of it: pandas.DataFrame(X)."
    if isinstance(X, list | tuple) and len(X) and isinstance(X[0], Mapping):
        return f"a {name} of {type(X[0]).__name__}", "Make one of it: pandas.DataFrame(X)."
    if hasattr(X, "_fields"):  # a namedtuple, as itertuples() gives
        return f"a {name} that is one row", "Make one of it: pandas.DataFrame([X])."
    if X is None:
        return "None", "Hand in a DataFrame."
    if isinstance(X, _CELLS):
        return f"a {name}, which is one cell", "Make one of it: pandas.DataFrame({name: [X]})."
    if isinstance(X, Iterator | Set):
        return f"a {name}", "Make one of it: pandas.DataFrame(list(X))."
    if hasattr(X, "to_pandas") and type(X).__module__.partition(".")[0] not in ("polars", "pyarrow"):
        return f"a {name}", "Make one of it: X.to_pandas()."
    return None, None


def _is_row(row):
    return hasattr(row, "__len__") and not isinstance(row, _CELLS)


def check_not_empty(shape, who, may_lack_rows=False):
    """Raise, in scikit-learn's wording, where a table has no rows or, if ``shape`` has two elements, no columns."""
    for length, what in zip(shape, ("sample", "feature"), strict=False):
        if not (length or (what == "sample" and may_lack_rows)):
            raise ValueError(
                f"Found array with 0 {what}(s) (shape={tuple(shape)}) while a minimum of 1 is required by {who}."
            )


def check_unique_labels(labels, who):
    """Raise where several columns have one label."""
    labels = pd.Index(labels)
    if not labels.is_unique:
        raise ValueError(
            f"{who} finds columns by name, but X has several of the name "
            f"{list(labels[labels.duplicated()].unique())}. Rename them."
        )
