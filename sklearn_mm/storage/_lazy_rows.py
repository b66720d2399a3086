"""Rows that are made when they are read, as a lazy array."""

from typing import Any, Self

import numpy as np

from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["LazyRows"]


class LazyRows:
    """Rows that are decoded when somebody reads them: a view that knows which rows of a column, and of what shape.

    Indexing by rows gives another view, so that folds and batches decode no more than they use, and pickles hold the
    cells and not what is decoded of them. `numpy.asarray` decodes all rows; an index that is one number decodes that
    row. Blocks of pictures that a frozen encoder reads are such, as it needs each but once.

    Parameters
    ----------
    source : object
        What makes rows: it has their ``dtype`` and ``row_shape``, and for an array of row numbers, some of which may be
        the same, ``read(rows)``, an array of them, ``content_keys(rows)``, what they hold, ``keep(rows)``, which reads
        them once for all later, and ``only(rows)``, a source without the others.
    rows : array of shape (n_rows,), dtype int64
        The number of each row in the source; -1 for rows with nothing in them, which are zeros.

    Attributes
    ----------
    shape : tuple of int
        Number of rows, then the shape of a row.

    Examples
    --------
    >>> import io
    >>> import pandas as pd
    >>> from PIL import Image
    >>> from torch import nn
    >>> from sklearn_mm import ImageInput, ModalityTransformer
    >>> from sklearn_mm.encoders import ModuleEncoder
    >>> def png(shade):
    ...     file = io.BytesIO()
    ...     Image.new("RGB", (40, 40), (shade, shade, shade)).save(file, "png")
    ...     return file.getvalue()
    >>> X = pd.DataFrame({"photo": [png(shade) for shade in (10, 20, 30)]})
    >>> frozen = ModuleEncoder(nn.Conv2d(3, 8, kernel_size=8, stride=8))
    >>> blocks = ModalityTransformer(image=ImageInput("photo", encoder=frozen)).fit_transform(X)
    >>> blocks["photo"]
    LazyRows(uint8[3, 64, 64, 3])
    >>> blocks["photo"][[2, 0]][0][0, 0]
    array([30, 30, 30], dtype=uint8)
    """

    def __init__(self, source: Any, rows: Any):
        self.source = source
        self.rows = np.asarray(rows, dtype=np.int64)

    @property
    def dtype(self) -> np.dtype:
        """Type of the elements."""
        return np.dtype(self.source.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.source.row_shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions, that of the rows included."""
        return len(self.shape)

    def content_keys(self) -> np.ndarray:
        """Return what each row holds, V16 (n_rows,): equal keys, equal rows; nothing is decoded for it."""
        return self.source.content_keys(self.rows)

    def in_memory(self) -> StoredRows:
        """Return the same rows, decoded once for all that are views of the same column."""
        return self.source.keep(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):  # also within rows, as of an array
            return np.asarray(self)[key]
        rows = self.rows[key]
        return self.source.read(rows[np.newaxis])[0] if rows.ndim == 0 else LazyRows(self.source, rows)

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("LazyRows are decoded when they are read: an array of them is always a copy.")
        array = self.source.read(self.rows)
        return array if dtype is None else array.astype(dtype, copy=False)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict) -> Self:
        return self

    def __reduce__(self):
        return LazyRows, (self.source.only(self.rows), self.rows)

    def __repr__(self) -> str:
        return f"LazyRows({self.dtype}{list(self.shape)})"
