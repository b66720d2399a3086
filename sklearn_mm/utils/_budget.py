"""Rows in batches of about equal cost: by a budget of tokens, or of numbers."""

import math

import numpy as np
import torch

__all__ = ["batches_by_length", "rows_at_once", "size_of"]

# Of a batch, on a GPU and on a CPU, whose caches then hold what layers make of it; decision 32 has the figures.
_TOKENS = 2**15, 2**9
_NUMBERS = 2**26, 5 * 2**17  # 445 and 4 pictures of 224 pixels
_ROWS = 2**12, 2**10  # at most: layers may make much of rows that are small


def batches_by_length(lengths, device):
    """Return which rows to compute together (bucketing): of like length, so that next to nothing is padding.

    Where enough rows have one length, a batch has no others.

    Parameters
    ----------
    lengths : array of shape (n_rows,), dtype int
        Tokens of each row.
    device : str or torch.device
        What computes.

    Returns
    -------
    batches : list of int64 array
        Places of the rows of each batch, those of the longest first: if memory does not suffice, it shows at once.
    """
    order = np.argsort(-lengths, kind="stable")
    falling = -lengths[order]
    batches, start = [], 0
    while start < len(order):
        most = rows_at_once(-falling[start], device, are_tokens=True)
        stop = min(start + most, len(order))
        last_of_its_length = np.searchsorted(falling, falling[start], side="right")
        if start + most // 2 <= last_of_its_length < stop:
            stop = last_of_its_length
        batches.append(order[start:stop])
        start = stop
    return batches


def rows_at_once(size, device, are_tokens):
    """Return how many rows of so many tokens, or other numbers, are computed together at most."""
    on_cpu = torch.device(device).type == "cpu"
    budgets = _TOKENS if are_tokens else _NUMBERS
    return int(np.clip(budgets[on_cpu] // max(size, 1), 1, _ROWS[on_cpu]))


def size_of(rows):
    """Return how many numbers a row of an array has, or of what may be read as one."""
    return math.prod(rows.shape[1:]) * (rows.dtype.itemsize // 4 if rows.dtype.names else 1)
