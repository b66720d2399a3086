"""One cell to one picture: open it, set it upright, bring it to colour, and frame it."""

import errno
import io
import math
import os
import stat
import threading
from contextlib import contextmanager, suppress
from functools import partial

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, TiffImageFile

from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk, file_path
from sklearn_mm.preprocessing.image._bit_depth import FLOAT, SHALLOW, value_kind, value_statistics, values_to_uint8
from sklearn_mm.preprocessing.image._formats import CAMERA_RAW_ADVICE, HEAD, advice_for, is_camera_raw
from sklearn_mm.preprocessing.image._framing import frame, needed_scale
from sklearn_mm.preprocessing.image._picture_cells import is_long_base64, plain_cell
from sklearn_mm.preprocessing.image._pillow_errors import READ_ERRORS, bomb_cause, pillow_reads
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.media._uris import check_no_url

__all__ = [
    "decode",
    "orientation_of",
    "read_header",
    "read_statistics",
    "source_of",
]

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


_loading = threading.Lock()


def decode(cell, framing, root=None, layout=None):
    """Return the picture in a cell as uint8 array (height, width, channels).

    Parameters
    ----------
    cell : str, path, bytes, PIL image, array, tensor or dict
        What holds the picture, in any of the ways that `plain_cell` knows.
    framing : Framing
        Size, colour and part of the picture.
    root : str or path, default=None
        Folder of relative paths.
    layout : {"first", "last"} or None, default=None
        Where the channels are in arrays whose shape leaves it open.

    Raises
    ------
    UnreadableError
        Where there is no readable picture in the cell.
    """
    image, full_size = _open(plain_cell(cell, layout), framing, root)
    return np.asarray(frame(image, full_size, framing)).reshape(*framing.size, -1)


def read_header(cell, root=None, layout=None):
    """Return width and height of the upright picture in a cell, and the kind of its values, without decoding it.

    Parameters
    ----------
    cell, root, layout : object
        As of `decode`.

    Returns
    -------
    width, height, kind : int
        The size in pixels, and the kind as of `value_kind`.

    Raises
    ------
    UnreadableError
        Where there is no readable picture in the cell.
    """
    with _opened(plain_cell(cell, layout), root) as picture:
        if isinstance(picture, np.ndarray):
            height, width = picture.shape[:2]
            return width, height, value_kind(picture.dtype)
        # The method of PNGs would decode them, to look for the tag behind the pixels.
        return *_upright_size(picture, Image.Image.getexif), value_kind(picture.mode)


def read_statistics(cell, root=None, layout=None):
    """Return the `value_statistics` of the deep picture in a cell; parameters and errors are those of `read_header`."""
    cell = plain_cell(cell, layout)
    with _opened(cell, root) as picture:
        with _reading(cell, root):
            values = np.asarray(picture)
        return value_statistics(values)


def _reading(cell, root):
    """Where Pillow and the file system are called for a cell."""
    return pillow_reads(partial(_cause, cell=cell, root=root))


@contextmanager
def _opened(cell, root):
    """Yield the array in a cell, its PIL image, loaded, or the file, not loaded."""
    if isinstance(cell, np.ndarray):
        yield _check_shape(cell)
    elif isinstance(cell, Image.Image):
        with _loading:  # the same object may be in several rows, and Pillow's own loading is not thread-safe
            with _reading(cell, root):
                cell.load()
            orientation_of(cell)  # which it then knows
        _check_not_empty(cell.size)
        yield cell
    else:
        source = source_of(cell, root)
        with _reading(cell, root):
            image = Image.open(source)
        with image:
            _check_size(image.size)
            if is_camera_raw(image, source if isinstance(source, str) else ""):
                raise UnreadableError(CAMERA_RAW_ADVICE)
            yield image


def _open(cell, framing, root):
    """Return an upright picture in the result's colours, and the size it has in full (JPEGs come reduced)."""
    with _opened(cell, root) as picture:
        if isinstance(picture, np.ndarray):
            image = _image_from_array(picture, framing)
            return _to_color(image, framing), image.size
        full_size = _upright_size(picture)
        if picture is not cell:
            needed = needed_scale(full_size, framing)
            draft_size = tuple(math.ceil(length * needed) for length in picture.size)
            with _reading(cell, root):
                if needed < 1:
                    picture.draft(framing.color, draft_size)
                picture.load()
        orientation = orientation_of(picture)  # not before: Pillow turns TIFFs while it loads them
        return _upright(_to_color(picture, framing), orientation), full_size


def source_of(cell, root):
    """Return what is to be opened: a file of bytes, or the path of a file that is one."""
    if isinstance(cell, (bytes, bytearray, memoryview)):
        content = bytes(cell)
        if not content:
            raise UnreadableError("is empty (0 bytes)")
        return io.BytesIO(content)
    check_no_url(cell)
    path = as_spelt_on_disk(file_path(cell, root))
    with _reading(cell, root):
        status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableError("is a directory")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise UnreadableError("is not a regular file")
    if not status.st_size:
        raise UnreadableError("is empty (0 bytes)")
    return path


def _cause(error, cell, root):
    is_path = isinstance(cell, (str, os.PathLike))
    is_perhaps_base64 = isinstance(cell, str) and is_long_base64(cell)
    base64_hint = "; if it is base64, say so with 'data:;base64,' before it" if is_perhaps_base64 else ""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) and is_path:
        path = file_path(cell, root)
        where = "" if path == os.fsdecode(cell) and os.path.isabs(path) else f" ({os.path.abspath(path)!r})"
        hint = "; here '\\' does not separate folders" if "\\" in path and os.sep == "/" else ""
        return f"no such file{where}{hint}{base64_hint}"
    if isinstance(error, Image.UnidentifiedImageError):
        return advice_for(_head(cell, root), os.fsdecode(cell) if is_path else "")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}{base64_hint if error.errno == errno.ENAMETOOLONG else ''}"
    hint = "; PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True reads what is left of it" if "runcated" in str(error) else ""
    return f"{type(error).__name__}: {error}".rstrip(": ") + hint


def _head(cell, root):
    """Return the first bytes of a file that Pillow does not know."""
    if not isinstance(cell, (str, os.PathLike)):
        return bytes(cell[:HEAD]) if isinstance(cell, (bytes, bytearray, memoryview)) else b""
    with suppress(OSError), open(as_spelt_on_disk(file_path(cell, root)), "rb") as file:
        return file.read(HEAD)
    return b""


def _check_not_empty(size):
    if not all(size):
        raise UnreadableError("has no pixels")


def _check_size(size):
    _check_not_empty(size)
    # Pillow itself warns or raises, by size; its warning cannot be caught in threads, so the limit is applied here.
    if Image.MAX_IMAGE_PIXELS is not None and math.prod(size) > Image.MAX_IMAGE_PIXELS:
        raise UnreadableError(bomb_cause())


def orientation_of(image, getexif=None):
    """Return the number, 1 to 8, by which EXIF tells how a PIL image lies; 1 is upright."""
    try:
        orientation = (image.getexif() if getexif is None else getexif(image)).get(_ORIENTATION_TAG)
    except READ_ERRORS:  # a picture with damaged EXIF data is still a picture
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _upright_size(image, getexif=None):
    """Return width and height of a PIL image or a file, loaded or not, as it is when it stands upright."""
    orientation, size = orientation_of(image, getexif), image.size
    if orientation > 1 and isinstance(image, TiffImageFile):  # not loaded; Pillow has turned the size in some versions
        size = image.tag_v2[IMAGEWIDTH], image.tag_v2[IMAGELENGTH]
    return size[::-1] if orientation >= 5 else size


def _upright(image, orientation):
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def _to_color(image, framing):
    if value_kind(image.mode) != SHALLOW:
        image = _image_from_array(np.asarray(image), framing)
    with _reading(image, None):  # palettes and what is transparent may be damaged
        if image.has_transparency_data:
            image = image.convert("RGBA")
            opaque = Image.new("RGB", image.size, framing.background)
            opaque.paste(image, mask=image.getchannel("A"))
            image = opaque
        return image if image.mode == framing.color else image.convert(framing.color)


def _check_shape(array):
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UnreadableError(
            f"an array must have the shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or its channels first, got "
            f"{array.shape}"
        )
    if not array.size:
        raise UnreadableError("has no pixels")
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _image_from_array(array, framing):
    return Image.fromarray(np.ascontiguousarray(_to_uint8(_check_shape(array), framing)))


def _to_uint8(array, framing):
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    kind = value_kind(array.dtype)
    if kind == SHALLOW:
        raise UnreadableError(f"an array must hold integers, floats or bool, got {array.dtype}")
    return values_to_uint8(array, framing.floats if kind == FLOAT else framing.integers)
