"""Get or compute (a cache of rows): what the store has comes from its files, the rest is made and kept."""

import numpy as np

from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["fetch"]

_AT_ONCE = 2**25  # bytes of rows that are made before they are written


def fetch(store, kind, settings, dtype, row_shape, keys, make, at_once=None):
    """Return rows by their keys, as `StoredRows`; those that the store lacks are made, and kept.

    Parameters
    ----------
    store : BlockStore
        Where to look, and to keep.
    kind : str
        What the rows are, for the name of a folder.
    settings : object
        All that rows of equal keys may differ by; its content counts.
    dtype : numpy.dtype
        Type of a row's elements.
    row_shape : tuple of int
        Shape of a row.
    keys : array of shape (n,), dtype V16
        What each row holds.
    make : callable
        Called with an array of places in ``keys``; returns their rows (n_places, ...), which of them are present (the
        others are zeros), and which may be kept, both (n_places,). No key is asked for twice.
    at_once : int, default=None
        For how many rows ``make`` is called at a time, at most; by default as many as take some megabytes.

    Returns
    -------
    rows : StoredRows
        One row per key. Those that could not be kept lie in memory.
    """
    dtype, row_shape = np.dtype(dtype), tuple(row_shape)
    folder = store._open_folder(kind, settings, dtype, row_shape)
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    locations = _Locations(*folder.find(keys[firsts]))
    lacking = np.flatnonzero(locations.source == -1)
    lacking = lacking[np.argsort(firsts[lacking])]  # in the order of the rows
    at_once = min(at_once or _AT_ONCE, max(1, _AT_ONCE // folder.row_bytes))
    has_room = True
    for start in range(0, len(lacking), at_once):
        batch = lacking[start : start + at_once]
        rows, present, may_be_kept = make(firsts[batch])
        kept = np.flatnonzero(present & may_be_kept & has_room)
        n_kept, segment, first = store._add(folder, keys[firsts[batch[kept]]], rows[kept])
        has_room = has_room and n_kept == len(kept)
        locations.set(batch[kept[:n_kept]], segment, first)
        in_memory = np.setdiff1d(np.flatnonzero(present), kept[:n_kept])
        locations.set(batch[in_memory], rows[in_memory], 0)
    return StoredRows(locations.sources, locations.source[inverse], locations.row[inverse], dtype, row_shape)


class _Locations:
    """Where rows are: in segments or, what could not be stored, in arrays.

    Parameters
    ----------
    segments : list of Segment or None
        The file of each row, None where there is none.
    rows : list of int
        The number of each row in its file.
    """

    def __init__(self, segments, rows):
        self.sources = []
        self._numbers = {}  # of the sources, by identity: an array has no other
        self.source = np.array([-1 if segment is None else self._number(segment) for segment in segments], np.int32)
        self.row = np.array(rows, dtype=np.int64)

    def set(self, places, source, first):
        """Say that the rows at some places follow each other in a source, from one on."""
        if len(places):
            self.source[places] = self._number(source)
            self.row[places] = first + np.arange(len(places))

    def _number(self, source):
        if id(source) not in self._numbers:
            self._numbers[id(source)] = len(self.sources)
            self.sources.append(source)
        return self._numbers[id(source)]
