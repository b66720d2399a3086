"""One cell to one picture: open it, set it upright, bring it to colour, cut, turn and scale it."""

import errno
import io
import math
import os
import re
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image

from sklearn_mm.preprocessing._cells import is_record
from sklearn_mm.preprocessing._formats import CAMERA_RAW_ADVICE, HEAD, advice_for, is_camera_raw
from sklearn_mm.preprocessing._paths import as_spelt_on_disk
from sklearn_mm.preprocessing._pillow import READ_ERRORS, UnreadableError, bomb_cause, pillow_reads
from sklearn_mm.preprocessing._plain import is_long_base64, plain_cell

__all__ = [
    "ORIENTATION_TAG",
    "Framing",
    "UnreadableError",
    "decode",
    "describe_cell",
    "file_path",
]

# Pictures are first reduced, cheaply, to no less than this multiple of the result, then filtered: the value that
# Pillow's own `thumbnail` takes.
_REDUCING_GAP = 2.0

_ROUNDING = 1e-3  # by how much floats may leave [0, 1], as they do after resizing; less than half a step of 8 bits

ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

_loading = threading.Lock()


@dataclass(frozen=True)
class Framing:
    """How pictures of all sizes and modes become arrays of one shape.

    Parameters
    ----------
    size : tuple of int
        Height and width of the result, in pixels.
    resize : {"crop", "pad", "stretch"}
        Whether a picture of other proportions is cut, padded with ``background`` or distorted.
    crop : tuple of int or None
        Left, upper, right and lower edge of the part to read, in pixels of the upright picture.
    rotate : float
        Degrees to turn counter-clockwise.
    color : {"RGB", "L"}
        Pillow's mode of the result.
    background : tuple of int
        The red, green and blue, 0 to 255, below transparent pixels and in padding.
    """

    size: tuple
    resize: str
    crop: tuple | None
    rotate: float
    color: str
    background: tuple

    @property
    def fill(self):
        """The background in the result's own colours."""
        return Image.new("RGB", (1, 1), self.background).convert(self.color).getpixel((0, 0))


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
    return np.asarray(_frame(image, full_size, framing)).reshape(*framing.size, -1)


def file_path(cell, root=None):
    """Return the path in a cell as a string, with ``~`` expanded, below ``root`` if it is relative."""
    path = os.path.expanduser(os.fsdecode(cell))
    return path if root is None else os.path.join(os.path.expanduser(os.fsdecode(root)), path)


def describe_cell(cell):
    """Return what to call a cell in an error message."""
    if isinstance(cell, (str, os.PathLike)):
        text = repr(os.fsdecode(cell))
        return text if len(text) <= 120 else f"{text[:57]}...{text[-60:]}"
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return f"{type(cell).__name__} of length {len(cell)}"
    if isinstance(cell, Image.Image):
        return f"PIL image of mode {cell.mode} and size {cell.size}"
    if isinstance(cell, np.ndarray | torch.Tensor):
        kind = "array" if isinstance(cell, np.ndarray) else "tensor"
        return f"{kind} of shape {tuple(cell.shape)} and dtype {cell.dtype}"
    if is_record(cell):
        return f"{{{', '.join(f'{key!r}: {describe_cell(value)}' for key, value in cell.items())}}}"
    if cell is None:
        return "None"
    return f"object of type {type(cell).__name__}"


def _open(cell, framing, root):
    """Return an upright picture in the result's colours, and the size it has in full (JPEGs come reduced)."""
    if isinstance(cell, np.ndarray):
        image = _image_from_array(cell)
        return _to_color(image, framing), image.size
    reading = partial(pillow_reads, partial(_cause, cell=cell, root=root))
    if isinstance(cell, Image.Image):
        with _loading:  # the same object may be in several rows, and Pillow's own loading is not thread-safe
            with reading():
                cell.load()
            orientation = _orientation(cell)
        _check_not_empty(cell.size)
        image = _upright(_to_color(cell, framing), orientation)
        return image, image.size
    source = _source(cell, root)
    with reading():
        image = Image.open(source)
    with image:
        _check_size(image.size)
        if is_camera_raw(image, source if isinstance(source, str) else ""):
            raise UnreadableError(CAMERA_RAW_ADVICE)
        orientation = _orientation(image)
        full_size = image.size[::-1] if orientation >= 5 else image.size
        left, upper, right, lower = _part(full_size, framing)
        needed = _REDUCING_GAP * _scale(right - left, lower - upper, framing)
        draft_size = tuple(math.ceil(length * needed) for length in image.size)
        with reading():
            if needed < 1:
                image.draft(framing.color, draft_size)
            image.load()
        return _upright(_to_color(image, framing), orientation), full_size


def _source(cell, root):
    """Return what Pillow is to open: a file of bytes, or the path of a file that is one."""
    if isinstance(cell, (bytes, bytearray, memoryview)):
        content = bytes(cell)
        if not content:
            raise UnreadableError("is empty (0 bytes)")
        return io.BytesIO(content)
    if isinstance(cell, str) and _URL.match(cell):
        raise UnreadableError("is a URL, and nothing is fetched; pass loader=, a function from a URL to bytes")
    path = as_spelt_on_disk(file_path(cell, root))
    with pillow_reads(partial(_cause, cell=cell, root=root)):
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


def _orientation(image):
    try:
        orientation = image.getexif().get(ORIENTATION_TAG)
    except READ_ERRORS:  # a picture with damaged EXIF data is still a picture
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _upright(image, orientation):
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def _to_color(image, framing):
    if image.mode == "F" or image.mode.startswith("I"):
        image = _image_from_array(_array_of_deep_image(image))
    with pillow_reads(partial(_cause, cell=image, root=None)):  # palettes and what is transparent may be damaged
        if image.has_transparency_data:
            image = image.convert("RGBA")
            opaque = Image.new("RGB", image.size, framing.background)
            opaque.paste(image, mask=image.getchannel("A"))
            image = opaque
        return image if image.mode == framing.color else image.convert(framing.color)


def _array_of_deep_image(image):
    array = np.asarray(image)
    if image.mode != "I":
        return array
    # Some versions of Pillow open 16-bit files in the 32-bit mode.
    if array.min() < 0 or array.max() > 65535:
        raise UnreadableError(f"holds integers from {array.min()} to {array.max()}, of which no range of grey is known")
    return array.astype(np.uint16)


def _image_from_array(array):
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UnreadableError(
            f"an array must have the shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or its channels first, got "
            f"{array.shape}"
        )
    if not array.size:
        raise UnreadableError("has no pixels")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(_to_uint8(array)))


def _to_uint8(array):
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # in either order of bytes
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 / 257 = 255
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also where one is NaN
            raise UnreadableError(
                f"floats must lie in [0, 1], got values from {low:g} to {high:g}; divide by the largest possible "
                f"value, or convert to uint8"
            )
        return (array * 255 + 0.5).astype(np.uint8)
    raise UnreadableError(
        f"an array must be uint8, uint16, bool or float in [0, 1], got {array.dtype}; convert it, for example with "
        f"astype(np.uint8)"
    )


def _turned_size(width, height, degrees):
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    return width * cos + height * sin, width * sin + height * cos


def _scale(width, height, framing):
    """Return how many pixels of the result one pixel of a part of this size becomes."""
    width, height = _turned_size(width, height, framing.rotate)
    ratios = framing.size[1] / width, framing.size[0] / height
    return min(ratios) if framing.resize == "pad" else max(ratios)


def _part(size, framing):
    """Return the box that is read of an upright picture of this size (width, height)."""
    if framing.crop is None:
        return (0, 0, *size)
    if framing.crop[2] > size[0] or framing.crop[3] > size[1]:
        raise UnreadableError(
            f"the crop box {framing.crop} reaches outside of the picture, which is {size[0]} x {size[1]} pixels"
        )
    return framing.crop


def _frame(image, full_size, framing):
    """Cut, turn and scale a picture that in full would have the size ``full_size``."""
    if framing.crop is not None:
        image = _cut(image, full_size, framing)
    if framing.rotate % 360:
        image = _rotate(image, framing)
    return _resize(image, framing)


def _cut(image, full_size, framing):
    # Not by the `box` of `resize`, whose filter would also look at the pixels around it.
    left, upper, right, lower = _part(full_size, framing)
    x, y = image.width / full_size[0], image.height / full_size[1]
    left, upper = min(round(left * x), image.width - 1), min(round(upper * y), image.height - 1)
    return image.crop((left, upper, max(round(right * x), left + 1), max(round(lower * y), upper + 1)))


def _rotate(image, framing):
    shrink = 1 / (_REDUCING_GAP * _scale(*image.size, framing))
    if shrink >= 2:
        image = image.reduce(int(shrink))
    return image.rotate(framing.rotate, Image.Resampling.BICUBIC, expand=True, fillcolor=framing.fill)


def _resize(image, framing):
    height, width = framing.size
    ratios = width / image.width, height / image.height
    size, box = (width, height), (0, 0, *image.size)
    if framing.resize == "crop":
        left = max(0, (image.width - width / max(ratios)) / 2)
        upper = max(0, (image.height - height / max(ratios)) / 2)
        box = (left, upper, image.width - left, image.height - upper)
    elif framing.resize == "pad":
        size = tuple(
            min(max(1, round(part * min(ratios))), whole) for part, whole in zip(image.size, size, strict=True)
        )
    image = image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=_REDUCING_GAP)
    if size == (width, height):
        return image
    padded = Image.new(framing.color, (width, height), framing.fill)
    padded.paste(image, ((width - size[0]) // 2, (height - size[1]) // 2))
    return padded
