"""Content keys: 16 bytes (BLAKE2b) per row that say whether two rows hold the same."""

from hashlib import blake2b
from uuid import uuid4

import numpy as np

from sklearn_mm.storage._lazy_rows import LazyRows
from sklearn_mm.utils._fingerprint import digest

__all__ = ["NO_CONTENT", "hash_contents", "hash_rows", "mix_keys", "page_keys"]

NO_CONTENT = np.void(bytes(16))  # the key of rows with nothing in them


def hash_contents(contents):
    """Return one key per row, V16 (n_rows,), of an iterable that has the buffers of each row's content."""
    digests = []
    for buffers in contents:
        content_hash = blake2b(digest_size=16)
        for buffer in buffers:
            content_hash.update(buffer)
        digests.append(content_hash.digest())
    return np.array(digests, dtype="V16")


def hash_rows(array):
    """Return one key per row of an array: equal bytes, equal key.

    Parameters
    ----------
    array : numpy.ndarray of shape (n, ...), StoredRows, LazyRows or Ragged
        Numbers or records; not objects.

    Returns
    -------
    keys : numpy.ndarray of shape (n,), dtype V16
        BLAKE2b of the bytes of each row. In two dimensions zeros at its end do not count, so that a padded row has the
        same key in a wider array. Of `LazyRows`, which are not decoded for it, what their cells hold.
    """
    if isinstance(array, LazyRows):
        return array.content_keys()
    if not isinstance(getattr(array, "dtype", None), np.dtype):
        array = np.asarray(array)
    if array.dtype.hasobject:
        raise TypeError(f"hash_rows needs an array of numbers or records, got dtype {array.dtype}. Use hash_cells.")
    return hash_contents((_content_of(np.asarray(row)),) for row in array)


def _content_of(row):
    """Return the bytes of a row; of a list of numbers, up to the last that is not zero."""
    content = row.tobytes()
    if row.ndim != 1:
        return content
    return content[: -(-len(content.rstrip(b"\0")) // row.itemsize) * row.itemsize]


def mix_keys(keys, settings):
    """Return keys that also differ by ``settings``, whose whole content counts; `NO_CONTENT` stays."""
    salt = (digest(settings) or uuid4().hex).encode()  # of which nothing can be said is equal to nothing
    mixed = hash_contents((key, salt) for key in keys.tolist())
    mixed[keys == NO_CONTENT] = NO_CONTENT
    return mixed


def page_keys(keys, counts):
    """Return the keys of the pages of rows, one after the other: each by its row's key and its number."""
    numbers = [number.to_bytes(16, "little") for number in range(max(counts, default=0))]
    pages = ((key, number) for key, count in zip(keys.tolist(), counts, strict=True) for number in numbers[:count])
    return np.array([blake2b(key, digest_size=16, salt=number).digest() for key, number in pages], dtype="V16")
