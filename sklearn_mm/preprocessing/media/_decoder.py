"""The interface of a decoder: what cells of one medium may hold, and how one becomes a row of an array."""

import io
import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch

from sklearn_mm.preprocessing.cells._lists import is_list
from sklearn_mm.preprocessing.cells._missing import held_by_record, is_record
from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk, file_path
from sklearn_mm.preprocessing.media._uris import read_uri

__all__ = ["MediaDecoder"]


@dataclass(frozen=True, kw_only=True)
class MediaDecoder:
    """Base of decoders: what cells of one medium may hold, and how one becomes a row of an array.

    A subclass owes ``row_shape``, ``dtype``, ``settings`` and `decode`. Where it reads other cells than paths, bytes,
    arrays and dicts of "bytes" and "path", ``accepted``, `accepts`, `plain`, `content` and `describe` say so. Decoders
    do not change: fields that a subclass adds are those of a frozen dataclass.

    Parameters
    ----------
    root : str or path, default=None
        Folder of relative paths.

    Attributes
    ----------
    kind : str
        What its rows are called in a store.
    accepted : str
        What it reads, for error messages.
    stack_ndim : int or None
        Number of dimensions of an array that is a stack, which counts as a list of what is in it.
    row_shape : tuple of int
        Shape of a row.
    dtype : numpy.dtype
        Type of a row's elements.
    settings : object
        All that rows of equal content may differ by: every parameter that changes rows, versions of code and
        libraries included. What is not in it, the transformer's ``memory`` does not notice, and returns rows that were
        decoded otherwise.

    See Also
    --------
    MediaTransformer : Reads columns with it; has a whole example.
    """

    kind: ClassVar[str] = "media"
    accepted: ClassVar[str] = "paths (str or pathlib.Path), data: URIs, bytes, arrays, and dicts of 'bytes' and 'path'"
    stack_ndim: ClassVar[int | None] = None

    root: Any = None

    def decode(self, cell: Any) -> np.ndarray:
        """Return the row of a cell that is not missing.

        Parameters
        ----------
        cell : object
            One that `accepts` takes.

        Returns
        -------
        row : ndarray
            Of ``row_shape`` and ``dtype``.

        Raises
        ------
        UnreadableError
            Where it holds nothing readable. Any other error ends ``fit`` or ``transform``, whatever ``on_error`` is.
        """
        raise NotImplementedError(f"{type(self).__name__} must define decode(cell), which returns a row.")

    def open(self, cell: Any) -> BinaryIO:
        """Return a file to read from.

        Parameters
        ----------
        cell : str, path, bytes or dict
            A path, below ``root`` if it is relative, or a file's bytes.

        Returns
        -------
        file : file object
            Open in binary mode; to be closed. Files that are not there are an OSError.
        """
        cell = self.plain(cell)
        if isinstance(cell, (bytes, bytearray, memoryview)):
            return io.BytesIO(cell)
        return open(as_spelt_on_disk(file_path(cell, self.root)), "rb")

    def accepts(self, cell: Any) -> bool:
        """Return whether a cell is of a type that can be read."""
        if is_record(cell):
            return self.accepts(held_by_record(cell))
        return isinstance(cell, (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray))

    def plain(self, cell: Any) -> Any:
        """Return what a cell holds in its plain form, equal for cells that hold the same: a path, bytes or an array."""
        if is_record(cell):
            return self.plain(held_by_record(cell))
        if isinstance(cell, str) and (held := read_uri(cell)) is not None:
            return held
        return cell

    def content(self, cell: Any) -> tuple | None:
        """Return what identifies an object of the medium's own in its plain form, as buffers; None for others."""

    def describe(self, cell: Any) -> str:
        """Return what to call a cell in an error message."""
        if isinstance(cell, (str, os.PathLike)):
            text = repr(os.fsdecode(cell))
            return text if len(text) <= 120 else f"{text[:57]}...{text[-60:]}"
        if isinstance(cell, (bytes, bytearray, memoryview)):
            return f"{type(cell).__name__} of length {len(cell)}"
        if isinstance(cell, np.ndarray | torch.Tensor):
            kind = "array" if isinstance(cell, np.ndarray) else "tensor"
            return f"{kind} of shape {tuple(cell.shape)} and dtype {cell.dtype}"
        if is_record(cell):
            return f"{{{', '.join(f'{key!r}: {self.describe(value)}' for key, value in cell.items())}}}"
        return "None" if cell is None else f"object of type {type(cell).__name__}"

    def is_list(self, cell: Any) -> bool:
        """Return whether a cell is a list of what can be read."""
        return is_list(cell, self.stack_ndim)

    def while_reading(self) -> AbstractContextManager:
        """Return a context in which cells are read."""
        return nullcontext()
