"""Where decoded pictures and the features of frozen encoders are kept, so that each is made once."""

import errno
import os
import warnings
from contextlib import suppress
from numbers import Integral
from uuid import uuid4

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from sklearn_mm.storage._segments import open_shelf
from sklearn_mm.storage._stored_rows import StoredRows
from sklearn_mm.utils._fingerprint import digest
from sklearn_mm.utils._validation import Interval

__all__ = ["MEMORY", "BlockStore", "fetch", "resolve_store"]

_FOLDER = "sklearn_mm-rows-"
_VERSION = 1  # of the files' format
_AT_ONCE = 2**25  # bytes of rows that are made before they are written
_warned = set()  # locations that this process has said cannot be written to


class BlockStore(BaseEstimator):
    """A folder of decoded pictures and of features of frozen encoders, each of which is made once.

    It goes in as ``memory=`` where there is a limit to set; a folder alone, or a `joblib.Memory`, does without one.
    Rows are found again one by one, by what they hold and how they were made: in other folds, candidates, orders,
    tables and processes. Several processes may use it at once. Entries that were torn by a crash or changed
    afterwards are noticed and made anew; where nothing can be written (a full disk, no permission), pictures are
    decoded as without a store, with one warning.

    Parameters
    ----------
    location : str or path
        The folder; ``~`` stands for the home folder. It is made when there is something to keep. Only a folder in it,
        whose name begins with "sklearn_mm-rows-", is used, so that it may hold other things too.
    max_bytes : int, default=None
        Size at which nothing more is kept: what comes after is made each time. Processes that write at the same time
        may together exceed it by some megabytes each. None sets no limit.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_mm import MultimodalClassifier
    >>> from sklearn_mm.preprocessing import BlockStore
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = BlockStore(folder.name, max_bytes=10**9)
    >>> clf = MultimodalClassifier(memory=store)
    >>> store.n_bytes
    0
    >>> store.clear()
    >>> folder.cleanup()
    """

    _parameter_constraints = {
        "location": [str, os.PathLike],
        "max_bytes": [Interval(Integral, 0, None, closed="left"), None],
    }

    def __init__(self, location, max_bytes=None):
        self.location = location
        self.max_bytes = max_bytes

    @property
    def n_bytes(self):
        """How many bytes the store holds now."""
        n_bytes = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with suppress(OSError):  # cleared meanwhile
                    n_bytes += os.path.getsize(os.path.join(folder, name))
        return n_bytes

    def clear(self):
        """Remove all that the store holds, in all versions of its format, and nothing else."""
        location = self._location
        _warned.discard(location)
        for name in os.listdir(location) if os.path.isdir(location) else ():
            if name.startswith(_FOLDER):
                _remove(os.path.join(location, name))

    @property
    def _location(self):
        return os.path.abspath(os.path.expanduser(os.fsdecode(self.location)))

    @property
    def _folder(self):
        return os.path.join(self._location, f"{_FOLDER}{_VERSION}")

    def _shelf(self, kind, settings, dtype, row_shape):
        """Return the shelf of rows that were made with these settings, whose content tells them from others."""
        made = digest((settings, np.dtype(dtype).descr, row_shape)) or uuid4().hex
        return open_shelf(os.path.join(self._folder, f"{kind}-{made[:32]}"), dtype, row_shape)

    def _n_rows_left(self, shelf, n_rows):
        """Return how many of so many rows there is room for."""
        return n_rows if self.max_bytes is None else min(n_rows, shelf.n_rows_in(self.max_bytes - self.n_bytes))

    def _warn(self, error):
        if self._location not in _warned:
            _warned.add(self._location)
            if error is None:
                cause, out = f"it has reached max_bytes={self.max_bytes}", "Raise the limit, or clear it"
            else:
                cause, out = f"{error.strerror or error} (errno {errno.errorcode.get(error.errno)})", "Make room for it"
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    out = "Choose a folder that can be written to"
            warnings.warn(
                f"The store in {self._location!r} keeps nothing more: {cause}. What it does not hold is decoded or "
                f"computed each time, and held in memory as without a store. {out}.",
                stacklevel=2,
            )


def _remove(folder):
    """Remove a folder, but for what a network file system keeps, under another name, while somebody has it mapped."""
    for inner, _, names in os.walk(folder, topdown=False):
        for remove, path in [*((os.remove, os.path.join(inner, name)) for name in names), (os.rmdir, inner)]:
            try:
                remove(path)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EBUSY):
                    raise


MEMORY = [str, os.PathLike, joblib.Memory, BlockStore, None]  # the constraint of parameters ``memory``


def resolve_store(memory):
    """Return the `BlockStore` that a parameter ``memory`` stands for, None if there is none."""
    if isinstance(memory, joblib.Memory):
        memory = None if memory.store_backend is None else memory.store_backend.location
    if memory is None:
        return None
    store = memory if isinstance(memory, BlockStore) else BlockStore(memory)
    store._validate_params()
    return store


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
        Called with an array of places in ``keys``; returns their rows (n_places, ...), which of them are there (the
        others are zeros), and which may be kept, both (n_places,). No key is asked for twice.
    at_once : int, default=None
        For how many rows ``make`` is called at a time, at most; by default as many as take some megabytes.

    Returns
    -------
    rows : StoredRows
        One row per key. Those that could not be kept lie in memory.
    """
    dtype, row_shape = np.dtype(dtype), tuple(row_shape)
    shelf = store._shelf(kind, settings, dtype, row_shape)
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    found = _Found(*shelf.find(keys[firsts]))
    lacking = np.flatnonzero(found.source == -1)
    lacking = lacking[np.argsort(firsts[lacking])]  # as the rows come
    at_once = min(at_once or _AT_ONCE, max(1, _AT_ONCE // shelf.row_bytes))
    full = False
    for start in range(0, len(lacking), at_once):
        some = lacking[start : start + at_once]
        rows, there, lasting = make(firsts[some])
        kept = np.flatnonzero(there & lasting)
        if len(kept) and not full:
            n_kept = store._n_rows_left(shelf, len(kept))
            full, error, kept = n_kept < len(kept), None, kept[:n_kept]
            try:
                if n_kept:
                    found.note(some[kept], *shelf.add(keys[firsts[some[kept]]], rows[kept]))
            except OSError as caught:
                full, error = True, caught
            if full:
                store._warn(error)
        rest = np.flatnonzero(there & (found.source[some] == -1))
        if len(rest):
            found.note(some[rest], rows[rest], 0)
    return StoredRows(found.sources, found.source[inverse], found.row[inverse], dtype, row_shape)


class _Found:
    """Where rows are: in segments, or in arrays for what could not be stored."""

    def __init__(self, segments, rows):
        self.sources = []
        self._numbers = {}  # of the sources, by identity: an array has no other
        self.source = np.array([-1 if segment is None else self._number(segment) for segment in segments], np.int32)
        self.row = np.array(rows, dtype=np.int64)

    def note(self, places, source, first):
        """Rows that were lacking are in a source, from a row on."""
        self.source[places] = self._number(source)
        self.row[places] = first + np.arange(len(places))

    def _number(self, source):
        if id(source) not in self._numbers:
            self._numbers[id(source)] = len(self.sources)
            self.sources.append(source)
        return self._numbers[id(source)]
