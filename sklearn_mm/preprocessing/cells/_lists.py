"""Cells that are lists, spread out into items that are read one by one."""

from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch

from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.preprocessing.cells._cells import is_missing, missing_rows, object_array
from sklearn_mm.utils._messages import name_column, name_rows

__all__ = ["Items", "empty_rows", "holds_nothing", "is_list", "spread", "spread_as"]


def is_list(cell):
    """Return whether a cell is a list of things to read.

    That is a list, a tuple, a 1-D array of objects or strings, or a 4-D array or tensor, which is a stack of pictures.
    """
    if isinstance(cell, torch.Tensor):
        return cell.ndim == 4
    if isinstance(cell, np.ndarray):
        return cell.ndim == 4 or (cell.ndim == 1 and cell.dtype.kind in "OU")
    return isinstance(cell, list | tuple)


def holds_nothing(cell):
    """Return whether a cell is missing, an empty array, or a list of nothing but missing ones."""
    if is_list(cell):
        return all(map(is_missing, cell))
    return getattr(cell, "shape", None) == (0,) or is_missing(cell)


def empty_rows(cells):
    """Return where `holds_nothing` holds, for all cells of an object array of shape (n,): a bool array (n,)."""
    empty = missing_rows(cells)
    for row, cell in enumerate(cells):
        if not isinstance(cell, str) and holds_nothing(cell):
            empty[row] = True
    return empty


@dataclass(frozen=True)
class Items:
    """What is to be read of a column: its cells or, where these are lists, what is in them.

    Parameters
    ----------
    cells : numpy.ndarray of shape (n_items,), dtype object
        What is read, one by one. Of lists, the missing ones are left out.
    rows, places : numpy.ndarray of shape (n_items,), dtype int64, or None
        The row of each item, and its place in the list; None where no cell is a list.
    n_rows : int
        Number of rows.
    name : object
        Name of the column, None where it has none.
    """

    cells: np.ndarray
    rows: np.ndarray | None
    places: np.ndarray | None
    n_rows: int
    name: object = None

    @property
    def are_lists(self):
        """Whether a row may have several items."""
        return self.rows is not None

    @property
    def noun(self):
        """What the items are called in messages that count them: "cells of column 'photo'"."""
        return f"{'items of the lists in' if self.are_lists else 'cells of'} {name_column(self.name)}"

    def row_of(self, item):
        """Return the row of an item."""
        return int(self.rows[item]) if self.are_lists else int(item)

    def where(self, item):
        """Return how to call the place of an item: "row 3", or "row 3, item 0 of its list"."""
        row = f"row {self.row_of(item)}"
        return f"{row}, item {self.places[item]} of its list" if self.are_lists else row

    def which_rows(self, items):
        """Return the rows of some items in words: "row 4", or "rows 1, 2, 3, 5, 8, ..."."""
        return name_rows(sorted({self.row_of(item) for item in items}))

    def gather(self, array, present):
        """Return what was read of each item as one array with a row per row, and which rows have something.

        Parameters
        ----------
        array : numpy.ndarray of shape (n_items, ...)
            What was read of each item.
        present : numpy.ndarray of shape (n_items,), dtype bool
            Which items have something in them; the others are left out of lists.

        Returns
        -------
        array : numpy.ndarray or Ragged
            The same array, or a `Ragged` if cells are lists.
        present : numpy.ndarray of shape (n_rows,), dtype bool
            Which rows have an item.
        """
        if not self.are_lists:
            return array, present
        counts = np.bincount(self.rows[present], minlength=self.n_rows)
        return Ragged.from_counts(array if present.all() else array[present], counts), counts > 0


def spread(cells, name, lists):
    """Return the `Items` of a column that is fitted.

    Parameters
    ----------
    cells : numpy.ndarray of shape (n_rows,), dtype object
        The cells, of ``as_cells``.
    name : object
        Name of the column.
    lists : bool or "auto"
        Whether lists are spread out, and every other cell taken for a list of one. "auto" says yes if there is a list.
    """
    if not lists or (lists == "auto" and not any(map(is_list, cells))):
        return Items(cells, None, None, len(cells), name)
    parts = [cell if is_list(cell) else (cell,) for cell in cells]
    counts = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    rows = np.repeat(np.arange(len(parts)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = object_array(list(chain.from_iterable(parts)))
    kept = ~missing_rows(flat)
    return Items(flat[kept], rows[kept], places[kept], len(cells), name)


def spread_as(cells, name, lists, spec, who):
    """Return the `Items` of a column that is read as another was read in fit.

    Where there were no lists, a list of one is that one, and a longer list is an error.
    """
    if spec.pool is not None:
        return spread(cells, name, True)
    items = spread(cells, name, lists)
    if not items.are_lists:
        return items
    counts = np.bincount(items.rows, minlength=len(cells))
    if counts.max() > 1:
        row = int(counts.argmax())
        raise ValueError(
            f"{who} was fitted on a column without lists, and cannot read several at once: {(counts > 1).sum()} of "
            f"{len(cells)} cells of {name_column(name)} are lists of more than one (the one in row {row} holds "
            f"{counts[row]}). Fit it on lists too, or with lists=True, as an Input with pool='mean' does."
        )
    single = np.full(len(cells), None, dtype=object)
    single[items.rows] = items.cells
    return Items(single, None, None, len(cells), name)
