"""Where decoded pictures and the features of frozen encoders are kept, so that each is made once."""

import errno
import os
import warnings
from contextlib import suppress
from numbers import Integral
from os import PathLike
from uuid import uuid4

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from sklearn_mm.storage._segment_folder import open_folder
from sklearn_mm.utils._fingerprint import digest
from sklearn_mm.utils._validation import Interval

__all__ = ["MEMORY", "BlockStore", "resolve_store"]

_FOLDER = "sklearn_mm-rows-"
_VERSION = 1  # of the files' format
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

    def __init__(self, location: str | PathLike, max_bytes: int | None = None):
        self.location = location
        self.max_bytes = max_bytes

    @property
    def n_bytes(self) -> int:
        """How many bytes the store holds now."""
        n_bytes = 0
        for folder, _, names in os.walk(self._folder):
            for name in names:
                with suppress(OSError):  # cleared meanwhile
                    n_bytes += os.path.getsize(os.path.join(folder, name))
        return n_bytes

    def clear(self) -> None:
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

    def _open_folder(self, kind, settings, dtype, row_shape):
        """Return the folder of rows that were made with these settings, whose content tells them from others."""
        made_with = digest((settings, np.dtype(dtype).descr, row_shape)) or uuid4().hex
        return open_folder(os.path.join(self._folder, f"{kind}-{made_with[:32]}"), dtype, row_shape)

    def _add(self, folder, keys, rows):
        """Add as many rows to a folder as there is room for, and warn where these are not all.

        Returns
        -------
        n_added : int
            How many, from the first on.
        segment : Segment or None
            The file that they are in.
        first : int
            The number of the first of them.
        """
        n_added, segment, first, error = len(rows), None, 0, None
        if n_added and self.max_bytes is not None:
            n_added = min(n_added, folder.n_rows_in(self.max_bytes - self.n_bytes))
        if n_added:
            try:
                segment, first = folder.add(keys[:n_added], rows[:n_added])
            except OSError as caught:
                n_added, error = 0, caught
        if n_added < len(rows):
            self._warn_once(error)
        return n_added, segment, first

    def _warn_once(self, error):
        """Warn that nothing more is kept, because of an error or, if that is None, of the limit."""
        if self._location in _warned:
            return
        _warned.add(self._location)
        if error is None:
            cause, advice = f"it has reached max_bytes={self.max_bytes}", "Raise the limit, or clear it"
        else:
            cause, advice = f"{error.strerror or error} (errno {errno.errorcode.get(error.errno)})", "Make room for it"
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                advice = "Choose a folder that can be written to"
        warnings.warn(
            f"The store in {self._location!r} keeps nothing more: {cause}. What it does not hold is decoded or "
            f"computed each time, and held in memory as without a store. {advice}.",
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
