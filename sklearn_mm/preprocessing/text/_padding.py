"""Rows of ids of one length: how long they are, and padding and truncation to it."""

import numpy as np

from sklearn_mm.preprocessing.text._vocabulary import PADDING, UNKNOWN

__all__ = ["auto_length", "pad"]

_LONGEST_AUTO = {"char": 2048, "ngram": 4096}  # ids per text; a word is several characters or n-grams
_LONGEST_AUTO_OTHERS = 512


def auto_length(lengths, kind):
    """Return the number of ids per row for texts of these lengths, as ``max_length="auto"`` of `TextTransformer`."""
    longest, most = int(lengths.max()), int(np.ceil(np.quantile(lengths, 0.99)))
    length = longest if longest <= 2 * most else most
    return max(1, min(length, _LONGEST_AUTO.get(kind, _LONGEST_AUTO_OTHERS)))


def pad(flat, lengths, present, max_length):
    """Put the ids of the texts that are there into rows of one length; a text without ids becomes one unknown token."""
    ids = np.full((len(present), max_length), PADDING, dtype=np.int32)
    rows = np.flatnonzero(present)
    kept = np.minimum(lengths, max_length)
    places = np.arange(kept.sum()) - np.repeat(np.cumsum(kept) - kept, kept)
    starts = np.cumsum(lengths) - lengths
    ids[np.repeat(rows, kept), places] = flat[np.repeat(starts, kept) + places]
    ids[rows[lengths == 0], 0] = UNKNOWN
    return ids
