"""Odd cells, which are not what their column is: how few may be read as missing, and the one warning of these."""

import warnings
from collections.abc import Mapping, Set
from typing import NamedTuple

import numpy as np
import pandas as pd

from sklearn_mm.utils._messages import abbreviated_repr, name_rows

__all__ = ["OddCells", "are_few", "can_be_missing", "check_odd_cells", "raise_odd_cells", "warn_of_odd_cells"]

_FEW = 10  # one cell in so many may be odd
_MOST_SHOWN = 5


def are_few(n_odd, n_filled, one_in=_FEW):
    """Return whether so few of the cells that are not missing are odd that these may be read as missing."""
    return n_odd * one_in <= n_filled


class OddCells(NamedTuple):
    """The odd cells of a column, for messages.

    Parameters
    ----------
    column : object
        Name of the column.
    kind : str
        What they are not: "numbers", "dates".
    rows : numpy.ndarray of shape (n_odd,)
        Where they are.
    n_rows : int
        Number of cells of the column.
    first : object
        The first of them.
    """

    column: object
    kind: str
    rows: np.ndarray
    n_rows: int
    first: object

    @classmethod
    def of(cls, column, name, kind, odd):
        """Return the cells of a column (pandas.Series) that are odd (bool array), or None if none is."""
        rows = np.flatnonzero(odd)
        return cls(name, kind, rows, len(odd), column.iloc[rows[0]]) if len(rows) else None

    @property
    def where(self):
        """The first rows, in words."""
        return name_rows(self.rows)


def can_be_missing(cells, n_filled):
    """Return whether odd cells, in ``fit``, may be read as missing: they are few, and no structures as dicts are."""
    return are_few(len(cells), n_filled) and not any(isinstance(cell, Mapping | Set) for cell in cells)


def raise_odd_cells(odd, column, advice):
    """Raise of cells that cannot be read as missing: TypeError, in scikit-learn's wording, of containers."""
    for row, cell in zip(odd.rows, column.iloc[odd.rows], strict=True):
        if pd.api.types.is_list_like(cell):
            raise TypeError(
                f"TabularTransformer cannot read column {odd.column!r}: argument must be a string or a real number, "
                f"not {type(cell).__name__!r} (row {row}). Spread such cells over columns of their own, or leave the "
                f"column out."
            )
    raise ValueError(
        f"TabularTransformer cannot read {len(odd.rows)} of {odd.n_rows} cells of column {odd.column!r} as {odd.kind} "
        f"({odd.where}). First: {odd.first!r}. {advice}"
    )


def check_odd_cells(parsed, column, name, kind, in_fit, conversion):
    """Return the `OddCells` of a column; raise if it is fitted (``in_fit``) and these cannot be missing."""
    odd = OddCells.of(column, name, kind, parsed.odd)
    if odd and in_fit and not can_be_missing(column.iloc[odd.rows], parsed.n_filled):
        raise_odd_cells(
            odd,
            column,
            f"Convert the column first, for example with {conversion}, or read it as categories with "
            f"kinds={{{name!r}: 'categorical'}}.",
        )
    return odd


def warn_of_odd_cells(odd_columns):
    """Warn, once, of the odd cells of all columns, which were read as missing."""
    if not odd_columns:
        return
    lines = [
        f"column {odd.column!r}: {len(odd.rows)} of {odd.n_rows} cells are no {odd.kind} ({odd.where}; first: "
        f"{abbreviated_repr(odd.first)})"
        for odd in odd_columns[:_MOST_SHOWN]
    ]
    more = f"; and {len(odd_columns) - _MOST_SHOWN} more columns" if len(odd_columns) > _MOST_SHOWN else ""
    advice = "Correct these cells or make them None."
    may_be_categories = [odd.column for odd in odd_columns if odd.kind in ("numbers", "dates")]
    if may_be_categories:
        kinds = f"TabularTransformer(kinds={{{may_be_categories[0]!r}: 'categorical'}})"
        advice = f"{advice[:-1]}; if such a column holds categories, say so: {kinds}."
    warnings.warn(
        f"TabularTransformer reads odd cells as missing, in {'; in '.join(lines)}{more}. {advice}",
        UserWarning,
        stacklevel=5,
    )
