"""Videos as a medium: what cells of them hold, and how one becomes a row of frames."""

import os
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

import numpy as np
import PIL
import torch
from PIL import Image, ImageFile

from sklearn_mm.preprocessing.image._decode import source_of
from sklearn_mm.preprocessing.image._formats import is_sure_picture_head
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.image._picture_decoder import PictureDecoder
from sklearn_mm.preprocessing.image._pillow_errors import pillow_reads
from sklearn_mm.preprocessing.media._decoder import MediaDecoder
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.video._animation import Animation
from sklearn_mm.preprocessing.video._containers import head_of
from sklearn_mm.preprocessing.video._frame_choice import choose_frames
from sklearn_mm.preprocessing.video._recording import Recording
from sklearn_mm.preprocessing.video._stills import Stills
from sklearn_mm.preprocessing.video._video_cells import can_hold_video, plain_cell

__all__ = ["VideoDecoder"]

_VERSION = 1  # of `decode`: to be raised when it comes to give other pixels


@dataclass(frozen=True, kw_only=True)
class VideoDecoder(MediaDecoder):
    """How a cell with a clip becomes a row of frames, uint8 (n_frames, height, width, channels).

    Parameters
    ----------
    framing : Framing
        Size, colour and part of the frames.
    n_frames : int
        Number of frames.
    fps : float or None, default=None
        How many per second.
    max_seconds : float or None, default=None
        The part of each clip, from its start, that they are of.
    layout : {"first", "last"} or None, default=None
        Where the channels are in arrays whose shape leaves it open.
    """

    kind: ClassVar[str] = "video"
    accepted: ClassVar[str] = (
        "paths (str or pathlib.Path) of files and of folders of frames, data: URIs, bytes, open binary files, PIL "
        "images, lists of pictures, arrays, tensors, and dicts of 'bytes' and 'path'"
    )
    stack_ndim: ClassVar[int] = 5  # of an array of clips; one of four dimensions is a clip
    dtype: ClassVar[np.dtype] = np.dtype(np.uint8)

    framing: Framing
    n_frames: int
    fps: float | None = None
    max_seconds: float | None = None
    layout: str | None = None

    @property
    def row_shape(self):
        return self.n_frames, *self.framing.size, len(self.framing.color)

    @property
    def settings(self):
        return *self.settings_of_facts, self.framing, self.n_frames, self.fps, self.max_seconds

    @property
    def settings_of_facts(self):
        """All that headers and statistics of equal content may differ by."""
        return _VERSION, self.layout, PIL.__version__, ImageFile.LOAD_TRUNCATED_IMAGES, _version_of_av()

    def decode(self, cell):
        with self._clip(cell) as clip:
            if clip.starts is not None:
                numbers = choose_frames(clip.starts, clip.end, self.n_frames, self.fps, self.max_seconds)
            elif self.fps is None and self.max_seconds is None:
                numbers = choose_frames(np.arange(len(clip)), len(clip), self.n_frames)
            else:
                raise UnreadableError(
                    "holds single frames, of which no times are known, as fps and max_seconds need; leave these out, "
                    "or hand in a video file"
                )
            row = np.empty(self.row_shape, self.dtype)
            chosen, firsts, counts = np.unique(numbers, return_index=True, return_counts=True)
            for picture, first, count in zip(clip.pictures(chosen, self.framing), firsts, counts, strict=True):
                row[first : first + count] = picture
            return row

    def header(self, cell):
        """Return width, height and kind of the values of the clip's frames, as of `read_header`."""
        with self._clip(cell) as clip:
            return clip.header()

    def statistics(self, cell):
        """Return the `value_statistics` of a clip of deep frames."""
        with self._clip(cell) as clip:
            return clip.statistics()

    def accepts(self, cell):
        return can_hold_video(cell)

    def plain(self, cell):
        return plain_cell(cell, self.root)

    def content(self, cell):
        if isinstance(cell, torch.Tensor):
            return b"tensor\0", repr((tuple(cell.shape), cell.dtype)).encode(), cell.detach().cpu().numpy().tobytes()
        return (b"clip\0", *Animation(cell, is_shared=True).content()) if isinstance(cell, Image.Image) else None

    def describe(self, cell):
        if isinstance(cell, list | tuple):
            return f"{type(cell).__name__} of {len(cell)} frames"
        if isinstance(cell, Image.Image):
            return f"PIL image of {getattr(cell, 'n_frames', 1)} frames of size {cell.size}"
        return super().describe(cell)

    def while_reading(self):
        return PictureDecoder().while_reading()

    @contextmanager
    def _clip(self, cell):
        """Yield what a cell holds: a `Recording`, an `Animation`, or `Stills`."""
        cell = self.plain(cell)
        if isinstance(cell, Image.Image):
            yield Animation(cell, is_shared=True)
        elif not isinstance(cell, str | os.PathLike | bytes | bytearray | memoryview):
            yield Stills(cell, self.root, self.layout)
        else:
            source = source_of(cell, self.root)
            if is_sure_picture_head(head_of(source)):
                with pillow_reads(str):
                    image = Image.open(source)
                with image:
                    yield Animation(image)
            else:
                with Recording(source, self.max_seconds) as recording:
                    yield recording


def _version_of_av():
    try:
        return version("av")
    except PackageNotFoundError:
        return None
