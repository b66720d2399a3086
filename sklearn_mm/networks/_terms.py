"""What a linear model sees of a block: for each row, numbered terms and their values."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["make_terms"]

_MOST_BINS = 8  # of each number
_ROWS_PER_BIN = 50  # of training; a step that few rows are on is guessed
_MOST_BINNED = 100  # numbers; of more, as of an embedding, single ones say little


def make_terms(spec, most):
    """Return the terms of a block, at most ``most`` of a text, or None for a kind of block that has none."""
    if spec.kind == "text":
        return TextTerms(spec, most)
    return TabularTerms(spec) if spec.kind == "tabular" else None


class TextTerms(nn.Module):
    """Distinct token ids, weighted by how few training rows have them; each row has length one.

    Repeats do not count: that a word is there says nearly all (Wang, Manning: Baselines and Bigrams. ACL 2012).

    Parameters
    ----------
    spec : TextSpec
        Description of the block.
    most : int
        Number of ids that are looked at, the most frequent ones.
    """

    def __init__(self, spec, most):
        super().__init__()
        self.n_terms = min(spec.vocab_size, most)
        self.register_buffer("rarity", torch.zeros(self.n_terms))

    def start(self, parts):
        """Learn from the training rows, which come in parts (n, length), how rare each token is."""
        n_rows, n_rows_with = 0, 0
        for ids in parts:
            terms, there = self._distinct(ids)
            n_rows += len(ids)
            n_rows_with += torch.bincount(terms[there], minlength=self.n_terms)
        rarity = torch.log((1 + n_rows) / (1 + n_rows_with)) + 1
        self.rarity.copy_(rarity * (n_rows_with > 0))

    def forward(self, ids):
        """Return the terms (batch, length) of each row and their values, 0 where there is none."""
        terms, there = self._distinct(ids)
        return terms, F.normalize(self.rarity[terms] * there, dim=1)

    def _distinct(self, ids):
        ids = ids.long().sort(1).values
        there = (ids > 1) & (ids < self.n_terms)  # 0 is padding and 1 an unknown token
        there[:, 1:] &= ids[:, 1:] != ids[:, :-1]
        return ids.clamp(max=self.n_terms - 1), there


class TabularTerms(nn.Module):
    """Numbers as they are and in steps between their quantiles, and which category a row has.

    With the steps, a linear model is piecewise linear in each number (Gorishniy, Rubachev, Babenko: On Embeddings for
    Numerical Features in Tabular Deep Learning. NeurIPS 2022).

    Parameters
    ----------
    spec : TabularSpec
        Description of the block.
    """

    def __init__(self, spec):
        super().__init__()
        n_bins = _MOST_BINS if spec.n_numbers <= _MOST_BINNED else 0
        n_dense = spec.n_numbers * (1 + n_bins)
        self.n_terms = n_dense + sum(spec.cardinalities)
        self.register_buffer("edges", torch.zeros(n_bins + 1, spec.n_numbers))
        self.register_buffer("dense", torch.arange(n_dense))
        self.register_buffer("first_code", torch.tensor((n_dense, *spec.cardinalities)).cumsum(0)[:-1])

    def start(self, parts):
        """Learn from the training rows, which come in parts, where the quantiles of each number lie."""
        numbers = np.concatenate([x["numbers"].numpy() for x in parts])
        n_bins = min(len(self.edges) - 1, len(numbers) // _ROWS_PER_BIN)
        if n_bins > 0:
            shares = np.minimum(np.arange(len(self.edges)) / n_bins, 1)  # what is left over are bins of no width
            self.edges.copy_(torch.from_numpy(np.quantile(numbers, shares, axis=0)))

    def forward(self, x):
        """Return the terms (batch, n_dense + n_categories) of each row and their values."""
        numbers, codes = x["numbers"].to(self.edges.dtype), x["codes"].long()
        low, width = self.edges[:-1], self.edges.diff(dim=0)
        steps = (numbers.unsqueeze(1) - low) / width.where(width > 0, torch.inf)  # (batch, n_bins, n_numbers)
        terms = torch.cat([self.dense.expand(len(numbers), -1), codes + self.first_code], 1)
        return terms, torch.cat([numbers, steps.clamp(0, 1).flatten(1), torch.ones_like(codes, dtype=numbers.dtype)], 1)
