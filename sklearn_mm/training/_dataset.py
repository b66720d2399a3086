"""Rows of `Blocks` as batches of tensors: one index operation per block and batch."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.utils.data import Dataset

from sklearn_mm.blocks import Blocks, Ragged
from sklearn_mm.storage import SequenceRows
from sklearn_mm.training._prefetch import prefetched
from sklearn_mm.training._token_rows import TokenRows

__all__ = ["Batch", "BatchIterator", "BlockDataset", "cuts", "read_batches"]

_PADDED = 1.5  # times the ids that there are: from there on, rows of like length are put together
_SORTED = 16  # batches that are sorted together


@dataclass(frozen=True, eq=False)
class BlockDataset(Dataset):
    """`Blocks` with their targets and weights, read batch by batch.

    Parameters
    ----------
    blocks : Blocks
        What the network reads.
    target : torch.Tensor of shape (n_rows,) or (n_rows, ...), Ragged or None, default=None
        What the network learns; None for prediction, and where there is none.
    weight : torch.Tensor of shape (n_rows,) or that of ``target``, default=None
        Weight of each element of the loss.
    trim : collection of str, default=()
        Blocks of padded ids (n_rows, length) that are cut to the longest row, or item, of a batch.
    group : collection of str, default=()
        Blocks of padded ids by whose length rows may be put together in training.
    raw : collection of str, default=()
        Blocks that come as they are even if there are features of them.
    base_scores : torch.Tensor of shape (n_rows, ...), default=None
        What the top has of the rows beforehand (base margins); then no block comes beside its features.
    groups : ndarray of shape (n_rows,), dtype int, default=None
        Which rows are left out together where a component fits itself in folds, by number.
    """

    blocks: Blocks
    target: torch.Tensor | Ragged | None = None
    weight: torch.Tensor | None = None
    trim: Collection[str] = ()
    group: Collection[str] = ()
    raw: Collection[str] = ()
    base_scores: torch.Tensor | None = None
    groups: np.ndarray | None = None

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, rows):
        """Return the batch of ``rows`` (a slice or int64 array).

        It is a dict of ``blocks`` (by name: tensors, or a dict of tensors), ``present`` (batch, n_blocks) and, where
        there are any, ``features``, ``base_scores``, ``target`` and ``weight``.
        """
        features = {name: array for name, (_, array) in self.blocks.features.items()}
        encoded = set(features) - (set(self.raw) if self.base_scores is None else set())
        batch = {
            "blocks": {
                name: self._tensors(name, array[rows]) for name, array in self.blocks.items() if name not in encoded
            },
            "present": _tensor(self.blocks.present[rows]),
        }
        if features:
            batch["features"] = {name: self._tensors(name, array[rows]) for name, array in features.items()}
        for key in ("base_scores", "target", "weight"):
            values = getattr(self, key)
            if values is not None:
                batch[key] = self._tensors(key, values[rows]) if isinstance(values, Ragged) else _own(values, rows)
        return batch

    def select(self, names):
        """Return the data set of some blocks, as they are, whose texts are not cut."""
        return BlockDataset(self.blocks.select(names), self.target, self.weight, raw=names, groups=self.groups)

    def lengths(self):
        """Return the number of tokens of each row in the blocks of ``group`` and the target; None if there are none."""
        lengths = self.target.counts if isinstance(self.target, Ragged) else None
        for name in set(self.group) - set(self.blocks.features):
            if not isinstance(self.blocks[name], Ragged):
                array = self.blocks[name]
                own = array.lengths if isinstance(array, SequenceRows) else np.count_nonzero(array, axis=1)
                own = own // self.blocks.specs[name].numbers_per_token
                lengths = own if lengths is None else lengths + own
        return lengths

    def _tensors(self, name, rows):
        if isinstance(rows, Ragged):
            return {"items": self._tensors(name, rows.items), "counts": _tensor(rows.counts)}
        if isinstance(rows, TokenRows):
            return {field: _tensor(array) for field, array in rows.padded().items()}
        rows = np.asarray(rows)  # here, and for this batch only, rows that lie in files are read
        if rows.dtype.names:  # a table, or features: one tensor per field
            return {field: _tensor(rows[field]) for field in rows.dtype.names}
        if name in self.trim:
            used = np.flatnonzero((rows != 0).any(axis=0))
            rows = rows[:, : used[-1] + 1 if len(used) else 1]
        elif self._is_short(name, rows):
            rows = np.pad(rows, ((0, 0), (0, self.blocks.specs[name].shape[0] - rows.shape[1])))
        return _tensor(rows)

    def _is_short(self, name, rows):
        """Return whether rows of a block hold less than its spec says, as padded ones do where all of them are."""
        spec = self.blocks.specs.get(name)
        return spec is not None and spec.padded and rows.ndim == 2 and rows.shape[1] < spec.shape[0]


def _tensor(rows):
    """Return a tensor that shares no memory with the array of all rows, which a module may not change."""
    own = np.ascontiguousarray(rows)
    return torch.from_numpy(own.copy() if own is rows and rows.base is not None else own)


def _own(tensor, rows):
    """Return rows of a tensor, with memory of their own."""
    rows_of = tensor[rows]
    return rows_of.clone() if isinstance(rows, slice) else rows_of


class Batch:
    """Some rows of a `BlockDataset`, read; its length is the number of rows.

    To skorch and its callbacks it looks like a pair: the dict, and target and weight.

    Parameters
    ----------
    dataset : BlockDataset
        Where the rows are.
    rows : slice or int64 array
        Which rows.

    Attributes
    ----------
    data : dict
        What the network and the loss take.
    """

    def __init__(self, dataset, rows):
        self.dataset = dataset
        self.rows = rows
        self.data = dataset[rows]

    def __getitem__(self, place):
        return (self.data, tuple(self.data[key] for key in ("target", "weight") if key in self.data))[place]

    def __len__(self):
        return len(self.data["present"])

    def parts(self, size):
        """Yield batches of at most ``size`` rows (one more where a last row would be alone) that make up this one."""
        spans = cuts(len(self), size)
        if len(spans) == 1:
            yield self
            return
        rows = np.arange(len(self.dataset))[self.rows]
        for span in spans:
            yield Batch(self.dataset, rows[span])


class BatchIterator:
    """Go through a `BlockDataset` in batches, in the order of the rows or in a new random order each time.

    A random order puts rows of like length together where more than a third of what batches are padded to would be
    padding: spans of sixteen batches are sorted, and the batches then come in random order. Where the target are texts,
    batches of short rows have more of them, so that all have about as many tokens.

    Parameters
    ----------
    dataset : BlockDataset
        What to go through.
    batch_size : int
        Rows per batch.
    shuffle : bool, default=False
        Whether to draw a random order from torch's global generator.
    device : str or torch.device, default="cpu"
        Where batches are computed with. They come on a GPU by CUDA, else on the CPU.
    """

    def __init__(self, dataset, batch_size, shuffle=False, device="cpu"):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.device = torch.device(device)
        lengths = dataset.lengths() if shuffle else None
        self._lengths = lengths if lengths is not None and self._wastes(lengths) else None

    def _wastes(self, lengths):
        """Return whether batches in any order would be padding to more than a third."""
        shuffled = np.random.default_rng(0).permutation(lengths)
        spans = [shuffled[span] for span in cuts(len(shuffled), self.batch_size)]
        return sum(span.max() * len(span) for span in spans) > _PADDED * lengths.sum()

    def __len__(self):
        return len(cuts(len(self.dataset), self.batch_size))

    def __iter__(self):
        order = torch.randperm(len(self.dataset)).numpy() if self.shuffle else None
        spans = cuts(len(self.dataset), self.batch_size)
        if self._lengths is not None:
            longer = [order[span] for span in cuts(len(order), _SORTED * self.batch_size)]
            batches = [rows for span in longer for rows in self._cut(self._sorted(span))]
            rows_of_batches = [batches[number] for number in torch.randperm(len(batches)).tolist()]
        else:
            rows_of_batches = spans if order is None else [order[span] for span in spans]
        return read_batches(self.dataset, rows_of_batches, self.device)

    def _cut(self, rows):
        """Return batches of rows in the order of their lengths: as many of each or, of texts to write, as long ones."""
        spans = cuts(len(rows), self.batch_size)
        if not isinstance(self.dataset.target, Ragged):
            return [rows[span] for span in spans]
        costs = np.cumsum(self._lengths[rows] + self._lengths.mean())  # a row has its price, however short it is
        bounds = np.searchsorted(costs, costs[-1] * np.arange(1, len(spans)) / len(spans))
        return np.split(rows, bounds)

    def _sorted(self, rows):
        return rows[np.argsort(self._lengths[rows], kind="stable")]


def read_batches(dataset, rows_of_batches, device, ahead=False):
    """Return an iterator over batches.

    Parameters
    ----------
    dataset : BlockDataset
        Where the rows are.
    rows_of_batches : list
        The rows of each batch.
    device : torch.device
        Where they are computed with. They come on a GPU by CUDA, else on the CPU.
    ahead : bool, default=False
        Whether a thread reads the next batch in any case, and not only for such a GPU.
    """
    read = partial(Batch, dataset)
    if device.type == "cuda" or (ahead and len(rows_of_batches) > 1):
        return prefetched(read, rows_of_batches, device)
    return map(read, rows_of_batches)


def cuts(n_rows, size):
    """Return slices of ``size`` rows; a last row of its own joins those before: batch statistics need two rows."""
    starts = list(range(0, n_rows, size))
    if len(starts) > 1 and size > 1 and n_rows - starts[-1] == 1:
        starts.pop()
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], n_rows], strict=True)]
