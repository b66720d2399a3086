"""Groups of rows that share content, which a split had better not tear apart."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["groups_of_equals"]


def groups_of_equals(codes):
    """Return the number of the group of each row, (n_rows,): rows that share the content of a block are in one.

    A block by which more than half of the rows would be one group, such as one of three colours, is left out; those of
    most different cells come first.

    Parameters
    ----------
    codes : ndarray of shape (n_rows, n_blocks), dtype int
        Equal where the content of a block is.
    """
    groups = np.arange(len(codes))
    for of_block in sorted(codes.T, key=lambda of_block: -len(np.unique(of_block))):
        joined = _joined(groups, np.unique(of_block, return_inverse=True)[1])
        if np.bincount(joined).max() <= len(codes) / 2:
            groups = joined
    return groups


def _joined(first, second):
    """Return the number of the component of each row, where rows are linked by two numberings."""
    n_first = first.max() + 1
    size = n_first + second.max() + 1
    links = coo_array((np.ones(len(first), dtype=bool), (first, n_first + second)), shape=(size, size))
    return connected_components(links, directed=False)[1][first]
