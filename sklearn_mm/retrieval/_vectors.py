"""The vectors of an index: parts in memory and in files, seen as one array, to which parts are only ever added."""

import hashlib

import numpy as np

from sklearn_mm.retrieval._vector_file import VectorFile, digest_of

__all__ = ["Vectors"]


class Vectors:
    """Parts that follow each other as one array of rows, of which slices are read.

    A pickle holds the vectors themselves, also of files, so that it needs none where it is loaded.

    Parameters
    ----------
    parts : sequence of ndarray or VectorFile
        At least one, of shape (n, width).
    """

    def __init__(self, parts):
        self.parts = tuple(parts)
        self._ends = np.cumsum([len(part) for part in self.parts])

    @property
    def shape(self):
        return (len(self), self.parts[0].shape[1])

    def __len__(self):
        return int(self._ends[-1])

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, stop, side="left"))
        pieces = []
        for part, end in zip(self.parts[first : last + 1], self._ends[first : last + 1], strict=True):
            begin = int(end) - len(part)
            pieces.append(part[max(start - begin, 0) : max(stop - begin, 0)])
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else self.parts[0][:0]

    def plus(self, part):
        """Return the same vectors, and another part after them."""
        return Vectors([*self.parts, part])

    def digest(self):
        """Return what tells these vectors from others."""
        digests = [part.digest if isinstance(part, VectorFile) else digest_of(part) for part in self.parts]
        return hashlib.blake2b("".join(digests).encode(), digest_size=16).hexdigest()

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return Vectors, ([part[:] for part in self.parts],)
