"""Rows to train or validate with: what the network reads, and the target in both of its forms."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils import _safe_indexing

from sklearn_mm.blocks import Blocks, Ragged
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.training._dataset import BlockDataset

__all__ = ["Rows", "is_frozen"]


@dataclass
class Rows:
    """Rows with their targets and weights.

    Parameters
    ----------
    blocks : Blocks
        What the network reads.
    y : array-like or None
        Targets as the user gave them, for scorers and callbacks.
    target : ndarray, Ragged or None
        Targets as a `Target` encodes them.
    weight : ndarray of shape (n_rows,)
        Weight of each row.
    has_user_weights : bool
        Whether the weights are the user's.
    groups : ndarray of shape (n_rows,), dtype int, default=None
        Which rows are held out together, by number.
    """

    blocks: Blocks
    y: Any
    target: np.ndarray | Ragged | None
    weight: np.ndarray
    has_user_weights: bool
    groups: np.ndarray | None = None

    def __len__(self):
        return len(self.weight)

    def take(self, rows):
        """Return the rows with these numbers."""
        return Rows(
            self.blocks[rows],
            None if self.y is None else _safe_indexing(self.y, rows),
            None if self.target is None else self.target[rows],
            self.weight[rows],
            self.has_user_weights,
            None if self.groups is None else self.groups[rows],
        )

    def with_views(self):
        """Return the same rows, of which some can be taken without a copy of their pictures."""
        return replace(self, blocks=self.blocks.with_views())

    def in_memory(self, specs, raw=()):
        """Return the same rows, decoded but for blocks that a frozen encoder, which ``specs`` name, reads once.

        Those of ``raw`` somebody else reads too.
        """
        trained = [name for name, spec in specs.items() if not is_frozen(spec)]
        return replace(self, blocks=self.blocks.in_memory({*trained, *raw}))

    @property
    def sample_weight(self):
        """The weights, or None if the user gave none."""
        return self.weight if self.has_user_weights else None

    def dataset(self, target, objective):
        """Return a `BlockDataset` with the targets and element weights that the loss takes.

        Parameters
        ----------
        target : Target
            Knows what elements weigh.
        objective : Objective
            Knows what the loss takes.
        """
        encoded = objective.encode(self.target)
        weight = target.element_weight(self.target, self.weight)
        if isinstance(encoded, np.ndarray):  # of outputs side by side, each has the weight of the row
            weight = np.ascontiguousarray(np.broadcast_to(_with_axes(weight, encoded.ndim), encoded.shape))
            encoded = torch.from_numpy(encoded)
        mean = weight.mean() or 1.0  # a call of partial_fit may have rows of classes without weight alone
        return BlockDataset(
            self.blocks, encoded, torch.from_numpy((weight / mean).astype(np.float32)), groups=self.groups
        )


def is_frozen(spec):
    """Return whether the encoder that a spec names is frozen."""
    is_auto = isinstance(spec.encoder, str) and spec.encoder == "auto"
    return not is_auto and resolve_encoder(spec.encoder, spec.kind).frozen


def _with_axes(array, n_axes):
    return array.reshape(array.shape + (1,) * (n_axes - array.ndim))
