"""Pictures of more than 8 bits, and of floats: which values become black and white."""

import math

import numpy as np

from sklearn_mm.preprocessing.media._unreadable import UnreadableError

__all__ = [
    "FEW_LEVELS",
    "FLOAT",
    "INTEGER",
    "SHALLOW",
    "count_levels",
    "learn_range",
    "value_kind",
    "value_statistics",
    "values_to_uint8",
]

SHALLOW, INTEGER, FLOAT = 0, 1, 2  # kinds of values; the first are those that need no range

_ROUNDING = 1e-3  # by how much floats may leave [0, 1], as they do after resizing; less than half a step of 8 bits
_OUTLIERS = 0.001  # share of a picture's values, at each end, that may be outliers; of pictures, it is ten times this
_STRETCH = 1.5  # by how many times the span of the others an outlier may widen the range, at each end
_N_SAMPLED = 2**16  # values of a picture that its quantiles are computed from
FEW_LEVELS = 32  # of 256: fewer are a small part of the range


def value_kind(mode_or_dtype):
    """Return which kind of values pictures of one of Pillow's modes, or arrays of a type, have.

    Parameters
    ----------
    mode_or_dtype : str or numpy.dtype
        The mode, or the type.

    Returns
    -------
    kind : int
        ``INTEGER``, ``FLOAT``, or ``SHALLOW`` for at most 8 bits and for types that no picture has.
    """
    if isinstance(mode_or_dtype, str):
        return FLOAT if mode_or_dtype == "F" else INTEGER if mode_or_dtype.startswith("I") else SHALLOW
    if mode_or_dtype.kind == "f":
        return FLOAT
    return INTEGER if mode_or_dtype.kind in "iu" and mode_or_dtype != np.uint8 else SHALLOW


def values_to_uint8(array, value_range):
    """Return deep values as 0 to 255.

    Parameters
    ----------
    array : numpy.ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Integers or floats; the fourth channel is opacity.
    value_range : tuple of two floats, or None
        The values that become 0 and 255; what lies beyond is clipped. None stands for what is assumed without one: 0
        and 65535 for integers, which must then have 16 bits or be of Pillow's mode "I", and 0 and 1 for floats.

    Returns
    -------
    levels : numpy.ndarray of the same shape, dtype uint8
        The values, rounded.
    """
    is_float = array.dtype.kind == "f"
    if is_float and np.isnan(array).any():
        raise UnreadableError("floats must lie in [0, 1] or in value_range, got NaN; put a number in its place")
    if value_range is None:
        value_range = _assumed_range(array)
    levels = _scale(array, *value_range)
    if array.ndim == 3 and array.shape[2] == 4:
        opacity = array[:, :, 3]
        ends_at_1 = is_float and opacity.max() <= 1 + _ROUNDING  # whatever the colours do
        levels[:, :, 3] = _scale(opacity, 0, 1 if ends_at_1 else max(1, value_range[1]))
    return levels


def _assumed_range(array):
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise UnreadableError(
                f"floats must lie in [0, 1], got values from {low:g} to {high:g}; divide by the largest possible "
                f"value, or pass value_range=(low, high), which fit found no such floats to learn from"
            )
        return 0, 1
    # Some versions of Pillow open 16-bit files in the 32-bit mode.
    if array.dtype.newbyteorder("=") not in (np.uint16, np.int32) or low < 0 or high > 65535:
        raise UnreadableError(
            f"holds integers from {low} to {high} ({array.dtype}), of which no range is known, as fit saw none; pass "
            f"value_range=(low, high), the values that are black and white, or convert it, for example with "
            f"astype(np.uint8)"
        )
    return 0, 65535


def _scale(array, low, high):
    values = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    values -= low
    values *= 255  # of 16 bits, still exact
    values /= high - low
    values += 0.5
    return np.clip(values, 0, 255, out=values).astype(np.uint8)


def value_statistics(array):
    """Return least value, where the lowest and the highest thousandth end, and largest value.

    Parameters
    ----------
    array : numpy.ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Integers or floats; a fourth channel, which is opacity, is left out.

    Returns
    -------
    statistics : numpy.ndarray of shape (4,), dtype float64
        The four values; NaN where one of the array's is NaN.
    """
    if array.ndim == 3 and array.shape[2] == 4:
        array = array[:, :, :3]
    values = array.ravel()
    sampled = values[:: max(1, len(values) // _N_SAMPLED)]
    inner = np.quantile(sampled.astype(np.float64), [_OUTLIERS, 1 - _OUTLIERS])
    return np.array([values.min(), *inner, values.max()], dtype=np.float64)


def learn_range(statistics, kind):
    """Return the values that become black and white in a column, or None for those that are assumed anyway.

    Parameters
    ----------
    statistics : numpy.ndarray of shape (n_pictures, 4)
        Those of `value_statistics`, of the column's pictures of this kind.
    kind : int
        ``INTEGER`` or ``FLOAT``.

    Returns
    -------
    value_range : tuple of two numbers, or None
        The smallest and the largest value, where outliers do not reach too far, on a grid of a sixteenth to an eighth
        of what lies between them, so that folds of a column mostly agree. None for floats in [0, 1], and for nothing.
    """
    statistics = statistics[np.isfinite(statistics).all(axis=1)]
    if not len(statistics):
        return None
    low, high = statistics[:, 0].min(), statistics[:, 3].max()
    if kind == FLOAT and low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return None
    whole = kind == INTEGER or (low.is_integer() and high.is_integer())  # floats may be integers of a few bits, too
    inner_low = np.quantile(statistics[:, 1], 10 * _OUTLIERS)
    inner_high = np.quantile(statistics[:, 2], 1 - 10 * _OUTLIERS)
    if inner_high > inner_low:
        reach = _STRETCH * (inner_high - inner_low)
        low, high = max(low, inner_low - reach), min(high, inner_high + reach)
    if 0 <= low <= high - low:  # black stays black where that costs no more than one bit
        low = 0.0
    if low == high:
        return (0, 65535) if kind == INTEGER and 0 <= low <= 65535 else (float(low), float(low) + 1)
    return _on_grid(low, high, whole)


def _on_grid(low, high, whole):
    n_bits = math.ceil(math.log2(high - low + whole))
    if whole:
        step = 2 ** max(0, n_bits - 4)
        return math.floor(low) // step * step, (math.floor(high) // step + 1) * step - 1
    step = 2.0 ** (n_bits - 4)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def count_levels(pictures, fill):
    """Return how far apart the levels of nearly all pixels lie.

    Parameters
    ----------
    pictures : iterable of numpy.ndarray of shape (n, height, width, channels), dtype uint8
        Pictures, in parts.
    fill : tuple of int, or int
        The colour of padding, which does not count.

    Returns
    -------
    n_levels : int
        From 1 to 256, or 0 where there is no pixel.
    """
    counts = np.zeros(256, dtype=np.int64)
    for batch in pictures:
        inside = (batch != np.uint8(fill)).any(axis=-1)
        counts += np.bincount(batch[inside].ravel(), minlength=256)
    if not counts.any():
        return 0
    first, last = np.searchsorted(counts.cumsum() / counts.sum(), [_OUTLIERS, 1 - _OUTLIERS])
    return int(last - first) + 1
