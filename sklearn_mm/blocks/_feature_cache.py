"""A cache in memory of what frozen encoders make of rows, which `Blocks` and all slices of them share."""

import numpy as np

from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["FeatureCache"]


class FeatureCache:
    """Rows by what they were made with, and by the key of what they hold.

    It lives as long as somebody has one of the `Blocks`.
    """

    def __init__(self):
        self._shelves = {}  # of a shelf for each dtype, by settings; what was used last comes last

    def __contains__(self, settings):
        return repr(settings) in self._shelves

    def __len__(self):
        return len(self._shelves)

    @property
    def n_bytes(self):
        """How many bytes the rows take."""
        return sum(map(_n_bytes, self._shelves.values()))

    def make_room(self, settings, n_bytes, limit):
        """Forget what was not used for longest, until ``n_bytes`` more of these settings are within a limit."""
        own = self._shelves.pop(repr(settings), {})
        while self.n_bytes > limit - n_bytes:
            del self._shelves[next(iter(self._shelves))]
        self._shelves[repr(settings)] = own if _n_bytes(own) <= limit else {}  # of other rows, by and by

    def fetch(self, settings, dtype, keys, make, at_once):
        """Return rows by their keys, as `StoredRows`; those that are not there are made, and kept.

        Parameters
        ----------
        settings : object
            All that rows of equal keys may differ by; its ``repr`` counts.
        dtype : numpy.dtype
            Type of a row.
        keys : array of shape (n,), dtype V16
            What each row holds.
        make : callable
            Called with an array of places in ``keys``; returns their rows. No key is asked for twice.
        at_once : int
            For how many rows ``make`` is called at a time, at most.

        Returns
        -------
        rows : StoredRows
            One row per key.
        """
        shelf = self._shelves.setdefault(repr(settings), {}).setdefault(np.dtype(dtype), _Shelf(dtype))
        keys = keys.tolist()
        lacking = {}
        for place, key in enumerate(keys):
            if key not in shelf.places:
                lacking.setdefault(key, place)
        places = np.array(list(lacking.values()), dtype=np.int64)
        for start in range(0, len(places), at_once):
            some = places[start : start + at_once]
            shelf.add([keys[place] for place in some], make(some))
        found = np.array([shelf.places[key] for key in keys], dtype=np.int64).reshape(-1, 2)
        return StoredRows(shelf.sources, found[:, 0], found[:, 1], dtype, ())


def _n_bytes(shelves):
    return sum(shelf.n_rows * shelf.dtype.itemsize for shelf in shelves.values())


class _Shelf:
    """Rows of one type, in arrays that double in length, so that there are few; views of the first ones stay."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.sources = []
        self.places = {}  # number of the source and of the row in it, by key
        self.n_rows = 0
        self._n_free = 0

    def add(self, keys, rows):
        """Keep rows."""
        if self._n_free < len(rows):
            self._n_free = max(len(rows), self.n_rows)
            self.sources.append(np.empty(self._n_free, dtype=self.dtype))
        source = self.sources[-1]
        first = len(source) - self._n_free
        source[first : first + len(rows)] = rows
        number = len(self.sources) - 1
        self.places |= {key: (number, row) for row, key in enumerate(keys, start=first)}
        self.n_rows += len(rows)
        self._n_free -= len(rows)
