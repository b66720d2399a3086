"""Pictures as a medium: what cells of them hold, and how one becomes a row of pixels."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import PIL
from PIL import Image, ImageFile

from sklearn_mm.preprocessing.cells._lists import STACK_OF_PICTURES
from sklearn_mm.preprocessing.image._decode import decode, orientation_of, read_header, read_statistics
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.image._picture_cells import can_hold_picture, plain_cell
from sklearn_mm.preprocessing.image._pillow_errors import READ_ERRORS
from sklearn_mm.preprocessing.media._decoder import MediaDecoder
from sklearn_mm.utils._pillow_settings import parents_settings

__all__ = ["PictureDecoder"]

_VERSION = 2  # of `decode`: to be raised when it comes to give other pixels


@dataclass(frozen=True, kw_only=True)
class PictureDecoder(MediaDecoder):
    """How a cell with a picture becomes a row of pixels, uint8 (height, width, channels).

    Parameters
    ----------
    framing : Framing, default=None
        Size, colour and part of the pictures. Without it, nothing can be decoded.
    layout : {"first", "last"} or None, default=None
        Where the channels are in arrays whose shape leaves it open.
    """

    kind: ClassVar[str] = "image"
    accepted: ClassVar[str] = (
        "paths (str or pathlib.Path), data: URIs and base64, bytes, PIL images, arrays, tensors, and dicts of 'bytes' "
        "and 'path'"
    )
    stack_ndim: ClassVar[int] = STACK_OF_PICTURES
    dtype: ClassVar[np.dtype] = np.dtype(np.uint8)

    framing: Framing | None = None
    layout: str | None = None

    @property
    def row_shape(self):
        return *self.framing.size, len(self.framing.color)

    @property
    def settings(self):
        with parents_settings():
            return _VERSION, self.framing, PIL.__version__, ImageFile.LOAD_TRUNCATED_IMAGES

    @property
    def settings_of_facts(self):
        """All that headers and statistics of equal content may differ by."""
        with parents_settings():
            return _VERSION, PIL.__version__, ImageFile.LOAD_TRUNCATED_IMAGES

    def decode(self, cell):
        return decode(cell, self.framing, self.root, self.layout)

    def header(self, cell):
        """Return width, height and kind of the values of the picture in a cell, as `read_header` does."""
        return read_header(cell, self.root, self.layout)

    def statistics(self, cell):
        """Return the `value_statistics` of the deep picture in a cell."""
        return read_statistics(cell, self.root, self.layout)

    def accepts(self, cell):
        return can_hold_picture(cell)

    def plain(self, cell):
        return plain_cell(cell, self.layout)

    def content(self, cell):
        if not isinstance(cell, Image.Image):
            return None
        try:
            cell.load()  # first, because Pillow turns TIFFs while it loads them
        except READ_ERRORS:  # opened, but damaged or closed: whoever decodes it reports it
            return b"image\0", repr((cell.mode, cell.size)).encode()
        # Beside the pixels, the colours of the palette and the orientation say what these mean.
        meaning = (cell.getpalette(), cell.info.get("transparency"), orientation_of(cell))
        return b"image\0", repr((cell.mode, cell.size)).encode(), repr(meaning).encode(), cell.tobytes()

    def describe(self, cell):
        if isinstance(cell, Image.Image):
            return f"PIL image of mode {cell.mode} and size {cell.size}"
        return super().describe(cell)

    @contextmanager
    def while_reading(self):
        Image.preinit()  # the common formats first, so that the others are not tried on every file
        Image.init()  # now, because threads that do it at the same time may miss formats
        with parents_settings():
            yield
