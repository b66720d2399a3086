"""Table rows in a linear model: piecewise linear encoding of numbers, one-hot encoding of categories."""

import numpy as np
import torch

from sklearn_mm.networks.wide._basis_expansion import BasisExpansion

__all__ = ["TabularBasis"]

_MAX_BINS = 8  # of each number
_ROWS_PER_BIN = 50  # of training; a step that few rows are on is guessed
_MAX_BINNED = 100  # numbers; of more, as of an embedding, single ones say little


class TabularBasis(BasisExpansion):
    """Numbers as they are and in steps between their quantiles, and which category a row has.

    With the steps, a linear model is piecewise linear in each number (Gorishniy, Rubachev, Babenko: On Embeddings for
    Numerical Features in Tabular Deep Learning. NeurIPS 2022).

    Parameters
    ----------
    spec : TabularSpec
        Description of the block.
    max_terms : int
        Not looked at: tables have few terms.
    """

    def __init__(self, spec, max_terms):
        super().__init__()
        n_bins = _MAX_BINS if spec.n_numbers <= _MAX_BINNED else 0
        n_numeric = spec.n_numbers * (1 + n_bins)
        self.n_terms = n_numeric + sum(spec.cardinalities)
        self.register_buffer("edges", torch.zeros(n_bins + 1, spec.n_numbers))
        self.register_buffer("numeric_terms", torch.arange(n_numeric))
        self.register_buffer("first_code", torch.tensor((n_numeric, *spec.cardinalities)).cumsum(0)[:-1])

    def fit(self, chunks):
        """Learn from the training rows where the quantiles of each number lie."""
        numbers = np.concatenate([x["numbers"].numpy() for x in chunks])
        n_bins = min(len(self.edges) - 1, len(numbers) // _ROWS_PER_BIN)
        if n_bins > 0:
            quantiles = np.minimum(np.arange(len(self.edges)) / n_bins, 1)  # what is left over are bins of no width
            self.edges.copy_(torch.from_numpy(np.quantile(numbers, quantiles, axis=0)))

    def expand(self, x):
        """Return the terms (batch, n_numeric + n_categories) of each row and their values."""
        numbers, codes = x["numbers"].to(self.edges.dtype), x["codes"].long()
        low, width = self.edges[:-1], self.edges.diff(dim=0)
        steps = (numbers.unsqueeze(1) - low) / width.where(width > 0, torch.inf)  # (batch, n_bins, n_numbers)
        one_hot = torch.ones_like(codes, dtype=numbers.dtype)
        terms = torch.cat([self.numeric_terms.expand(len(numbers), -1), codes + self.first_code], 1)
        return terms, torch.cat([numbers, steps.clamp(0, 1).flatten(1), one_hot], 1)
