"""Near-duplicate texts: an exact similarity join of their sets of character n-grams (Jaccard), by prefix filtering."""

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

__all__ = ["similar_texts"]

_N = 4  # characters of an n-gram
_N_COMPARED = 200_000  # pairs that are compared at once


def similar_texts(texts, threshold):
    """Return all pairs of texts whose character n-grams (of four) mostly agree.

    The similarity is Jaccard's, weighted: what two texts share of the n-grams that either has, each as much as it is
    rare (inverse document frequency). Nothing is drawn by lot, and no pair is overlooked.

    Parameters
    ----------
    texts : sequence of str
        Different ones.
    threshold : float in (0, 1]
        Least similarity.

    Returns
    -------
    first, second : ndarray of shape (n_pairs,), dtype int64
        The first is less than the second.
    similarities : ndarray of shape (n_pairs,), dtype float32
        Theirs.

    References
    ----------
    Chaudhuri, Ganti, Kaushik: A Primitive Operator for Similarity Joins in Data Cleaning. ICDE 2006 (prefix filter).
    """
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))]
    if len(texts) > 1:
        sets = _weigh(texts)
        weights = np.asarray(sets.sum(axis=1)).ravel()
        for first, second in _candidates(_prefixes(sets, weights, threshold)):
            lighter, heavier = np.sort([weights[first], weights[second]], axis=0)
            first, second = first[lighter >= threshold * heavier], second[lighter >= threshold * heavier]
            shared = np.asarray(sets[first].minimum(sets[second]).sum(axis=1)).ravel()
            similarities = (shared / (weights[first] + weights[second] - shared)).astype(np.float32)
            kept = similarities >= threshold
            found.append((first[kept], second[kept], similarities[kept]))
    first, second, similarities = map(np.concatenate, zip(*found, strict=True))
    _, kept = np.unique(first * len(texts) + second, return_index=True)  # found once for each n-gram that they share
    return first[kept], second[kept], similarities[kept]


def _weigh(texts):
    """Return the weights of the n-grams of each text; columns go from the rarest to the most frequent."""
    hashing = HashingVectorizer(
        analyzer="char", ngram_range=(_N, _N), lowercase=False, binary=True, norm=None, alternate_sign=False
    )
    sets = hashing.transform(f"\x02 {text} \x03" for text in texts)  # so that the shortest has some, too
    columns, counts = np.unique(sets.indices, return_counts=True)
    order = np.argsort(counts, kind="stable")
    place = np.empty(len(columns), dtype=np.int32)
    place[order] = np.arange(len(columns))
    sets.indices = place[np.searchsorted(columns, sets.indices)]
    weight = np.log((1 + len(texts)) / (1 + counts[order])) + 1
    sets = sparse.csr_matrix((weight[sets.indices], sets.indices, sets.indptr), shape=(len(texts), len(columns)))
    sets.sort_indices()
    return sets


def _prefixes(sets, weights, threshold):
    """Return the rarest n-grams of each text, one of which any text that is similar enough has among its own."""
    rows = np.repeat(np.arange(len(weights)), np.diff(sets.indptr))
    before = np.concatenate([[0], np.cumsum(sets.data)[:-1]])
    before -= before[sets.indptr[:-1]][rows]
    kept = weights[rows] - before >= threshold * weights[rows] * (1 - 1e-9)
    return sets.indices[kept], rows[kept]


def _candidates(prefixes):
    """Yield pairs of rows with a common n-gram among their rarest, each at most once at a time."""
    grams, rows = prefixes
    order = np.lexsort((rows, grams))
    grams, rows = grams[order], rows[order]
    n_later = np.searchsorted(grams, grams, side="right") - np.arange(len(rows)) - 1
    ends = np.cumsum(n_later)
    start = 0
    while start < len(rows):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _N_COMPARED, side="right")))
        counts = n_later[start:stop]
        first = np.repeat(np.arange(start, stop), counts)
        second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
        pairs = np.unique(np.stack([rows[first], rows[second]]), axis=1)
        yield pairs[0], pairs[1]
        start = stop
