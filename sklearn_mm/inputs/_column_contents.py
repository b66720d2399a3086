"""What a column of a table is at first sight: empty, constant, of strings or objects, or of which kind in a table."""

import pandas as pd

from sklearn_mm.preprocessing.cells._lists import holds_nothing
from sklearn_mm.preprocessing.cells._missing import is_missing
from sklearn_mm.preprocessing.tabular._column_kinds import explain_column_kind

__all__ = ["detect_table_kind", "filled", "holds_objects", "holds_strings", "is_all_missing", "is_constant"]


def detect_table_kind(column):
    """Return "numeric", "categorical", "datetime" or "vector" for a column that is known to belong to the table.

    The rules are those of `detect_kinds`, as far as these kinds go: other strings are categorical, however long.
    """
    return explain_column_kind(column)[0]


def is_all_missing(column):
    """Return whether no cell of a column has anything in it; blank strings and empty lists have not."""
    return all(map(holds_nothing, column.dropna()))  # mostly over at once


def is_constant(column):
    """Return whether a column has the same single value in each of two or more cells, none of them missing."""
    first = column.iloc[0]
    if len(column) < 2 or not _is_single(first) or column.isna().any():
        return False
    return all(_is_single(cell) and cell == first for cell in column)  # mostly over at once


def holds_strings(column):
    """Return whether cells may be strings or objects, and are not numbers or dates of one dtype."""
    dtype = column.dtype
    return isinstance(dtype, pd.StringDtype) or dtype.kind == "U" or holds_objects(column)


def holds_objects(column):
    """Return whether cells may be any objects, as NumPy stores them."""
    dtype = column.dtype
    of_one_type = (pd.StringDtype, pd.PeriodDtype, pd.IntervalDtype, pd.CategoricalDtype)
    return dtype.kind == "O" and not isinstance(dtype, of_one_type)


def filled(cell):
    """What is in a list, without what is missing."""
    return [item for item in cell if not is_missing(item)]


def _is_single(cell):
    return pd.api.types.is_scalar(cell) and getattr(cell, "shape", ()) == ()  # to pandas, tensors are scalars
