"""A column of media whose cells are decoded when rows are read: the source of `LazyRows`."""

from threading import RLock

import numpy as np

from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.preprocessing.media._unreadable import unreadable_error
from sklearn_mm.storage._content_keys import NO_CONTENT, mix_keys
from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["UnreadColumn"]


class UnreadColumn:
    """Items of a column, with what reads them.

    Parameters
    ----------
    reader : MediaReader
        Reads them, without a loader and a store.
    items : Items
        What is read.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of a row's elements.
    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, reader, items):
        self._reader = reader
        self._items = items
        self._keys = None
        self._lock = RLock()
        self._kept = self._is_kept = None

    @property
    def dtype(self):
        return self._reader.decoder.dtype

    @property
    def row_shape(self):
        return tuple(self._reader.decoder.row_shape)

    def read(self, rows):
        """Return the rows of some items, zeros for -1.

        Raises
        ------
        ValueError
            Where one cannot be read; it tells of all of the column that cannot.
        """
        array = np.zeros((len(rows), *self.row_shape), dtype=self.dtype)
        numbers, firsts, inverse = np.unique(rows, return_index=True, return_inverse=True)
        self._fill(array, numbers[numbers >= 0], firsts[numbers >= 0])
        first = firsts[inverse]
        again = np.flatnonzero(first != np.arange(len(rows)))
        array[again] = array[first[again]]
        return array

    def keep(self, rows):
        """Return the rows of some items as `StoredRows` in memory, where later readers find them too."""
        with self._lock:
            if self._is_kept is None:
                self._kept = np.zeros((len(self._items.cells), *self.row_shape), dtype=self.dtype)
                self._is_kept = np.zeros(len(self._kept), dtype=bool)
            lacking = np.unique(rows[rows >= 0])
            lacking = lacking[~self._is_kept[lacking]]
            self._fill(self._kept, lacking, lacking)
            self._is_kept[lacking] = True
            return StoredRows((self._kept,), np.where(rows >= 0, 0, -1), rows, self.dtype, self.row_shape)

    def content_keys(self, rows):
        """Return the keys of some items, `NO_CONTENT` for -1, as the transformer's ``content_keys`` gives them."""
        with self._lock:
            if self._keys is None:
                decoder = self._reader.decoder
                self._keys = mix_keys(hash_cells(self._items.cells, decoder), decoder.settings)
            keys = self._keys[rows]
            keys[rows < 0] = NO_CONTENT
            return keys

    def only(self, rows):
        """Return a source of the same numbers that knows of some items alone."""
        return UnreadColumn(self._reader, self._items.only(rows[rows >= 0]))

    def _fill(self, array, chosen, places):
        """Put the rows of some items into places of an array."""
        if self._is_kept is not None:
            is_kept = self._is_kept[chosen]
            array[places[is_kept]] = self._kept[chosen[is_kept]]
            chosen, places = chosen[~is_kept], places[~is_kept]
        failures = self._reader.decode_into(self._items, chosen, array, places)
        if failures:
            failures = self._reader.failures(self._items) or failures  # unless they can be read again
            raise unreadable_error(self._reader.who, self._reader.decoder, failures, self._items)

    def __reduce__(self):
        return UnreadColumn, (self._reader, self._items)
