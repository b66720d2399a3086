"""What makes up for hubs, rows that are near to everything: CSLS and the inverted softmax, as a number per row.

Both subtract from the similarity of a query and a row something that only depends on the row and on a bank of queries.
So no query depends on those that come with it, and a number per row is all that there is to keep.
"""

import numpy as np
import torch

from sklearn_mm.retrieval._search import nearest

__all__ = ["hubness_offsets"]

_N_NEIGHBORS = 10  # Conneau et al. (2018)
_TEMPERATURE = 0.05  # docs/decisions/0039-search.md
_N_ROWS = 8192  # at once


def hubness_offsets(vectors, bank, method, own=None):
    """Return what is to be subtracted from the similarities of each row.

    Parameters
    ----------
    vectors : array of shape (n_rows, width)
        The rows that are searched, as of `nearest`.
    bank : ndarray of shape (n_bank, width), dtype float32
        Queries, of unit length.
    method : {"csls", "inverted_softmax"}
        "csls" is half of the mean similarity of a row to its ten nearest queries (cross-domain similarity local
        scaling); "inverted_softmax" the logarithm of the mean of their exponentials.
    own : array of shape (n_bank,), default=None
        Which row of ``vectors`` a query of the bank is itself, so that it is left out there.

    Returns
    -------
    offsets : ndarray of shape (n_rows,), dtype float32
        What is subtracted.
    """
    offsets = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), _N_ROWS):
        rows = np.asarray(vectors[start : start + _N_ROWS], dtype=np.float32)
        here = None if own is None else (own >= start) & (own < start + len(rows))
        offset = _csls if method == "csls" else _inverted_softmax
        offsets[start : start + len(rows)] = offset(rows, bank, here, None if own is None else own - start)
    return offsets


def _csls(rows, bank, here, own):
    finite = np.isfinite(rows).all(1)  # a row of NaN is at no distance of anything
    k = min(_N_NEIGHBORS, len(bank) if own is None else len(bank) - 1)
    means = np.zeros(len(rows), dtype=np.float32)
    if k < 1:
        return means
    if own is None:
        means[finite] = nearest(rows[finite], bank, k)[0].mean(1)
        return means / 2
    similarities, positions = nearest(rows[finite], bank, k + 1)
    itself = own[positions] == np.flatnonzero(finite)[:, np.newaxis]
    itself[~itself.any(1), -1] = True
    means[finite] = similarities[~itself].reshape(-1, k).mean(1)
    return means / 2


def _inverted_softmax(rows, bank, here, own):
    similarities = torch.from_numpy(rows) @ torch.from_numpy(bank).T / _TEMPERATURE  # (n_rows, n_bank)
    n_bank = torch.full((len(rows),), float(len(bank)))
    if own is not None:
        similarities[torch.from_numpy(own[here]), torch.from_numpy(np.flatnonzero(here))] = -torch.inf
        n_bank[torch.from_numpy(own[here])] -= 1
    means = similarities.logsumexp(1) - n_bank.clamp(min=1).log()
    return (_TEMPERATURE * means.nan_to_num(neginf=0)).numpy()
