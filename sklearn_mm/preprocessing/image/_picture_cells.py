"""The ways in which a cell holds a picture, and its plain form: a path, bytes, a PIL image or an array."""

import os
import re
from urllib.parse import unquote_to_bytes

import numpy as np
import torch
from PIL import Image

from sklearn_mm.preprocessing.cells._missing import held_by_record, is_record
from sklearn_mm.preprocessing.image._formats import HEAD, has_picture_ending, is_picture_head, is_sure_picture_head
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.media._uris import decode_base64, is_data_uri, read_uri

__all__ = [
    "can_hold_picture",
    "common_layout",
    "is_long_base64",
    "looks_like_picture",
    "plain_cell",
]

_PLAIN = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
_CHANNELS = (1, 3, 4)  # that a picture may have

_PERHAPS_NO_PATH = re.compile(r"\s*(?:data:|file:/|[A-Za-z0-9+/_\r\n-]{32})", re.IGNORECASE)  # as few paths are
# Of the alphabets of base64 and of its form for URLs; the smallest pictures that there are take some more characters.
_BASE64 = re.compile(r"\s*[A-Za-z0-9+/_\r\n-]{32,}={0,2}\s*")
_HEAD_CHARACTERS = 2 * HEAD


def plain_cell(cell, layout=None):
    """Return what a cell holds in its plain form: a path, bytes, a PIL image, or an array with its channels last.

    Parameters
    ----------
    cell : str, path, bytes, PIL image, array, tensor or dict
        Strings are data URIs, file URIs, base64 (told by the start of a picture in it), or else paths.
    layout : {"first", "last"} or None, default=None
        Where the channels are in arrays whose shape leaves it open. None says last in NumPy's and first in torch's.

    Returns
    -------
    plain : str, path, bytes, PIL image or array
        Equal for cells that hold the same.

    Raises
    ------
    UnreadableError
        Where a URI or base64 is damaged.
    """
    if isinstance(cell, str):
        return _plain_string(cell)
    if is_record(cell):
        return plain_cell(held_by_record(cell), layout)
    if isinstance(cell, torch.Tensor):
        return _channels_last(_array_of(cell), layout or "first")
    if isinstance(cell, np.ndarray):
        return _channels_last(cell, layout or "last")
    return cell


def can_hold_picture(cell):
    """Return whether a cell is of a type that `plain_cell` knows."""
    return can_hold_picture(held_by_record(cell)) if is_record(cell) else isinstance(cell, (*_PLAIN, torch.Tensor))


def looks_like_picture(cell):
    """Return whether a cell holds a picture, judged without a look into any file.

    Paths and URLs count by their endings, bytes and base64 by how they begin, arrays and tensors by their shape: two
    or three dimensions of uint8, or other numbers with 1, 3 or 4 channels, first or last.
    """
    if is_record(cell):
        return looks_like_picture(held_by_record(cell))
    if isinstance(cell, str):
        if is_data_uri(cell):
            return cell.lstrip()[5:11].lower() == "image/" or is_picture_head(_head_of_data_uri(cell))
        return has_picture_ending(cell) or _is_base64_picture(cell)
    if isinstance(cell, os.PathLike):
        path = os.fspath(cell)
        return isinstance(path, str) and has_picture_ending(path)
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return is_picture_head(bytes(cell[:HEAD]))
    if isinstance(cell, np.ndarray | torch.Tensor):
        return _is_array_of_picture(cell)
    return isinstance(cell, Image.Image)


def common_layout(cells):
    """Return where arrays of a column have their channels: "first", "last", or None where that is open.

    Parameters
    ----------
    cells : iterable
        The cells. Arrays and tensors whose shape says so decide by majority.
    """
    votes = {"first": 0, "last": 0}
    for cell in cells:
        layouts = _layouts(cell.shape) if isinstance(cell, np.ndarray | torch.Tensor) else ()
        if len(layouts) == 1:
            votes[layouts[0]] += 1
    return None if votes["first"] == votes["last"] else max(votes, key=votes.get)


def is_long_base64(text):
    """Return whether a string may be base64, and is longer than most names."""
    return len(text) >= 64 and _BASE64.fullmatch(text) is not None


def _plain_string(text):
    if not _PERHAPS_NO_PATH.match(text):  # mostly over at once
        return text
    held = read_uri(text)
    if held is not None:
        return held
    return decode_base64(text.encode()) if _is_base64_picture(text) else text


def _is_base64_picture(text):
    head = text[:_HEAD_CHARACTERS]
    return _BASE64.fullmatch(head) is not None and is_sure_picture_head(_decode_head(head))


def _head_of_data_uri(uri):
    header, _, data = uri[: _HEAD_CHARACTERS + 200].partition(",")
    return _decode_head(data) if header.rstrip().lower().endswith(";base64") else unquote_to_bytes(data)


def _decode_head(text):
    """Return the bytes of the beginning of base64, as far as they go."""
    text = "".join(text.split()).rstrip("=")
    try:
        return decode_base64(text[: len(text) // 4 * 4].encode())
    except UnreadableError:
        return b""


def _array_of(tensor):
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()  # NumPy has no bfloat16


def _is_array_of_picture(array):
    if str(array.dtype).removeprefix("torch.") == "uint8":
        return array.ndim in (2, 3)
    is_real = array.dtype.kind in "biuf" if isinstance(array, np.ndarray) else not array.is_complex()
    return is_real and bool(_layouts(array.shape))


def _layouts(shape):
    """Return where in an array of three dimensions the channels may be."""
    if len(shape) != 3:
        return ()
    return tuple(where for where, axis in (("first", 0), ("last", 2)) if shape[axis] in _CHANNELS)


def _channels_last(array, layout):
    """Return an array whose channels are last; where they may be at both ends, ``layout`` says where they are."""
    layouts = _layouts(array.shape)
    return np.moveaxis(array, 0, -1) if layouts == ("first",) or (len(layouts) == 2 and layout == "first") else array
