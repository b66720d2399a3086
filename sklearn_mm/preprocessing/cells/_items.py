"""Columns whose cells may be lists, flattened (exploded) into items that are read one by one."""

from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.preprocessing.cells._lists import STACK_OF_PICTURES, is_list
from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.utils._messages import name_column, name_rows
from sklearn_mm.utils._object_arrays import object_array

__all__ = ["Items", "explode", "explode_as_fitted"]


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

    def only(self, items):
        """Return the same items, of which all but some are missing."""
        cells = np.full(len(self.cells), None, dtype=object)
        cells[items] = self.cells[items]
        return replace(self, cells=cells)

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


def explode(cells, name, lists, stack_ndim=STACK_OF_PICTURES):
    """Return the `Items` of a column that is fitted.

    Parameters
    ----------
    cells : numpy.ndarray of shape (n_rows,), dtype object
        The cells, of ``as_cells``.
    name : object
        Name of the column.
    lists : bool or "auto"
        Whether lists are spread out, and every other cell taken for a list of one. "auto" says yes if there is a list.
    stack_ndim : int or None, default=4
        Number of dimensions of an array that is a list of what is in it; by default a stack of pictures.
    """
    if not lists or (lists == "auto" and not any(is_list(cell, stack_ndim) for cell in cells)):
        return Items(cells, None, None, len(cells), name)
    item_lists = [cell if is_list(cell, stack_ndim) else (cell,) for cell in cells]
    counts = np.fromiter(map(len, item_lists), dtype=np.int64, count=len(item_lists))
    rows = np.repeat(np.arange(len(item_lists)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = object_array(list(chain.from_iterable(item_lists)))
    kept = ~missing_rows(flat)
    return Items(flat[kept], rows[kept], places[kept], len(cells), name)


def explode_as_fitted(cells, name, lists, spec, who, stack_ndim=STACK_OF_PICTURES):
    """Return the `Items` of a column that is read as another was read in fit.

    Where there were no lists, a list of one is that one, and a longer list is an error.
    """
    if spec.pool is not None:
        return explode(cells, name, True, stack_ndim)
    items = explode(cells, name, lists, stack_ndim)
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
