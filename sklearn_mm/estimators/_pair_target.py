"""What tells joint spaces which rows belong together: equal content of cells, and labels."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklearn_mm.blocks import Ragged
from sklearn_mm.estimators._targets import Target
from sklearn_mm.storage._content_keys import hash_contents, hash_rows

__all__ = ["PairTarget", "content_codes"]


class PairTarget(Target):
    """Labels or groups of rows, or none; rows of one label belong together. A missing label is one of its own."""

    needed = False

    def fit(self, y: Any) -> Any:
        return self.encode(y, "y")

    def encode(self, y: Any, name: str = "y_val", complete: bool = False) -> Any:
        if y is None:
            return None
        y = column_or_1d(y, warn=True)
        check_classification_targets(y[~pd.isna(y)])
        codes = pd.factorize(y)[0].astype(np.int64)
        return _with_own_codes(codes, codes >= 0)

    def groups(self, encoded: np.ndarray) -> np.ndarray:
        """Return which rows share content, by any block: the one of most different cells first.

        A block by which more than half of the rows would be one group, such as one of three colours, is left out.
        """
        n_rows, blocks = len(encoded), encoded[:, :-1].T
        groups = np.arange(n_rows)
        for codes in sorted(blocks, key=lambda codes: -len(np.unique(codes))):
            joined = _connected(groups, np.unique(codes, return_inverse=True)[1])
            if np.bincount(joined).max() <= n_rows / 2:
                groups = joined
        return groups


def content_codes(blocks):
    """Return numbers (n_rows, n_blocks), int64, that are equal where cells of a block hold the same; none is missing.

    Parameters
    ----------
    blocks : Blocks
        The rows. A cell that a row lacks is unlike all others.
    """
    codes = [
        _with_own_codes(np.unique(_keys(blocks, column, array), return_inverse=True)[1], blocks.present[:, column])
        for column, array in enumerate(blocks.values())
    ]
    return np.stack(codes, 1)


def _keys(blocks, column, array):
    if blocks.content_keys is not None:
        return blocks.content_keys[:, column]
    if not isinstance(array, Ragged):
        return hash_rows(array)
    keys = hash_rows(array.items)
    bounds = zip(array.offsets[:-1], array.offsets[1:], strict=True)
    return hash_contents((keys[start:stop].tobytes(),) for start, stop in bounds)


def _with_own_codes(codes, is_known):
    """Return codes of which those that are not known differ from all others."""
    return np.where(is_known, codes, -1 - np.arange(len(codes)))


def _connected(first, second):
    """Return the number of the component of each row, where rows are linked by two numberings."""
    n_first = first.max() + 1
    size = n_first + second.max() + 1
    links = coo_array((np.ones(len(first), dtype=bool), (first, n_first + second)), shape=(size, size))
    return connected_components(links, directed=False)[1][first]
