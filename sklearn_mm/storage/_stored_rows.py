"""Rows that lie in memory-mapped files, as a lazy array that is read where it is used."""

from typing import Any, Self

import numpy as np

__all__ = ["StoredRows"]

_NOWHERE = -1  # the source of rows that are zeros


class StoredRows:
    """Rows that lie in files: a view that knows which file and which row of it, and reads when it is asked for values.

    Indexing by rows gives another view, as does pickling, so that folds and workers share what is on the disk and only
    a batch is ever read into memory. `numpy.asarray` reads all rows; an index that is one number reads that row.

    Parameters
    ----------
    sources : tuple
        Where rows lie: files of a `BlockStore`, or arrays in memory, for what could not be stored.
    source : array of shape (n_rows,), dtype int32
        The number of each row's source; -1 for rows with nothing in them, which are zeros.
    rows : array of shape (n_rows,), dtype int64
        The number of each row within its source.
    dtype : numpy.dtype
        Type of the elements.
    row_shape : tuple of int
        Shape of a row.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, then the shape of a row.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import ImageTransformer
    >>> folder = tempfile.TemporaryDirectory()
    >>> shades = [np.full((40, 40, 3), shade, dtype=np.uint8) for shade in (10, 20, 30)]
    >>> pictures = ImageTransformer(size=16, memory=folder.name).fit_transform(shades)
    >>> pictures
    StoredRows(uint8[3, 16, 16, 3])
    >>> pictures[[2, 0]]
    StoredRows(uint8[2, 16, 16, 3])
    >>> np.asarray(pictures[[2, 0]])[:, 0, 0]
    array([[30, 30, 30],
           [10, 10, 10]], dtype=uint8)
    >>> folder.cleanup()
    """

    def __init__(self, sources: tuple, source: Any, rows: Any, dtype: np.dtype, row_shape: tuple[int, ...]):
        self.sources = tuple(sources)
        self.source = np.asarray(source, dtype=np.int32)
        self.rows = np.asarray(rows, dtype=np.int64)
        self.dtype = np.dtype(dtype)
        self.row_shape = tuple(row_shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.row_shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of the rows included."""
        return 1 + len(self.row_shape)

    @classmethod
    def of(cls, array: Any) -> Self:
        """Return a view of the rows of an array in memory: some of them are then chosen without a copy."""
        n_rows = len(array)
        return cls((array,), np.zeros(n_rows), np.arange(n_rows), array.dtype, array.shape[1:])

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """Return the rows of several `StoredRows`, of which there is at least one, one after the other.

        Parameters
        ----------
        parts : list of StoredRows
            All of one type.

        Returns
        -------
        rows : StoredRows
            The same rows.
        """
        numbers, sources = {}, []
        for part in parts:
            for source in part.sources:
                if id(source) not in numbers:
                    numbers[id(source)] = len(sources)
                    sources.append(source)
        renumbered = [np.array([*(numbers[id(s)] for s in part.sources), _NOWHERE])[part.source] for part in parts]
        rows = np.concatenate([part.rows for part in parts])
        return cls(sources, np.concatenate(renumbered), rows, parts[0].dtype, parts[0].row_shape)

    def spread(self, places: Any, n_rows: int) -> Self:
        """Return ``n_rows`` rows, of which those at ``places`` are these, and the others zeros."""
        source, rows = np.full(n_rows, _NOWHERE, dtype=np.int32), np.zeros(n_rows, dtype=np.int64)
        source[places], rows[places] = self.source, self.rows
        return self._view(source, rows)

    def where(self, mask: Any) -> Self:
        """Return the same rows, zeros where ``mask`` (n_rows,) is False."""
        return self._view(np.where(mask, self.source, _NOWHERE), self.rows)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):  # also within rows, as of an array
            return np.asarray(self)[key]
        source = self.source[key]
        if source.ndim == 0:
            return np.asarray(self._view(source[np.newaxis], self.rows[key][np.newaxis]))[0]
        return self._view(source, self.rows[key])

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("StoredRows lie in files: an array of them is always a copy.")
        array = self._read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def _read(self):
        first = self.source[0] if len(self) else _NOWHERE
        if first != _NOWHERE and (self.source == first).all():
            return _take(self.sources[first], self.rows)
        array = np.zeros(self.shape, dtype=self.dtype)
        for number, source in enumerate(self.sources):
            places = np.flatnonzero(self.source == number)
            if len(places):
                array[places] = _take(source, self.rows[places])
        return array

    def _view(self, source, rows):
        return StoredRows(self.sources, source, rows, self.dtype, self.row_shape)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        """Pickle no source, and no row in memory, that is not used."""
        sources, source, rows = [], np.full(len(self), _NOWHERE, dtype=np.int32), self.rows.copy()
        for number, old in enumerate(self.sources):
            places = np.flatnonzero(self.source == number)
            if not len(places):
                continue
            source[places] = len(sources)
            if isinstance(old, np.ndarray):
                used, rows[places] = np.unique(self.rows[places], return_inverse=True)
                old = old[used]
            sources.append(old)
        return StoredRows, (tuple(sources), source, rows, self.dtype, self.row_shape)

    def __repr__(self):
        return f"StoredRows({self.dtype}{list(self.shape)})"


def _take(source, rows):
    return source[rows] if isinstance(source, np.ndarray) else source.take(rows)
