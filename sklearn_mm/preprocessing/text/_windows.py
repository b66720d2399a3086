"""Which ids of a text become rows: the first ones (truncation), or all of them in windows that overlap (chunking)."""

import numpy as np

from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.preprocessing.text._padding import pad

__all__ = ["Windows"]

_OVERLAP = 4  # a window shares a part of this of its ids with the next


class Windows:
    """How texts of any length become rows of at most so many ids.

    Parameters
    ----------
    max_length : int
        Ids of a row, those around each text included.
    frame : pair of arrays of int
        Ids before and after what is of a text, in each row.
    chunk : bool
        Whether the rest of a text that is too long becomes further rows. Then the rows of texts are a `Ragged`.
    full : bool
        Whether arrays are always ``max_length`` wide, and not as wide as their longest row.
    """

    def __init__(self, max_length, frame, chunk, full):
        self.max_length = max_length
        self.frame = frame
        self.chunk = chunk
        self.full = full
        self.room = max_length - sum(map(len, frame))
        if self.room < 1:
            raise ValueError(
                f"TextTransformer has no room for a text in max_length={max_length} tokens, because its tokenizer adds "
                f"{sum(map(len, frame))} special ones to each. Take a larger max_length."
            )

    def rows(self, flat, lengths, items, present):
        """Return the rows of the texts among some items, and which of the rows of the column have one.

        Parameters
        ----------
        flat : numpy.ndarray of int32
            The ids of all texts, one after the other.
        lengths : numpy.ndarray of shape (n_texts,), dtype int64
            The number of ids of each.
        items : Items
            What was read.
        present : numpy.ndarray of shape (n_items,), dtype bool
            Which items are texts.
        """
        texts, firsts = self._spans(lengths)
        spans = (np.cumsum(lengths) - lengths)[texts] + firsts, np.minimum(lengths, self.room)[texts]
        length = self.max_length if self.full else self.max_length - self.room + spans[1].max(initial=1)
        if not self.chunk:
            ids = pad(flat, *spans, np.flatnonzero(present), (len(present), length), self.frame)
            return items.gather(ids, present)
        ids = pad(flat, *spans, np.arange(len(texts)), (len(texts), length), self.frame)
        row_of = np.arange(items.n_rows) if items.rows is None else items.rows
        counts = np.bincount(row_of[present][texts], minlength=items.n_rows)
        return Ragged.from_counts(ids, counts), counts > 0

    def _spans(self, lengths):
        """Return the number of the text of each row, and how many of its ids come before the row."""
        if not self.chunk:
            return np.arange(len(lengths)), np.zeros(len(lengths), dtype=np.int64)
        step = max(1, self.room - self.room // _OVERLAP)
        rest = np.maximum(lengths - self.room, 0)
        counts = 1 + -(-rest // step)
        texts = np.repeat(np.arange(len(lengths)), counts)
        numbers = np.arange(len(texts)) - np.repeat(np.cumsum(counts) - counts, counts)
        return texts, np.minimum(numbers * step, rest[texts])  # the last window ends where the text does
