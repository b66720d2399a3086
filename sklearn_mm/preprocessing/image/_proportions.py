"""The size of a column's pictures: learnt from their proportions, and what a crop to it cuts off."""

import math

import numpy as np

from sklearn_mm.preprocessing.image._framing import turned_size

__all__ = ["LEAST_KEPT", "kept_by_crop", "learn_size", "log_proportions"]

LEAST_KEPT = 0.5  # share of a picture; a crop that keeps less is warned of where it was asked for, else not made

_SIDE = 64  # of a square
_STEP = 8  # sides are multiples of it, so that encoders can halve and patch them
_SHORTEST = 16  # what halving three times leaves two rows of
_AGREEING = (0.1, 0.9)  # between these quantiles, pictures have the column's proportions
_CROP_KEEPS = (
    0.65  # share of a picture below which it is padded: landscapes and portraits of 3:2, in a square, keep 2/3
)


def log_proportions(sizes, crop, rotate):
    """Return the logarithms of width by height of pictures as they are after cutting and turning.

    Parameters
    ----------
    sizes : numpy.ndarray of shape (n_pictures, 2)
        Widths and heights; zeros where they are not known.
    crop : tuple of int or None
        The box that is cut out.
    rotate : float
        Degrees.

    Returns
    -------
    proportions : numpy.ndarray of shape (n_pictures,)
        The logarithms; NaN where the size is not known.
    """
    width, height = np.where(sizes > 0, sizes, np.nan).T
    if crop is not None:
        width, height = np.where(np.isnan(width), np.nan, crop[2] - crop[0]), float(crop[3] - crop[1])
    return np.log(np.divide(*turned_size(width, height, rotate)))


def learn_size(proportions, size, resize):
    """Return size and way of resizing for a column, with what is "auto" in their place learnt from its pictures.

    Parameters
    ----------
    proportions : numpy.ndarray of shape (n_pictures,)
        Those of `log_proportions`.
    size : tuple of int or "auto"
        Height and width in pixels.
    resize : {"auto", "crop", "pad", "stretch"}
        How pictures of other proportions are fitted.

    Returns
    -------
    size : tuple of int
        Height and width.
    resize : {"crop", "pad", "stretch"}
        The way of fitting.
    """
    finite = proportions[np.isfinite(proportions)]
    if not len(finite):
        finite = np.zeros(1)
    if size == "auto":
        size = _size_of(np.quantile(finite, _AGREEING).mean())
        if not _agree(finite, size):
            size = _size_of(np.median(finite))
    if resize == "auto":
        resize = "crop" if _agree(finite, size) else "pad"
    return size, resize


def kept_by_crop(proportions, size):
    """Return what share of pictures a crop keeps, which is also what share of the result they fill if padded."""
    return np.exp(-np.abs(proportions - math.log(size[1] / size[0])))


def _agree(proportions, size):
    return np.quantile(kept_by_crop(proportions, size), _AGREEING[0]) >= _CROP_KEEPS


def _size_of(proportion):
    """Return height and width of about the area of a square, in steps."""
    longest = _SIDE**2 // _SHORTEST
    half = proportion / 2
    height, width = (
        min(max(_STEP * round(_SIDE * math.exp(power) / _STEP), _SHORTEST), longest) for power in (-half, half)
    )
    return height, width
