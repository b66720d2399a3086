"""A column of pictures as one uint8 array."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

from joblib import Memory

from sklearn_mm.blocks._specs import ImageSpec
from sklearn_mm.preprocessing.image._framed_transformer import FramedTransformer
from sklearn_mm.preprocessing.image._picture_cells import common_layout
from sklearn_mm.preprocessing.image._picture_decoder import PictureDecoder
from sklearn_mm.storage import BlockStore

__all__ = ["ImageTransformer"]


class ImageTransformer(FramedTransformer):
    """Read a column of pictures into one uint8 array of shape (n_rows, height, width, channels).

    A cell is a path (string, `pathlib.Path` or ``file://`` URI), a file's bytes (also as base64, or as a ``data:``
    URI), a PIL image, an array or a torch tensor, or a dict ``{"bytes": ..., "path": ...}``, of which the bytes count
    where there are any. Kinds may mix. Arrays have the shape (H, W), (H, W, C) or (C, H, W), with 1, 3 or 4 channels,
    and are uint8, uint16, bool or float in [0, 1]. Where both ends of a shape could be channels, they are where most
    other arrays of the column in `fit` have them; if none tells, first in tensors and last in NumPy's arrays.

    Pictures are set upright by their EXIF orientation, transparent ones are laid on ``background``, deep ones are
    scaled to 8 bits, and of animated ones the first frame is read. Cells with nothing in them (None, NaN, empty
    strings) give zeros.

    A cell may also be a list of these (or a tuple, a 1-D array of objects, or an array or tensor of four dimensions,
    of which the first counts pictures): several pictures of one thing. Then the result is a `Ragged`, which holds the
    pictures of all rows in one array, and a single picture counts as a list of one. An empty list is a missing cell,
    and what is missing in a list is left out of it.

    Parameters
    ----------
    size : "auto", int or tuple of two ints (height, width), default="auto"
        Size of the result in pixels; one number stands for a square. Larger shows more detail; memory and the time of
        training grow with its square. "auto" has about the area of 64 × 64 pixels in the proportions of the pictures
        of `fit`: 64 × 64 for squares, 32 × 128 for panoramas of 1:4, both sides multiples of 8.
    resize : {"auto", "crop", "pad", "stretch"}, default="auto"
        How a picture of other proportions than ``size`` is fitted: ``"crop"`` fills the result and cuts off what
        protrudes on two sides, ``"pad"`` keeps the whole picture and fills up with ``background``, ``"stretch"``
        keeps the whole picture and distorts it. ``"auto"`` crops where nine of ten pictures of `fit` keep about two
        thirds of their area or more, and pads otherwise; a picture that would lose more than half is padded in any
        case.
    crop_fraction : float, default=1.0
        Share of the sides of the resized picture that a centre crop keeps, in (0, 1]; timm's crop_pct. 224 / 256 is
        what many networks for 224 pixels were trained with: pictures are scaled until their shorter side has 256, or
        with ``resize="stretch"`` to 256 × 256, and of these the inner 224 × 224 are read. Where pictures are padded
        it does nothing, as these are kept whole.
    interpolation : {"nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"}, default="bicubic"
        Filter of Pillow's by which pixels are scaled. What a pretrained encoder was trained with suits it best.
        Pictures are turned by it too, where Pillow can, and else bicubically.
    reducing_gap : float or None, default=2.0
        How many times the size of the result large pictures keep, at least, when they are first reduced in the cheap
        ways of Pillow (its ``draft`` and ``reducing_gap``), at least 1. With None nothing is reduced: each picture is
        decoded in full, scaled as a whole and then cropped to whole pixels, so that pixels are those of the image
        processors of transformers, at several times the cost for large photographs.
    crop : tuple of four ints (left, upper, right, lower), default=None
        Part to read, in pixels of the upright picture as it is in the file, before ``rotate`` and ``resize``. By
        default the whole picture. A picture that the box does not fit into is unreadable.
    rotate : float, default=0
        Degrees to turn counter-clockwise, after ``crop`` and before ``resize``. Nothing is cut off by it; the corners
        that appear are filled with ``background``.
    color : {"RGB", "L"}, default="RGB"
        Three channels (red, green, blue) or one (grey).
    background : str, int or tuple of three ints, default="white"
        Color below transparent pixels and in padding: a name or hexadecimal value that `PIL.ImageColor` knows, a grey
        from 0 to 255, or (red, green, blue) from 0 to 255.
    value_range : "auto" or tuple of two numbers (low, high), default="auto"
        Values that become black and white in deep pictures: those of more than 8 bits and of floats, be they files
        (of Pillow's modes "I;16", "I" and "F") or arrays. What lies beyond is clipped. ``"auto"`` learns them in `fit`,
        the same for all rows: the smallest and the largest value of all, rounded to a grid of the powers of two, so
        that 12 bits in 16 are 0 to 4095; outliers widen that to four times at most. Integers and floats are told
        apart, and if all floats lie in [0, 1], these are black and white. Name them where values have a meaning, such
        as Hounsfield units.
    mean, std : "imagenet", "dataset", float or sequence of floats per channel, default="imagenet"
        Mean and standard deviation for pixels in [0, 1], with which encoders normalise; the array itself keeps its
        0 to 255. ``"dataset"`` computes them from the pictures of `fit`. ``"imagenet"`` is what pretrained encoders
        mostly expect.
    root : str or path, default=None
        Folder of relative paths; by default the current one. ``~`` stands for the home folder, here and in paths. It
        may be changed after `fit`, when the files moved.
    loader : callable, default=None
        Called with each cell that is not missing; returns what is to be read in its place: a cell of the kinds above,
        or None for "missing". It is the way to read URLs or archives, of which nothing is fetched otherwise, and
        formats that Pillow does not know. Whatever it raises makes the cell an unreadable one. It is called from
        several threads, unless ``n_jobs=1``.
    lists : bool or "auto", default="auto"
        Whether cells are lists of pictures. "auto" says yes if there is a list in `fit`; else a list of more than one
        is an error later. With False, lists are cells like others, which only a ``loader`` can read.
    on_error : {"raise", "warn", "ignore"}, default="raise"
        What to do with cells that cannot be read: one error that counts and names them, one such warning, or nothing.
        In the latter two cases they are like missing ones. In `fit`, it is an error all the same if all cells that are
        not missing are unreadable, as nothing can be learnt then; afterwards it is not, so that a row is read as it
        would be among any others.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps the decoded pictures, so that each is decoded once for all folds, searches and processes that
        name it; the result is then `StoredRows`, which lie in files and not in memory. Pictures of changed files are
        decoded anew. Where there is a ``loader``, it is called all the same, and what it returns counts.
    n_jobs : int, default=-1
        Number of threads that decode; the result does not depend on it. -1 means as many as there are cores, or in
        a process of joblib its share of them; None means 1 unless in a `joblib.parallel_config` context.

    Attributes
    ----------
    spec_ : ImageSpec
        Shape of a picture, mean and standard deviation.
    size_ : tuple of two ints (height, width)
        Size of the result in pixels.
    resize_ : {"crop", "pad", "stretch"}
        How pictures of other proportions are fitted.
    value_range_ : dict of str to tuple of two numbers
        The values that become black and white, under "integer" and "float", if deep pictures of `fit` have such.
    mean_ : ndarray of shape (n_channels,)
        Mean per channel, for pixels in [0, 1].
    std_ : ndarray of shape (n_channels,)
        Standard deviation per channel, for pixels in [0, 1]; 1 for a channel that is constant in ``"dataset"``.
    unreadable_rows_ : ndarray of shape (n_unreadable,), dtype int
        Positions of the rows where something could not be read in `fit`; empty under ``on_error="raise"``.

    Notes
    -----
    JPEG files are decoded at the smallest of the scales 1/1, 1/2, 1/4 and 1/8 that is at least ``reducing_gap`` times
    the result's, and other pictures are first reduced by whole factors, so that the time depends little on the size of
    photographs. What remains is scaled with the filter ``interpolation``.

    The attribute ``MAX_IMAGE_PIXELS`` of `PIL.Image` limits the size of pictures that are opened, and with
    ``LOAD_TRUNCATED_IMAGES`` of `PIL.ImageFile` those that are cut off are read as far as they go. Both also hold in
    processes of joblib's loky and of multiprocessing that read for the one in which they were set.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import ImageTransformer
    >>> red = np.zeros((40, 60, 3), dtype=np.uint8)
    >>> red[..., 0] = 255
    >>> transformer = ImageTransformer(size=32)
    >>> pictures = transformer.fit_transform([red, None])
    >>> pictures.shape, pictures.dtype
    ((2, 32, 32, 3), dtype('uint8'))
    >>> pictures[:, 0, 0].tolist()
    [[255, 0, 0], [0, 0, 0]]
    >>> transformer.fit_transform([[red, red], red, []])
    Ragged(uint8[3, 32, 32, 3] in 3 rows)
    """

    decoder_type = PictureDecoder
    spec_type = ImageSpec

    def __init__(
        self,
        size: str | int | tuple[int, int] = "auto",
        *,
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
        lists: bool | str = "auto",
        on_error: str = "raise",
        memory: str | PathLike | Memory | BlockStore | None = None,
        n_jobs: int = -1,
    ):
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

    def make_decoder(self, items: Any) -> PictureDecoder:
        layout = None if self.loader is not None else common_layout(items.cells)
        return PictureDecoder(framing=self.check_framing(), root=self.root, layout=layout)
