"""A cache in memory of what frozen encoders make of rows, which `Blocks` and all slices of them share."""

from threading import RLock

import numpy as np

from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["FeatureCache"]


class FeatureCache:
    """Rows by what they were made with, and by the key of what they hold.

    It lives as long as somebody has one of the `Blocks`.
    """

    def __init__(self):
        self._lock = RLock()  # making rows of one type may keep those of another
        self._groups = {}  # by settings: rows by dtype; the group that was used last comes last

    def __contains__(self, settings):
        return repr(settings) in self._groups

    def __len__(self):
        return len(self._groups)

    @property
    def n_bytes(self):
        """How many bytes the rows take; the arrays that hold them, which double, are up to twice as large."""
        return sum(map(_n_bytes, self._groups.values()))

    def make_room(self, settings, n_bytes, limit):
        """Forget what was not used for longest, until ``n_bytes`` more of these settings are within a limit."""
        with self._lock:
            own = self._groups.pop(repr(settings), {})
            while self.n_bytes > limit - n_bytes:
                del self._groups[next(iter(self._groups))]
            self._groups[repr(settings)] = own if _n_bytes(own) <= limit else {}  # of other rows, by and by

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
        keys = keys.tolist()
        with self._lock:
            rows = self._groups.setdefault(repr(settings), {}).setdefault(np.dtype(dtype), _GrowingRows(dtype))
            lacking = {}
            for place, key in enumerate(keys):
                if key not in rows.places:
                    lacking.setdefault(key, place)
            places = np.array(list(lacking.values()), dtype=np.int64)
            for start in range(0, len(places), at_once):
                chunk = places[start : start + at_once]
                rows.add([keys[place] for place in chunk], make(chunk))
            found = np.array([rows.places[key] for key in keys], dtype=np.int64).reshape(-1, 2)
            return StoredRows(rows.sources, found[:, 0], found[:, 1], dtype, ())


def _n_bytes(group):
    return sum(rows.n_rows * dtype.itemsize for dtype, rows in group.items())


class _GrowingRows:
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
