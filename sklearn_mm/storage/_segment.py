"""A memory-mapped file of rows, of which there is one object in a process."""

import os
from contextlib import suppress
from weakref import WeakValueDictionary

import numpy as np

__all__ = ["Segment", "open_segment"]

_open_segments = WeakValueDictionary()  # those of this process, by path, so that copies of a view share one map


class Segment:
    """A file of rows of one type, seen through a read-only memory map.

    Rows are only ever added at its end, by one process; what is mapped is how long the file was when a row was first
    asked for that lay beyond the map.

    Parameters
    ----------
    path : str
        The file.
    dtype : numpy.dtype
        Type of a row's elements.
    shape : tuple of int
        Shape of a row.
    """

    def __init__(self, path, dtype, shape):
        self.path = path
        self.dtype = np.dtype(dtype)
        self.shape = tuple(shape)
        self._bytes = np.empty((0, self.row_bytes), dtype=np.uint8)

    @property
    def row_bytes(self):
        """Bytes of a row."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def raw(self, n_rows):
        """Return the bytes of at least the first ``n_rows`` rows, as a map of shape (n, row_bytes)."""
        mapped = self._bytes  # which another thread may change
        if len(mapped) >= n_rows:
            return mapped
        with suppress(FileNotFoundError, ValueError), open(self.path, "rb") as file:  # the latter if it is cut just now
            n_whole = os.fstat(file.fileno()).st_size // self.row_bytes
            if n_whole >= n_rows:
                shape = n_whole, self.row_bytes
                self._bytes = mapped = np.asarray(np.memmap(file, dtype=np.uint8, mode="r", shape=shape))
                return mapped
        raise FileNotFoundError(
            f"Stored rows are no longer there: {self.path!r} was removed or cut after they were read. Read the table "
            f"again, with ModalityTransformer.transform for example."
        )

    def unmap(self):
        """Let go of the map, so that the next look sees the file as it is then."""
        self._bytes = self._bytes[:0]

    def take(self, rows):
        """Return a copy of some rows (int64 array), as an array in memory."""
        stored = self.raw(int(rows.max()) + 1 if len(rows) else 0)
        return stored[rows].view(self.dtype).reshape(len(rows), *self.shape)

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return open_segment, (self.path, self.dtype, self.shape)


def open_segment(path, dtype, shape):
    """Return the `Segment` of a file, the same one for all who ask in this process."""
    segment = _open_segments.get(path)
    if segment is None:
        segment = _open_segments[path] = Segment(path, dtype, shape)
    return segment
