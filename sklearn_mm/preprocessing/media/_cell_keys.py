"""Content keys of cells: whether two cells of a medium hold the same, told without decoding them."""

import os
import pickle
import stat
from contextlib import suppress

import joblib
import numpy as np

from sklearn_mm.preprocessing.cells._lists import empty_rows
from sklearn_mm.preprocessing.cells._missing import is_missing
from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk, file_path
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.storage._content_keys import NO_CONTENT, hash_contents
from sklearn_mm.utils._object_arrays import object_array

__all__ = ["hash_cells"]


def hash_cells(cells, decoder):
    """Return one key per cell of a column of media.

    A path is known by where it leads and by the file's size and times of change, so that no file is read; all else by
    its content. What comes in another form, as base64 or a tensor, is known as the plain one. A path that leads nowhere
    is known by its text. A list is known by what is in it, in its order, without what is missing.

    Parameters
    ----------
    cells : numpy.ndarray of shape (n,), dtype object
        The cells, from ``as_cells``.
    decoder : MediaDecoder
        What knows the plain form of a cell.

    Returns
    -------
    keys : numpy.ndarray of shape (n,), dtype V16
        BLAKE2b of each cell's kind and content; `NO_CONTENT` where the cell is missing.
    """
    empty, stamps = empty_rows(cells, decoder.stack_ndim), _FileStamps(decoder.root)
    keys = hash_contents(
        () if is_empty else _content(cell, decoder, stamps) for cell, is_empty in zip(cells, empty, strict=True)
    )
    keys[empty] = NO_CONTENT
    return keys


def _content(cell, decoder, stamps):
    """Return the kind of a cell and what it holds, as buffers."""
    with suppress(UnreadableError):  # whoever decodes it reports it
        cell = decoder.plain(cell)
    if isinstance(cell, (str, os.PathLike)):
        return b"path\0", stamps.of(cell)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return b"bytes\0", bytes(cell)
    if isinstance(cell, np.ndarray) and not cell.dtype.hasobject:
        return b"array\0", repr((cell.shape, cell.dtype.str)).encode(), cell.tobytes()
    if decoder.is_list(cell):
        return b"list\0", hash_cells(object_array([item for item in cell if not is_missing(item)]), decoder).tobytes()
    own = decoder.content(cell)
    if own is not None:
        return own
    try:
        return b"object\0", joblib.hash(cell).encode()  # what only a user's loader understands
    except (pickle.PicklingError, TypeError, AttributeError):
        return b"unknown\0", os.urandom(16)  # equal to nothing


class _FileStamps:
    """Where the paths of a column lead, and when that changed; a folder that many share is looked up once.

    Parameters
    ----------
    root : str or path
        Folder of relative paths.
    """

    def __init__(self, root):
        self.root = root
        self._folders = {}

    def of(self, cell):
        """Return where a path leads, and the file's size and times of change."""
        path = as_spelt_on_disk(file_path(cell, self.root))
        try:
            status = os.lstat(path)
            folder, name = os.path.split(path)
            if stat.S_ISLNK(status.st_mode) or name in ("", os.curdir, os.pardir):
                status = os.stat(path)
                place = os.path.realpath(path)
            else:
                if folder not in self._folders:
                    self._folders[folder] = os.path.realpath(folder)
                place = os.path.join(self._folders[folder], name)
        except (OSError, ValueError):  # no such file, or no possible name of one
            return path.encode(errors="surrogatepass")
        # The time of the last change to the file's entry tells of changes that set the other time back.
        times = f"{status.st_mtime_ns}\0{status.st_ctime_ns}"
        return f"{place}\0{status.st_size}\0{times}".encode(errors="surrogatepass")
