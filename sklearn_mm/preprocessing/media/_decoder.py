"""The interface of a decoder: what cells of one medium may hold, and how one becomes a row of an array."""

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from sklearn_mm.preprocessing.cells._lists import is_list
from sklearn_mm.preprocessing.cells._missing import held_by_record, is_record
from sklearn_mm.preprocessing.media._uris import read_uri

__all__ = ["MediaDecoder"]


@dataclass(frozen=True, kw_only=True)
class MediaDecoder:
    """All that `MediaReader` must know of a medium.

    A subclass owes ``row_shape``, ``dtype``, ``settings`` and `decode`. Where it reads other cells than paths, bytes,
    arrays and dicts of "bytes" and "path", ``accepted``, `accepts`, `plain`, `content` and `describe` say so.

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
        All that rows of equal content may differ by, versions of code and libraries included.
    """

    kind: ClassVar[str] = "media"
    accepted: ClassVar[str] = "paths (str or pathlib.Path), data: URIs, bytes, arrays, and dicts of 'bytes' and 'path'"
    stack_ndim: ClassVar[int | None] = None

    root: Any = None

    def decode(self, cell):
        """Return the row of a cell that is not missing, of ``row_shape`` and ``dtype``; or raise `UnreadableError`."""
        raise NotImplementedError

    def accepts(self, cell):
        """Return whether a cell is of a type that can be read."""
        if is_record(cell):
            return self.accepts(held_by_record(cell))
        return isinstance(cell, (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray))

    def plain(self, cell):
        """Return what a cell holds in its plain form, equal for cells that hold the same: a path, bytes or an array."""
        if is_record(cell):
            return self.plain(held_by_record(cell))
        if isinstance(cell, str) and (held := read_uri(cell)) is not None:
            return held
        return cell

    def content(self, cell):
        """Return what identifies an object of the medium's own in its plain form, as buffers; None for others."""

    def describe(self, cell):
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

    def is_list(self, cell):
        """Return whether a cell is a list of what can be read."""
        return is_list(cell, self.stack_ndim)

    def while_reading(self):
        """Return a context in which cells are read."""
        return nullcontext()
