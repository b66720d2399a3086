"""The linear model of one block: its basis expansion, and a weight for each term and score."""

from collections import deque
from typing import NamedTuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from scipy import sparse

from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.networks.wide._image_basis import ImageBasis
from sklearn_mm.networks.wide._kernel_basis import KernelBasis
from sklearn_mm.networks.wide._sound_basis import SoundBasis
from sklearn_mm.networks.wide._tabular_basis import TabularBasis
from sklearn_mm.networks.wide._text_basis import TextBasis

__all__ = ["CHUNK", "BlockModel", "batches", "has_model", "is_frozen"]

_BASES = {"ids": TextBasis, "columns": TabularBasis, "pixels": ImageBasis, "sound": SoundBasis}
CHUNK = 64  # rows whose terms are made at once; of large pictures more would take more memory than all else


def has_model(spec):
    """Return whether a linear model sees a block as it is: texts, tables, pictures and sound, whatever encodes them."""
    return spec.linear_terms in _BASES


def is_frozen(spec):
    """Return whether a linear model sees what the encoder of a block says, which training leaves as it is."""
    is_auto = isinstance(spec.encoder, str) and spec.encoder == "auto"
    return not is_auto and resolve_encoder(spec.encoder, spec.kind).frozen


class BlockModel(nn.Module):
    """The linear model of one block, whose weights are zero until somebody fits them.

    Parameters
    ----------
    spec : BlockSpec
        Description of a block that `has_model`.
    max_terms : int
        Number of terms that a text may have.
    n_scores : int
        Number of scores that are given to a row.
    n_likened : int, default=0
        To how many training rows others are likened, if they are pictures.
    """

    def __init__(self, spec, max_terms, n_scores, n_likened=0):
        super().__init__()
        self.basis = _BASES[spec.linear_terms](spec, max_terms)
        if n_likened and spec.linear_terms == "pixels":
            self.basis = KernelBasis(self.basis, n_likened)
        self.register_buffer("weight", torch.zeros(self.basis.n_terms, n_scores))

    def forward(self, x):
        """Map rows of a block to scores (batch, n_scores); of rows of several items to the mean over these."""
        items, counts = _items(x)
        terms, values = self.basis(items)
        # not by "@", which is less precise under autocast than what was fitted
        scores = F.embedding_bag(terms, self.weight, per_sample_weights=values.to(self.weight.dtype), mode="sum")
        if counts is None:
            return scores
        rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        means = scores.new_zeros(len(counts), scores.shape[1]).index_add(0, rows, scores)
        return means / counts.clamp(min=1).unsqueeze(1)

    def fit_design(self, dataset, name):
        """Fit the basis to the rows of a block that have it, and return what `design` does.

        What has to be computed of a row before the basis is fitted is computed once, and held as long.
        """
        chunks = deque(self._chunks(dataset, name))
        self.basis.fit(chunk.of_present() for chunk in chunks)
        return self._stacked(chunks.popleft() for _ in range(len(chunks)))

    def design(self, dataset, name):
        """Return all rows of a block as a matrix (n_rows, n_terms), which `forward` multiplies by the weights.

        It is sparse unless each row has all terms. Rows that lack the block are zero.
        """
        return self._stacked(self._chunks(dataset, name))

    def _chunks(self, dataset, name):
        for batch in batches(dataset.select([name])):
            items, counts = _items(batch["blocks"][name])
            yield _Chunk(self.basis.raw(items), counts, batch["present"][:, 0])

    def _stacked(self, chunks):
        rows = [self._rows(chunk) for chunk in chunks]
        return np.concatenate(rows) if self.basis.dense else sparse.vstack(rows, format="csr")

    def _rows(self, chunk):
        terms, values = self.basis.expand(chunk.raw)
        if self.basis.dense:
            matrix = values.numpy()
        else:
            starts = np.arange(len(terms) + 1) * terms.shape[1]
            shape = len(terms), self.basis.n_terms
            matrix = sparse.csr_array((values.numpy().ravel(), terms.numpy().ravel(), starts), shape=shape)
            matrix.eliminate_zeros()
        if chunk.counts is not None:
            matrix = _mean_over_items(chunk.counts.numpy(), matrix.dtype) @ matrix
        matrix = sparse.diags_array(chunk.present.numpy().astype(matrix.dtype)) @ matrix
        if sparse.issparse(matrix):
            matrix.sort_indices()  # rows that are equal then have equal sums
        return matrix


class _Chunk(NamedTuple):
    """Some rows of a block: what a basis makes of their items, how many items each has, and which have the block."""

    raw: object
    counts: torch.Tensor | None  # None where each row is one item
    present: torch.Tensor

    def of_present(self):
        """Return what a basis is fitted to."""
        is_one_tensor = self.counts is None and torch.is_tensor(self.raw)
        return self.raw[self.present] if is_one_tensor else self.raw


def batches(dataset):
    """Yield the rows of a ``BlockDataset`` as batches."""
    for start in range(0, len(dataset), CHUNK):
        yield dataset[slice(start, start + CHUNK)]


def _items(x):
    """Return the items of rows, and how many each has, or None where each row is one item."""
    return (x["items"], x["counts"]) if isinstance(x, dict) and "items" in x else (x, None)


def _mean_over_items(counts, dtype):
    """Return the matrix (n_rows, n_items) that makes of items the means of the rows which they belong to."""
    ends = np.concatenate([[0], counts.cumsum()])
    weights = np.repeat(1 / np.maximum(counts, 1), counts).astype(dtype)
    return sparse.csr_array((weights, np.arange(len(weights)), ends), shape=(len(counts), len(weights)))
