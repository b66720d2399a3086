"""Recall at k: how often what belongs together is among the k nearest (retrieval)."""

import numpy as np

__all__ = ["mean_recall", "recall_at"]

_LARGEST = 2**24  # similarities at once, 64 MB


def recall_at(queries, items, query_codes, item_codes, ks=(1, 5, 10)):
    """Return the share of queries that have an item of theirs among the ``k`` most similar ones, for each ``k``.

    Row by row, a query and an item belong together. What occurs in several rows, as a picture with five captions does,
    is one query or one item: a query finds if *any* of the items that it has a row with is among the first ``k``, as
    usual for Flickr30k and COCO. Where an item of others is as similar as the own one, it comes first, so that vectors
    that are all the same find nothing.

    Parameters
    ----------
    queries, items : ndarray of shape (n_rows, width)
        Vectors of unit length.
    query_codes, item_codes : ndarray of shape (n_rows,), dtype int
        Equal where the content is.
    ks : tuple of int, default=(1, 5, 10)
        How many nearest ones are looked at.

    Returns
    -------
    recalls : ndarray of shape (n_ks,)
        Shares in [0, 1].
    """
    first_rows, query_of_row = np.unique(query_codes, return_index=True, return_inverse=True)[1:]
    first_items, item_of_row = np.unique(item_codes, return_index=True, return_inverse=True)[1:]
    queries, items = queries[first_rows], items[first_items]
    order = np.argsort(query_of_row, kind="stable")
    starts = np.searchsorted(query_of_row[order], np.arange(len(queries) + 1))
    ranks, size = np.empty(len(queries), dtype=np.int64), max(1, _LARGEST // len(items))
    for start in range(0, len(queries), size):
        chunk = slice(start, min(start + size, len(queries)))
        similarities = queries[chunk] @ items.T  # (n_queries, n_items)
        rows = order[starts[chunk.start] : starts[chunk.stop]]
        own = np.zeros(similarities.shape, dtype=bool)
        own[query_of_row[rows] - start, item_of_row[rows]] = True
        best = np.where(own, similarities, -np.inf).max(1, keepdims=True)
        ranks[chunk] = ((similarities >= best) & ~own).sum(1)
    return np.array([(ranks < k).mean() for k in ks])


def mean_recall(vectors, present, codes, ks=(1, 5, 10)):
    """Return the mean recall over all pairs of blocks, both directions and all ``ks``; NaN if no row has two blocks.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, n_blocks, width)
        Of unit length.
    present : ndarray of shape (n_rows, n_blocks), dtype bool
        Which blocks a row has.
    codes : ndarray of shape (n_rows, n_blocks), dtype int
        Equal where the content of a block is.
    ks : tuple of int, default=(1, 5, 10)
        How many nearest ones are looked at.

    Returns
    -------
    recall : float
        In [0, 1].
    """
    recalls, n_blocks = [], vectors.shape[1]
    for query in range(n_blocks):
        for item in range(n_blocks):
            rows = present[:, query] & present[:, item]
            if query != item and rows.any():
                both = vectors[rows], codes[rows]
                recalls.append(recall_at(both[0][:, query], both[0][:, item], both[1][:, query], both[1][:, item], ks))
    return float(np.mean(recalls)) if recalls else np.nan
