"""Exact search by inner products, by blocks in bounded memory: nearest neighbours (top-k), and all near pairs."""

import numpy as np
import torch

__all__ = ["nearest", "pairs_above"]

_N_QUERIES = 1024  # that are compared at once
_N_ROWS = (8192, 16384)  # of vectors that are compared at once: at least, and at most, where queries are few
_N_SIMILARITIES = 2**23  # in a block, 32 MB
_GROUP = 32  # similarities of which only the largest is looked at first


def nearest(queries, vectors, n_neighbors, *, allowed=None, offsets=None):
    """Return the vectors that are nearest to each query.

    Parameters
    ----------
    queries : array of shape (n_queries, width), dtype float32 or float16
        Of unit length where similarities are to be cosines, as are ``vectors``.
    vectors : array of shape (n_rows, width), dtype float32 or float16
        Or whatever has a shape and gives arrays of slices of its rows.
    n_neighbors : int
        How many are wanted of each.
    allowed : array of shape (n_rows,), dtype bool, default=None
        The rows that are looked at; the others need not be finite. All by default.
    offsets : array of shape (n_rows,), dtype float32, default=None
        What is subtracted from the similarities of each row before they are ranked.

    Returns
    -------
    similarities : ndarray of shape (n_queries, n_neighbors), dtype float32
        The largest first. Sums are in float32, whatever the vectors are stored in.
    positions : ndarray of shape (n_queries, n_neighbors), dtype int64
        Rows of ``vectors``; among the found ones that are equally near, the first row comes first.
    """
    n_queries, (n_rows, width) = len(queries), vectors.shape
    n_allowed = n_rows if allowed is None else np.count_nonzero(allowed)
    if queries.shape[1:] != (width,):
        raise ValueError(f"Queries have the shape {queries.shape}, and vectors {vectors.shape}: widths must agree.")
    if not 0 < n_neighbors <= n_allowed:
        raise ValueError(f"n_neighbors must be between 1 and {n_allowed}, the number of rows, got {n_neighbors}.")
    similarities = np.empty((n_queries, n_neighbors), dtype=np.float32)
    positions = np.empty((n_queries, n_neighbors), dtype=np.int64)
    with torch.inference_mode():
        for start in range(0, n_queries, _N_QUERIES):
            some = slice(start, start + _N_QUERIES)
            found = _nearest_of_some(_float32(queries[some]), vectors, n_neighbors, allowed, offsets)
            similarities[some], positions[some] = (part.numpy() for part in found)
    if np.isnan(similarities).any():  # which are larger than all numbers to torch, so that none is overlooked
        raise ValueError("Vectors or queries have NaN in them, which are at no distance of anything.")
    return similarities, positions


def _nearest_of_some(queries, vectors, n_neighbors, allowed, offsets):
    best = None
    for start, block, positions in _blocks(vectors, len(queries), allowed):
        similarities = queries @ block.T
        if offsets is not None:
            similarities -= torch.from_numpy(np.ascontiguousarray(offsets[positions], dtype=np.float32))
        values, columns = _top(similarities, n_neighbors)
        rows = columns + start if isinstance(positions, slice) else torch.from_numpy(positions)[columns]
        if best is not None:
            values, rows = torch.cat([best[0], values], 1), torch.cat([best[1], rows], 1)
        best = _largest(values, rows, n_neighbors)
    return best


def _blocks(vectors, n_queries, allowed):
    """Yield the number of the first row of a block, its allowed rows in float32, and their positions."""
    at_once = int(np.clip(_N_SIMILARITIES // max(n_queries, 1), *_N_ROWS))
    for start in range(0, len(vectors), at_once):
        positions = slice(start, min(start + at_once, len(vectors)))
        if allowed is None or allowed[positions].all():
            yield start, _float32(vectors[positions]), positions
            continue
        rows = np.flatnonzero(allowed[positions])
        if len(rows):
            yield start, _float32(vectors[positions][rows]), rows + start


def _float32(array):
    return torch.from_numpy(np.ascontiguousarray(array)).float()


def _top(similarities, k):
    """Return the largest values of each row and their columns, in no order, at most k of them.

    The k largest lie in the k groups with the largest maxima. That leaves little to sort, and maxima are fast.
    """
    n_rows, n_columns = similarities.shape
    n_grouped = n_columns - n_columns % _GROUP
    if n_grouped < 4 * _GROUP * k:
        return similarities.topk(min(k, n_columns), sorted=False)
    groups = similarities[:, :n_grouped].view(n_rows, -1, _GROUP).amax(2).topk(k, sorted=False).indices
    columns = (groups.unsqueeze(2) * _GROUP + torch.arange(_GROUP)).flatten(1)
    rest = torch.arange(n_grouped, n_columns).expand(n_rows, -1)
    columns = torch.cat([columns, rest], 1)
    values, places = similarities.gather(1, columns).topk(k, sorted=False)
    return values, columns.gather(1, places)


def _largest(values, rows, k):
    """Return the k largest values in descending order, and their rows; of equal ones the first row comes first."""
    rows, order = rows.sort(1)
    values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values[:, :k], rows.gather(1, order)[:, :k]


def pairs_above(vectors, threshold):
    """Return all pairs of rows that are at least so similar.

    Parameters
    ----------
    vectors : array of shape (n_rows, width), dtype float32 or float16
        As of `nearest`, of unit length where similarities are to be cosines. A row of NaN is in no pair.
    threshold : float
        Least similarity.

    Returns
    -------
    first, second : ndarray of shape (n_pairs,), dtype int64
        Rows; the first of a pair is less than the second, and pairs are in order.
    similarities : ndarray of shape (n_pairs,), dtype float32
        Theirs.
    """
    pairs = [(np.empty((0, 2), dtype=np.int64), np.empty(0, dtype=np.float32))]
    size, n_rows = _N_ROWS[0] // 4, len(vectors)
    with torch.inference_mode():
        for start in range(0, n_rows, size):
            block = _float32(vectors[start : start + size])
            for other in range(start, n_rows, size):
                similarities = block @ (block if other == start else _float32(vectors[other : other + size])).T
                found = similarities >= threshold
                if other == start:
                    found = found.triu(1)
                places = found.nonzero()
                offset = torch.tensor([start, other])
                pairs.append(((places + offset).numpy(), similarities[places[:, 0], places[:, 1]].numpy()))
    rows, similarities = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    return rows[order, 0], rows[order, 1], similarities[order]
