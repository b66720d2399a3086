"""Rows of ids of one length: how long they are, and padding to it."""

import numpy as np

from sklearn_mm.preprocessing.text._vocabulary import PADDING, UNKNOWN

__all__ = ["NO_FRAME", "auto_length", "pad"]

NO_FRAME = (np.empty(0, dtype=np.int32),) * 2  # what is put before and after each text

_LONGEST_AUTO = {"char": 2048, "ngram": 4096}  # ids per text; a word is several characters or n-grams
_LONGEST_AUTO_OTHERS = 512


def auto_length(lengths, kind):
    """Return the number of ids per row for texts of these lengths, as ``max_length="auto"`` of `TextTransformer`."""
    longest, most = int(lengths.max()), int(np.ceil(np.quantile(lengths, 0.99)))
    length = longest if longest <= 2 * most else most
    return max(1, min(length, _LONGEST_AUTO.get(kind, _LONGEST_AUTO_OTHERS)))


def pad(flat, starts, lengths, rows, shape, frame):
    """Put spans of ids into rows of one length; a row without ids becomes one unknown token.

    Parameters
    ----------
    flat : numpy.ndarray of int32
        Ids.
    starts, lengths : numpy.ndarray of shape (n_spans,), dtype int64
        Where in ``flat`` a span begins, and its number of ids.
    rows : numpy.ndarray of shape (n_spans,), dtype int64
        Where to put it. The other rows are zeros.
    shape : tuple (n_rows, length)
        Of the result.
    frame : pair of arrays of int
        Ids before and after each span.

    Returns
    -------
    ids : numpy.ndarray of ``shape``, dtype int32
        Rows that end in padding.
    """
    ids = np.full(shape, PADDING, dtype=np.int32)
    prefix, suffix = frame
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ids[np.repeat(rows, lengths), len(prefix) + places] = flat[np.repeat(starts, lengths) + places]
    for place, token in enumerate(prefix):
        ids[rows, place] = token
    for place, token in enumerate(suffix, start=len(prefix)):
        ids[rows, lengths + place] = token
    if not len(prefix) + len(suffix):
        ids[rows[lengths == 0], 0] = UNKNOWN
    return ids
