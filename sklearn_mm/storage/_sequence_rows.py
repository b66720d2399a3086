"""Rows of numbers of different lengths, kept without padding: a ragged array in pages."""

from typing import Any, Self

import numpy as np

__all__ = ["PAGE", "SequenceRows", "cut_pages", "pages_of"]

PAGE = 2048  # numbers; half a page of each row is padding, and a store has a record for each


class SequenceRows:
    """Rows of different lengths, as sounds are: a view that pads them with zeros when they are read.

    Indexing by rows gives another view, of which nothing is copied: `numpy.asarray` makes an array as wide as the
    longest of them, and an index that is one number gives that row without padding. Rows lie in pages of some numbers,
    in memory or, of a store, in files.

    Parameters
    ----------
    pages : array of shape (n_pages, n_numbers) or StoredRows
        The rows, one after the other, each from the start of a page.
    first : array of shape (n_rows,), dtype int64
        The first page of each row.
    lengths : array of shape (n_rows,), dtype int64
        How many numbers each row has; none where there is nothing in it.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, and of numbers in the longest.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import AudioTransformer
    >>> clicks = [(np.ones(n, dtype=np.float32), 16_000) for n in (2, 3, 1)]
    >>> rows = AudioTransformer().fit_transform(clicks)
    >>> rows
    SequenceRows(int16[3, 3])
    >>> np.asarray(rows[[0, 2]])
    array([[32767, 32767],
           [32767,     0]], dtype=int16)
    """

    def __init__(self, pages: Any, first: Any, lengths: Any):
        self.pages = pages
        self.first = np.asarray(first, dtype=np.int64)
        self.lengths = np.asarray(lengths, dtype=np.int64)

    @classmethod
    def of(cls, rows: list, dtype: np.dtype) -> Self:
        """Return arrays (n_numbers,) of any lengths as rows."""
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        pages, counts = cut_pages(rows, dtype)
        return cls(pages, np.cumsum(counts) - counts, lengths)

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """Return the rows of several, of which there is at least one, one after the other.

        Parameters
        ----------
        parts : list of SequenceRows
            All of one type, from one kind of place: all in memory, or all of a store.

        Returns
        -------
        rows : SequenceRows
            The same rows.
        """
        pages = [part.pages for part in parts]
        starts = np.cumsum([0, *map(len, pages)])[:-1]
        joined = np.concatenate(pages) if isinstance(pages[0], np.ndarray) else type(pages[0]).concatenate(pages)
        first = np.concatenate([part.first + start for part, start in zip(parts, starts, strict=True)])
        return cls(joined, first, np.concatenate([part.lengths for part in parts]))

    @property
    def dtype(self) -> np.dtype:
        return self.pages.dtype

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), max(1, int(self.lengths.max(initial=0)))

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of the rows included."""
        return 2

    def spread(self, places: Any, n_rows: int) -> Self:
        """Return ``n_rows`` rows, of which those at ``places`` are these, and the others empty."""
        first, lengths = np.zeros(n_rows, dtype=np.int64), np.zeros(n_rows, dtype=np.int64)
        first[places], lengths[places] = self.first, self.lengths
        return SequenceRows(self.pages, first, lengths)

    def where(self, mask: Any) -> Self:
        """Return the same rows, empty where ``mask`` (n_rows,) is False."""
        return SequenceRows(self.pages, self.first, np.where(mask, self.lengths, 0))

    def cut(self, length: int) -> Self:
        """Return the first numbers of each row, ``length`` at most."""
        return SequenceRows(self.pages, self.first, np.minimum(self.lengths, length))

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):  # also within rows, as of an array
            return np.asarray(self)[key]
        lengths = self.lengths[key]
        if lengths.ndim == 0:
            alone = SequenceRows(self.pages, self.first[[key]], self.lengths[[key]])
            return np.asarray(alone)[0, :lengths]
        return SequenceRows(self.pages, self.first[key], lengths)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("SequenceRows lie in pages: an array of them is always a copy.")
        is_page, numbers = self._page_numbers()
        size = self.pages.shape[1]
        array = np.zeros((*is_page.shape, size), dtype=self.dtype)
        array[is_page] = np.asarray(self.pages[numbers])
        array = array.reshape(len(self), is_page.shape[1] * size)[:, : self.shape[1]]
        array[np.arange(array.shape[1]) >= self.lengths[:, np.newaxis]] = 0  # of a row that was cut there may be more
        return array if dtype is None else array.astype(dtype, copy=False)

    def _page_numbers(self):
        """Return which of the most pages that a row has each row has, and the numbers of these, row after row."""
        counts = -(-self.lengths // self.pages.shape[1])
        place = np.arange(max(1, counts.max(initial=0)))
        is_page = place < counts[:, np.newaxis]
        return is_page, (self.first[:, np.newaxis] + place)[is_page]

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        """Pickle no page that is not used."""
        is_page, numbers = self._page_numbers()
        used, inverse = np.unique(numbers, return_inverse=True)
        first = np.zeros(len(self), dtype=np.int64)
        counts = is_page.sum(1)
        has_pages = counts > 0
        first[has_pages] = inverse[(np.cumsum(counts) - counts)[has_pages]]
        return SequenceRows, (self.pages[used], first, self.lengths)

    def __repr__(self):
        return f"SequenceRows({self.dtype}{list(self.shape)})"


def pages_of(lengths):
    """Return how many pages rows of some lengths take."""
    return -(-np.asarray(lengths, dtype=np.int64) // PAGE)


def cut_pages(rows, dtype):
    """Return the pages (n_pages, PAGE) of arrays, one after the other, and how many each of them has."""
    counts = pages_of([len(row) for row in rows])
    pages = np.zeros((counts.sum(), PAGE), dtype=dtype)
    flat = pages.reshape(-1)
    for row, start in zip(rows, PAGE * (np.cumsum(counts) - counts), strict=True):
        flat[start : start + len(row)] = row
    return pages, counts
