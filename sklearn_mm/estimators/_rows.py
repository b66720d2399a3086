"""Rows to train or validate with: what the network reads, and the target in both of its forms."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sklearn_mm.blocks import Blocks

__all__ = ["Rows"]


@dataclass
class Rows:
    """Rows with their targets and weights.

    Parameters
    ----------
    blocks : Blocks
        What the network reads.
    y : array-like
        Targets as the user gave them, for scorers and callbacks.
    target : ndarray
        Targets as the estimator encodes them.
    weight : ndarray of shape (n_rows,)
        Weight of each row.
    weighted : bool
        Whether the weights are the user's.
    """

    blocks: Blocks
    y: Any
    target: np.ndarray
    weight: np.ndarray
    weighted: bool

    def take(self, rows):
        """Return the rows with these numbers."""
        return Rows(
            self.blocks[rows], _safe_indexing(self.y, rows), self.target[rows], self.weight[rows], self.weighted
        )

    def with_views(self):
        """Return the same rows, of which some can be taken without a copy of their pictures."""
        return replace(self, blocks=self.blocks.with_views())

    @property
    def sample_weight(self):
        """The weights, or None if the user gave none."""
        return self.weight if self.weighted else None
