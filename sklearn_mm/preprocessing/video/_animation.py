"""Animated pictures (GIF, WebP, APNG), which Pillow reads frame by frame."""

from contextlib import nullcontext
from threading import RLock

import numpy as np

from sklearn_mm.preprocessing.image._decode import decode, read_header
from sklearn_mm.preprocessing.image._pillow_errors import pillow_reads

__all__ = ["Animation"]

_NO_DURATION = 100  # milliseconds for which browsers show a frame that names no time, or none to speak of
_SHORTEST = 10  # milliseconds that are a time; what says less means "as fast as you can" to nobody any more
_seeking = RLock()


class Animation:
    """A clip in a PIL image of any number of frames.

    Parameters
    ----------
    image : PIL.Image.Image
        The image, at any of its frames; it is left there.
    is_shared : bool, default=False
        Whether others may look at the same object, which has one place at a time.

    Attributes
    ----------
    starts : numpy.ndarray of shape (n_frames,), dtype float64
        When each frame comes on screen, in seconds.
    end : float
        When the last one leaves it.
    """

    def __init__(self, image, is_shared=False):
        self._image = image
        self._turn = _seeking if is_shared else nullcontext()
        durations = [_duration(frame) for frame in self._frames(range(getattr(image, "n_frames", 1)))]
        ends = np.cumsum(durations) / 1000
        self.starts, self.end = np.concatenate([[0.0], ends[:-1]]), ends[-1]

    def __len__(self):
        return len(self.starts)

    def header(self):
        """Return width, height and kind of the values of the first frame."""
        return next(read_header(frame.copy()) for frame in self._frames([0]))

    def statistics(self):
        """Return nothing: no animated picture is deep, and of a single deep one 8 bits are kept."""
        return np.full(4, np.nan)

    def pictures(self, numbers, framing):
        """Yield frames, framed, by their numbers."""
        for frame in self._frames(numbers):
            yield decode(frame.copy(), framing)

    def content(self):
        """Yield what identifies the clip, as buffers."""
        for frame in self._frames(range(len(self))):
            yield repr((frame.mode, frame.size, _duration(frame))).encode()
            yield frame.convert("RGBA").tobytes()

    def _frames(self, numbers):
        """Yield the image at each of some of its frames."""
        with self._turn, pillow_reads(_cause):
            place = self._image.tell()
            try:
                for number in numbers:
                    self._image.seek(int(number))
                    self._image.load()  # before, WebP does not say how long a frame is shown
                    yield self._image
            finally:
                self._image.seek(place)


def _duration(frame):
    milliseconds = frame.info.get("duration") or 0
    return milliseconds if milliseconds > _SHORTEST else _NO_DURATION


def _cause(error):
    return f"{type(error).__name__}: {error}".rstrip(": ")
