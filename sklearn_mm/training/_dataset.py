"""Rows of `Blocks` as batches of tensors: one index operation per block and batch."""

import numpy as np
import torch
from torch.utils.data import Dataset

from sklearn_mm.preprocessing import Ragged

__all__ = ["BatchIterator", "BlockDataset"]


class BlockDataset(Dataset):
    """`Blocks` with their targets and weights, read batch by batch.

    Parameters
    ----------
    blocks : Blocks
        What the network reads.
    target : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs), default=None
        What the network learns; None for prediction.
    weight : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs), default=None
        Weight of each element of the loss.
    trim : collection of str, default=()
        Blocks of padded ids (n_rows, length) that are cut to the longest row, or item, of a batch.
    """

    def __init__(self, blocks, target=None, weight=None, trim=()):
        self.blocks = blocks
        self.target = target
        self.weight = weight
        self.trim = frozenset(trim)

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, rows):
        """Return the batch of ``rows`` (a slice or int64 array) and its target and weight."""
        batch = {
            "blocks": {name: self._tensors(name, array[rows]) for name, array in self.blocks.items()},
            "present": torch.from_numpy(self.blocks.present[rows]),
        }
        return batch, tuple(part[rows] for part in (self.target, self.weight) if part is not None)

    def _tensors(self, name, rows):
        if isinstance(rows, Ragged):
            return {"items": self._tensors(name, rows.items), "counts": torch.from_numpy(rows.counts)}
        if rows.dtype.names:  # a table: one tensor per field
            return {field: torch.from_numpy(np.ascontiguousarray(rows[field])) for field in rows.dtype.names}
        if name in self.trim:
            used = np.flatnonzero((rows != 0).any(axis=0))
            rows = rows[:, : used[-1] + 1 if len(used) else 1]
        return torch.from_numpy(np.ascontiguousarray(rows))


class BatchIterator:
    """Go through a `BlockDataset` in batches, in the order of the rows or in a new random order each time.

    A last batch of one row joins the batch before: batch statistics need two rows.

    Parameters
    ----------
    dataset : BlockDataset
        What to go through.
    batch_size : int
        Rows per batch.
    shuffle : bool, default=False
        Whether to draw a random order from torch's global generator.
    """

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self):
        n_rows = len(self.dataset)
        n_batches = -(-n_rows // self.batch_size)
        return n_batches - (n_batches > 1 and self.batch_size > 1 and n_rows % self.batch_size == 1)

    def __iter__(self):
        n_rows = len(self.dataset)
        order = torch.randperm(n_rows).numpy() if self.shuffle else None
        starts = range(0, len(self) * self.batch_size, self.batch_size)
        for start in starts:
            stop = n_rows if start == starts[-1] else start + self.batch_size
            yield self.dataset[slice(start, stop) if order is None else order[start:stop]]
