"""Which frames of a clip are read: those on screen at evenly spaced times."""

import numpy as np

__all__ = ["choose_frames"]

_ROUNDING = 1e-6  # seconds by which times may be off, as multiples of 1 / 30 are


def choose_frames(starts, end, n_frames, fps=None, max_seconds=None):
    """Return the numbers of the frames that are on screen at evenly spaced times.

    Parameters
    ----------
    starts : numpy.ndarray of shape (n,), dtype float64
        When each frame of the clip comes on screen, in seconds, ascending.
    end : float
        When the last one leaves it.
    n_frames : int
        How many to choose. Of shorter clips frames come several times, one after the other.
    fps : float or None, default=None
        How many per second, from the first frame on; the last one stands still where the clip is over before. None
        spreads them over the clip: each is the one in the middle of as many equal stretches.
    max_seconds : float or None, default=None
        The part of the clip, from its start, that is looked at.

    Returns
    -------
    numbers : numpy.ndarray of shape (n_frames,), dtype int64
        Ascending.
    """
    if max_seconds is not None:
        end = min(end, starts[0] + max_seconds)
    if fps is None:
        times = starts[0] + (np.arange(n_frames) + 0.5) * (end - starts[0]) / n_frames
    else:
        times = starts[0] + np.arange(n_frames) / fps
    last = max(0, np.searchsorted(starts, end - _ROUNDING) - 1)
    return np.clip(np.searchsorted(starts, times + _ROUNDING, side="right") - 1, 0, last)
