"""A column of clips as one uint8 array."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any

from joblib import Memory

from sklearn_mm.blocks._specs import VideoSpec
from sklearn_mm.preprocessing.image._framed_transformer import FramedTransformer
from sklearn_mm.preprocessing.image._picture_cells import common_layout
from sklearn_mm.preprocessing.video._video_decoder import VideoDecoder
from sklearn_mm.storage import BlockStore
from sklearn_mm.utils._validation import Interval

__all__ = ["VideoTransformer"]


class VideoTransformer(FramedTransformer):
    """Read a column of videos into one uint8 array of shape (n_rows, n_frames, height, width, channels).

    A cell is a path (string, `pathlib.Path` or ``file://`` URI) of a video file, an animated picture or a folder of
    frames; such a file's bytes (also in a ``data:`` URI), or the file, open for reading in binary mode; an animated PIL
    image; a list of frames, each of which is a picture in any of the ways of `ImageTransformer`; an array or torch
    tensor of shape (T, H, W, C), (T, C, H, W) or (T, H, W); or a dict ``{"bytes": ..., "path": ...}``. Kinds may mix.
    MP4, WebM, Matroska, AVI, QuickTime and whatever else FFmpeg knows are read by PyAV (the extra ``video``), GIF, WebP
    and APNG by Pillow.

    From each clip the same number of frames is read, at even distances in time: at variable frame rates, what is on
    screen then. Frames are set upright by the rotation of the file, and stretched where its pixels are not square.
    Frames of a folder come in the order of the numbers in their names. Cells with nothing in them (None, NaN, empty
    strings) give zeros.

    Parameters
    ----------
    n_frames : int, default=16
        Number of frames. More show shorter movements; memory and time grow with it. Of a clip that has fewer, frames
        come several times, one after the other, which is a slower clip of the same length.
    fps : float, default=None
        Frames per second. None spreads the frames over the whole clip, however long it is; each is the one in the
        middle of its stretch. With a number, those of the first ``n_frames / fps`` seconds are read, which show
        movements of all clips at the same speed; where the clip is over before, its last frame stands still.
    max_seconds : float, default=None
        Part of each clip, from its start, that is looked at. What comes later is not even searched for, which also
        spares the time that long files take.
    size : "auto", int or tuple of two ints (height, width), default="auto"
        Size of the frames in pixels, as of `ImageTransformer`.
    resize : {"auto", "crop", "pad", "stretch"}, default="auto"
        How a frame of other proportions is fitted, as of `ImageTransformer`.
    crop_fraction : float, default=1.0
        Share of the sides of the resized frame that a centre crop keeps.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, default="bicubic"
        Filter by which pixels are scaled.
    reducing_gap : float or None, default=2.0
        How many times the size of the result large frames keep, at least, when they are first reduced by FFmpeg, while
        it makes colours of them. None reduces nothing: frames are then scaled by the filter alone.
    crop : tuple of four ints (left, upper, right, lower), default=None
        Part to read, in pixels of the upright frame.
    rotate : float, default=0
        Degrees to turn the frames counter-clockwise, in addition to what the file says.
    color : {"RGB", "L"}, default="RGB"
        Three channels or grey.
    background : str, int or tuple of three ints, default="white"
        Colour below transparent pixels and in padding: a name, a grey, or red, green and blue from 0 to 255.
    value_range : "auto" or tuple of two numbers, default="auto"
        The values that become black and white in frames of more than 8 bits and of floats that come as pictures or
        arrays, as of `ImageTransformer`.
    mean, std : "imagenet", "dataset", float or sequence of floats per channel, default="imagenet"
        Mean and standard deviation for pixels in [0, 1], with which encoders normalise.
    root : str or path, default=None
        Folder of relative paths, as of `ImageTransformer`.
    loader : callable, default=None
        Called with each cell that is not missing; returns what is to be read in its place, or None for "missing".
    lists : bool, default=False
        Whether cells are lists of clips: several of one thing. A list is else one clip, of which it holds the frames.
    on_error : {"raise", "warn", "ignore"}, default="raise"
        What to do with cells that cannot be read (truncated or damaged files, files without a video): one error that
        counts and names them, one such warning, or nothing. In the latter two cases they are like missing ones, unless
        there is no other in `fit`.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps the frames that were read, so that each clip is decoded once for all folds, searches and
        processes that name it; the result is then `StoredRows`, which lie in files and not in memory.
    n_jobs : int, default=-1
        Number of threads that decode, each a clip at a time; the result does not depend on it.

    Attributes
    ----------
    spec_ : VideoSpec
        Shape of a clip, mean and standard deviation.
    size_ : tuple of two ints (height, width)
        Size of the frames in pixels.
    resize_ : {"crop", "pad", "stretch"}
        How frames of other proportions are fitted.
    value_range_ : dict of str to tuple of two numbers
        The values that become black and white, under "integer" and "float", if deep frames of `fit` have such.
    mean_ : ndarray of shape (n_channels,)
        Mean per channel, for pixels in [0, 1].
    std_ : ndarray of shape (n_channels,)
        Standard deviation per channel, for pixels in [0, 1].
    unreadable_rows_ : ndarray of shape (n_unreadable,), dtype int
        Positions of the rows where something could not be read in `fit`; empty under ``on_error="raise"``.

    Notes
    -----
    The packets of a file are looked through before any is decoded, which takes a small part of the time: they tell when
    each frame is shown, and where decoding may begin. Of a long file, no more is decoded than leads from key frames to
    the frames that are wanted.

    Nothing is fetched: files that refer to others on the network, as playlists do, are unreadable.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import VideoTransformer
    >>> clip = np.zeros((30, 40, 60, 3), dtype=np.uint8)
    >>> clip[15:] = 255
    >>> clips = VideoTransformer(n_frames=4, size=32).fit_transform([clip, None])
    >>> clips.shape, clips[0, :, 0, 0, 0].tolist()
    ((2, 4, 32, 32, 3), [0, 0, 255, 255])
    """

    decoder_type = VideoDecoder
    spec_type = VideoSpec
    _parameter_constraints = {
        **FramedTransformer._parameter_constraints,
        "n_frames": [Interval(Integral, 1, None, closed="left")],
        "fps": [Interval(Real, 0, None, closed="neither"), None],
        "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "lists": ["boolean"],
    }

    def __init__(
        self,
        n_frames: int = 16,
        *,
        fps: float | None = None,
        max_seconds: float | None = None,
        size: str | int | tuple[int, int] = "auto",
        resize: str = "auto",
        crop_fraction: float = 1.0,
        interpolation: str = "bicubic",
        reducing_gap: float | None = 2.0,
        crop: tuple[int, int, int, int] | None = None,
        rotate: float = 0,
        color: str = "RGB",
        background: str | int | tuple[int, int, int] = "white",
        value_range: str | tuple[float, float] = "auto",
        mean: str | float | Sequence[float] = "imagenet",
        std: str | float | Sequence[float] = "imagenet",
        root: str | PathLike | None = None,
        loader: Callable | None = None,
        lists: bool = False,
        on_error: str = "raise",
        memory: str | PathLike | Memory | BlockStore | None = None,
        n_jobs: int = -1,
    ):
        self.n_frames = n_frames
        self.fps = fps
        self.max_seconds = max_seconds
        self.size = size
        self.resize = resize
        self.crop_fraction = crop_fraction
        self.interpolation = interpolation
        self.reducing_gap = reducing_gap
        self.crop = crop
        self.rotate = rotate
        self.color = color
        self.background = background
        self.value_range = value_range
        self.mean = mean
        self.std = std
        self.root = root
        self.loader = loader
        self.lists = lists
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs

    def make_decoder(self, items: Any) -> VideoDecoder:
        layout = None if self.loader is not None else common_layout(_first_frames(items.cells))
        return VideoDecoder(
            framing=self.check_framing(),
            root=self.root,
            n_frames=int(self.n_frames),
            fps=None if self.fps is None else float(self.fps),
            max_seconds=None if self.max_seconds is None else float(self.max_seconds),
            layout=layout,
        )


def _first_frames(cells):
    """Yield a frame of each clip that is a list or an array."""
    for cell in cells:
        if (isinstance(cell, list | tuple) or getattr(cell, "ndim", 0) == 4) and len(cell):
            yield cell[0]
