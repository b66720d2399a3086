"""What tells joint spaces which rows belong together: equal content of cells, and labels."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklearn_mm.blocks import Ragged
from sklearn_mm.estimators._targets import Target
from sklearn_mm.retrieval._groups import groups_of_equals
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
        """Return which rows share content; those without two blocks tell nothing where they are held out."""
        codes = encoded[:, :-1]
        return np.where(np.count_nonzero(codes >= 0, axis=1) > 1, groups_of_equals(codes), -1)


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
