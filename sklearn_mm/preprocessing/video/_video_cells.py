"""The ways in which a cell holds a clip, and its plain form: a path, bytes, a list of frames, an array, a PIL image."""

import io
import os
from threading import Lock
from urllib.parse import unquote_to_bytes

import numpy as np
import torch
from PIL import Image

from sklearn_mm.preprocessing.cells._missing import held_by_record, is_missing, is_record
from sklearn_mm.preprocessing.cells._paths import file_path
from sklearn_mm.preprocessing.image._picture_cells import can_hold_picture
from sklearn_mm.preprocessing.media._uris import decode_base64, is_data_uri, read_uri
from sklearn_mm.preprocessing.video._formats import HEAD, has_video_ending, is_video_head
from sklearn_mm.preprocessing.video._stills import frames_of_folder

__all__ = ["can_hold_video", "content_of", "looks_like_video", "plain_cell"]

_reading = Lock()  # a file object may be in several rows, and has one place


def plain_cell(cell, root=None):
    """Return what a cell holds in its plain form: a path, bytes, a list of frames, an array or tensor, or a PIL image.

    Parameters
    ----------
    cell : str, path, bytes, file, list, array, tensor, PIL image or dict
        Of a folder it is the list of the pictures in it, of an open file what it holds.
    root : str or path, default=None
        Folder of relative paths.
    """
    if is_record(cell):
        return plain_cell(held_by_record(cell), root)
    if isinstance(cell, str) and (held := read_uri(cell)) is not None:
        return plain_cell(held, root)
    if isinstance(cell, str | os.PathLike):
        frames = frames_of_folder(file_path(cell, root))
        return cell if frames is None else frames
    return content_of(cell) if _is_file(cell) else cell


def can_hold_video(cell):
    """Return whether a cell is of a type that `plain_cell` knows."""
    if is_record(cell):
        return can_hold_video(held_by_record(cell))
    if isinstance(cell, list | tuple) or (isinstance(cell, np.ndarray) and cell.dtype.kind in "OU"):
        return all(can_hold_picture(frame) or is_missing(frame) for frame in cell)
    if isinstance(cell, np.ndarray | torch.Tensor):
        return True
    return isinstance(cell, str | os.PathLike | bytes | bytearray | memoryview | Image.Image) or _is_file(cell)


def looks_like_video(cell):
    """Return whether a cell holds a video file, judged without a look into any that is not open.

    Paths and URLs count by their endings, bytes and open files by how they begin.
    """
    if is_record(cell):
        return looks_like_video(held_by_record(cell))
    if isinstance(cell, str):
        return _is_uri_of_video(cell) if is_data_uri(cell) else has_video_ending(cell)
    if isinstance(cell, os.PathLike):
        path = os.fspath(cell)
        return isinstance(path, str) and has_video_ending(path)
    if isinstance(cell, bytes | bytearray | memoryview):
        return is_video_head(bytes(cell[:HEAD]))
    return _is_file(cell) and is_video_head(content_of(cell, HEAD))


def _is_uri_of_video(uri):
    header, _, data = uri[:300].partition(",")
    if header.lstrip()[5:11].lower() == "video/":
        return True
    is_base64 = header.rstrip().lower().endswith(";base64")
    return is_video_head(decode_base64(data[:80].encode()) if is_base64 else unquote_to_bytes(data))


def _is_file(cell):
    """Return whether a cell is a binary file that is open for reading."""
    is_binary = isinstance(cell, io.RawIOBase | io.BufferedIOBase) or isinstance(getattr(cell, "file", None), io.IOBase)
    return is_binary and not cell.closed and cell.readable() and cell.seekable()


def content_of(file, n_bytes=-1):
    """Return what an open file begins with, and leave it at its place."""
    with _reading:
        place = file.tell()
        file.seek(0)
        content = file.read(n_bytes)
        file.seek(place)
    return content
