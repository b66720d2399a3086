"""Clips that come as single frames: lists, arrays and folders."""

import os
import re

import numpy as np
import torch

from sklearn_mm.preprocessing.cells._missing import is_missing
from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk
from sklearn_mm.preprocessing.image._decode import decode, read_header, read_statistics
from sklearn_mm.preprocessing.image._formats import has_picture_ending
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.video._formats import has_video_ending

__all__ = ["Stills", "frames_of_folder"]

_NUMBER = re.compile(r"(\d+)")


class Stills:
    """A clip of frames each of which is a picture by itself; when they are on screen is not known.

    Parameters
    ----------
    frames : list, numpy.ndarray or torch.Tensor
        Pictures, in their order.
    root, layout : object
        As of `decode` of pictures.
    """

    starts = end = None

    def __init__(self, frames, root, layout):
        is_array = isinstance(frames, np.ndarray) and not frames.dtype.hasobject and frames.dtype.kind != "U"
        if is_array or isinstance(frames, torch.Tensor):
            self._frames = _check_shape(frames)
        else:
            self._frames = [frame for frame in frames if not is_missing(frame)]
        if not len(self._frames):
            raise UnreadableError("has no frames")
        self._read_from = root, layout

    def __len__(self):
        return len(self._frames)

    def header(self):
        """Return width, height and kind of the values of the first frame."""
        return read_header(self._frames[0], *self._read_from)

    def statistics(self):
        """Return the `value_statistics` of all frames together: the extremes of what each has."""
        least, low, high, largest = np.array([read_statistics(frame, *self._read_from) for frame in self._frames]).T
        return np.array([least.min(), low.min(), high.max(), largest.max()])

    def pictures(self, numbers, framing):
        """Yield frames, framed, by their numbers."""
        for number in numbers:
            try:
                yield decode(self._frames[number], framing, *self._read_from)
            except UnreadableError as error:
                raise UnreadableError(f"frame {number}: {error}{_advice(self._frames[number])}") from error


def frames_of_folder(path):
    """Return the paths of the pictures in a folder, in the order of the numbers in their names; None if it is none."""
    path = as_spelt_on_disk(path)
    if not os.path.isdir(path):
        return None
    names = [name for name in os.listdir(path) if has_picture_ending(name) and not name.startswith(".")]
    return [os.path.join(path, name) for name in sorted(names, key=_by_number)]


def _by_number(name):
    """Return what sorts "frame 2" before "frame 10"."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBER.split(name)], name


def _advice(frame):
    """Return the way out where what should be a frame is a clip by itself."""
    is_named = isinstance(frame, str | os.PathLike) and has_video_ending(os.fsdecode(frame))
    return "; where lists hold clips, say lists=True" if is_named or getattr(frame, "ndim", 0) == 4 else ""


def _check_shape(frames):
    is_grey = frames.ndim == 3 and frames.shape[2] not in (1, 3, 4)
    if not (frames.ndim == 4 or is_grey):
        raise UnreadableError(
            f"an array must have the shape (T, H, W, C), (T, C, H, W) or (T, H, W), got {tuple(frames.shape)}"
        )
    return frames
