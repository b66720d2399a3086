"""Content keys: 16 bytes per row that say whether two rows hold the same."""

import os
import pickle
import stat
from contextlib import suppress
from hashlib import blake2b
from uuid import uuid4

import joblib
import numpy as np
from PIL import Image

from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.preprocessing.cells._cells import is_missing, object_array
from sklearn_mm.preprocessing.cells._lists import empty_rows, is_list
from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk
from sklearn_mm.preprocessing.image._decode import file_path, orientation_of
from sklearn_mm.preprocessing.image._picture_cells import plain_cell
from sklearn_mm.preprocessing.image._pillow_errors import READ_ERRORS, UnreadableError
from sklearn_mm.storage._stored_rows import StoredRows
from sklearn_mm.utils._fingerprint import digest

__all__ = ["hash_cells", "hash_rows", "mix_keys"]


def hash_rows(array):
    """Return one key per row of an array: equal bytes, equal key.

    Parameters
    ----------
    array : numpy.ndarray of shape (n, ...), StoredRows or Ragged
        Numbers or records; not objects.

    Returns
    -------
    keys : numpy.ndarray of shape (n,), dtype V16
        BLAKE2b of the bytes of each row.
    """
    array = array if isinstance(array, Ragged | StoredRows) else np.asarray(array)
    if array.dtype.hasobject:
        raise TypeError(f"hash_rows needs an array of numbers or records, got dtype {array.dtype}. Use hash_cells.")
    return _keys((np.asarray(row).tobytes(),) for row in array)


def hash_cells(cells, root=None, layout=None):
    """Return one key per cell of a column of pictures or other media.

    A path is known by where it leads and by the file's size and times of change, so that no file is read; bytes, PIL
    images and arrays by their content. What comes in another way, as base64 or a tensor, is known as one of these. A
    path that leads nowhere is known by its text. A list is known by what is in it, in its order, without what is
    missing.

    Parameters
    ----------
    cells : numpy.ndarray of shape (n,), dtype object
        The cells, from ``as_cells``.
    root : str or path, default=None
        Folder of relative paths.
    layout : {"first", "last"} or None, default=None
        Where the channels are in arrays whose shape leaves it open.

    Returns
    -------
    keys : numpy.ndarray of shape (n,), dtype V16
        BLAKE2b of each cell's kind and content; zeros where the cell is missing.
    """
    missing = empty_rows(cells)
    places = _Places(root)
    keys = _keys(
        () if nothing else _content(cell, places, layout) for cell, nothing in zip(cells, missing, strict=True)
    )
    keys[missing] = bytes(16)
    return keys


def mix_keys(keys, settings):
    """Return keys that also differ by ``settings``, whose whole content counts; zeros stay zeros."""
    salt = (digest(settings) or uuid4().hex).encode()  # of which nothing can be said is equal to nothing
    mixed = _keys((key, salt) for key in keys.tolist())
    mixed[keys == np.void(bytes(16))] = bytes(16)
    return mixed


def _keys(rows):
    digests = []
    for parts in rows:
        digest = blake2b(digest_size=16)
        for part in parts:
            digest.update(part)
        digests.append(digest.digest())
    return np.array(digests, dtype="V16")


def _content(cell, places, layout):
    """Return the kind of a cell and what it holds, as buffers."""
    with suppress(UnreadableError):  # whoever decodes it reports it
        cell = plain_cell(cell, layout)
    if isinstance(cell, (str, os.PathLike)):
        return b"path\0", places.stamp(cell)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return b"bytes\0", bytes(cell)
    if isinstance(cell, Image.Image):
        return b"image\0", *_content_of_image(cell)
    if isinstance(cell, np.ndarray) and not cell.dtype.hasobject:
        return b"array\0", repr((cell.shape, cell.dtype.str)).encode(), cell.tobytes()
    if is_list(cell):
        items = object_array([item for item in cell if not is_missing(item)])
        return b"list\0", hash_cells(items, places.root, layout).tobytes()
    try:
        return b"object\0", joblib.hash(cell).encode()  # what only a user's loader understands
    except (pickle.PicklingError, TypeError, AttributeError):
        return b"unknown\0", os.urandom(16)  # equal to nothing


class _Places:
    """Where the paths of a column lead; of folders that many share it is looked up once.

    Parameters
    ----------
    root : str or path
        Folder of relative paths.
    """

    def __init__(self, root):
        self.root = root
        self._folders = {}

    def stamp(self, cell):
        """Return what a path leads to: where, and the file's size and times of change."""
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


def _content_of_image(image):
    try:
        image.load()  # first, because Pillow turns TIFFs while it loads them
    except READ_ERRORS:  # opened, but damaged or closed: whoever decodes it reports it
        return (repr((image.mode, image.size)).encode(),)
    # Of the rest, the colours of the palette and the orientation say what the pixels mean.
    rest = (image.getpalette(), image.info.get("transparency"), orientation_of(image))
    return repr((image.mode, image.size)).encode(), repr(rest).encode(), image.tobytes()
