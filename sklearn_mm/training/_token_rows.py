"""Tokens of rows of different lengths, without the padding: a ragged array of pages of a few tokens."""

import numpy as np

from sklearn_mm.blocks import Ragged

__all__ = ["TokenRows", "cut_tokens", "lengths_of", "n_pages", "page_type"]

_PAGE_BYTES = 2**13  # about; a store has a record for each, and half a page of each row is padding


def page_type(width):
    """Return the dtype of a page of tokens of a width: 4 to 16 of them, with their mask."""
    n_tokens = int(np.clip(_PAGE_BYTES // (4 * width), 4, 16)) // 4 * 4
    return np.dtype([("tokens", "<f4", (n_tokens, width)), ("mask", "?", (n_tokens,))])


def lengths_of(mask):
    """Return the number of tokens of each row up to the last that is there, int32 (n_rows,)."""
    is_token = mask > 0
    return np.where(is_token.any(1), mask.shape[1] - is_token[:, ::-1].argmax(1), 0).astype(np.int32)


def n_pages(lengths, dtype):
    """Return how many pages rows of so many tokens take."""
    return -(-lengths // dtype["mask"].shape[0])


def cut_tokens(tokens, mask, lengths, dtype):
    """Return the pages of rows of padded tokens.

    Parameters
    ----------
    tokens : array of shape (n_rows, n_tokens, width), dtype float32
        The tokens.
    mask : array of shape (n_rows, n_tokens)
        Which of them are there, above zero.
    lengths : array of shape (n_rows,), dtype int32
        How many of each row to keep.
    dtype : numpy.dtype
        Of a page, from `page_type`.

    Returns
    -------
    pages : Ragged of n_rows rows
        Those of each row.
    """
    length = dtype["mask"].shape[0]
    counts = n_pages(lengths, dtype)
    pages = np.zeros(counts.sum(), dtype=dtype)
    inside = np.arange(max(1, counts.max(initial=0)) * length) < lengths[:, np.newaxis]
    row, place = np.nonzero(inside)
    first = np.cumsum(counts) - counts
    page, step = first[row] + place // length, place % length
    pages["tokens"][page, step] = tokens[row, place]
    pages["mask"][page, step] = mask[row, place] > 0
    return Ragged.from_counts(pages, counts)


class TokenRows:
    """Features of rows with any number of tokens; some of them are padded to the longest when they are read.

    Parameters
    ----------
    pooled : array-like of shape (n_rows,), with a field ``pooled``
        The vector of each row.
    pages : Ragged of n_rows rows
        Its tokens.
    """

    def __init__(self, pooled, pages):
        self.pooled = pooled
        self.pages = pages

    def __len__(self):
        return len(self.pages)

    def __getitem__(self, rows):
        return TokenRows(self.pooled[rows], self.pages[rows])

    def padded(self):
        """Return ``pooled``, ``tokens`` and ``mask`` of all rows, as arrays by name."""
        pages, counts = np.asarray(self.pages.items), self.pages.counts
        n_rows, most = len(self), max(1, counts.max(initial=0))
        length, width = pages.dtype["tokens"].shape
        is_page = np.arange(most) < counts[:, np.newaxis]  # row after row, as the pages come
        tokens = np.zeros((n_rows, most, length, width), dtype=np.float32)
        mask = np.zeros((n_rows, most, length), dtype=bool)
        tokens[is_page], mask[is_page] = pages["tokens"], pages["mask"]
        tokens, mask = tokens.reshape(n_rows, most * length, width), mask.reshape(n_rows, most * length)
        used = np.flatnonzero(mask.any(0))
        longest = used[-1] + 1 if len(used) else 1
        return {
            "pooled": np.asarray(self.pooled)["pooled"],
            "tokens": tokens[:, :longest],
            "mask": mask[:, :longest],
        }
