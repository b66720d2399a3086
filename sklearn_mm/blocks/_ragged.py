"""Rows of different numbers of items, in one array."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Ragged"]


class Ragged:
    """An array whose rows hold any number of items of one shape, and which is indexed by rows like any other.

    The items lie in one array, row after row, so that selecting rows is one operation and nothing is padded.

    Parameters
    ----------
    items : array of shape (n_items, ...)
        The items of all rows.
    offsets : array of shape (n_rows + 1,), dtype int
        Where the items of each row begin; the last element is the number of items.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, then the shape of an item.
    dtype : numpy.dtype
        Of the items.
    counts : array of shape (n_rows,), dtype int64
        Number of items of each row.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import Ragged
    >>> rows = Ragged.from_counts(np.array([10, 11, 12, 13]), [2, 0, 1, 1])
    >>> rows
    Ragged(int64[4] in 4 rows)
    >>> rows[[3, 0]].items
    array([13, 10, 11])
    >>> rows[0]
    array([10, 11])
    """

    def __init__(self, items: Any, offsets: Any):
        self.items = items
        self.offsets = np.asarray(offsets, dtype=np.int64)
        if self.offsets.ndim != 1 or self.offsets[0] != 0 or self.offsets[-1] != len(items):
            raise ValueError(f"Ragged needs offsets from 0 to the number of items, {len(items)}, got {offsets!r}.")

    @classmethod
    def from_counts(cls, items: Any, counts: ArrayLike) -> Self:
        """Return a `Ragged` whose rows have these numbers of items.

        Parameters
        ----------
        items : array of shape (n_items, ...)
            The items of all rows.
        counts : array-like of shape (n_rows,), dtype int
            Number of items of each row.

        Returns
        -------
        rows : Ragged
            The same items.
        """
        return cls(items, _offsets(counts))

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """Return the rows of several `Ragged`, of which there is at least one, one after the other.

        Parameters
        ----------
        parts : list of Ragged
            All with items of one shape, in arrays in memory.

        Returns
        -------
        rows : Ragged
            The same rows.
        """
        items = np.concatenate([part.items for part in parts])
        return cls.from_counts(items, np.concatenate([part.counts for part in parts]))

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.items.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return self.items.dtype

    @property
    def counts(self) -> np.ndarray:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key: Any) -> Any:
        rows = np.arange(len(self))[key]
        if rows.ndim == 0:
            return self.items[self.offsets[rows] : self.offsets[rows + 1]]
        counts = self.counts[rows]
        offsets = _offsets(counts)
        if isinstance(key, slice) and key.step in (None, 1) and len(rows):  # a view: no item is copied
            return Ragged(self.items[self.offsets[rows[0]] : self.offsets[rows[-1] + 1]], offsets)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        return Ragged(self.items[places], offsets)

    def __repr__(self):
        return f"Ragged({self.dtype}{list(self.items.shape)} in {len(self)} rows)"


def _offsets(counts):
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
