"""Numbers as shares of the bins that they have passed, so that a linear layer can bend and jump."""

import numpy as np
import torch
import torch.nn as nn

__all__ = ["PiecewiseLinear"]

_N_SAMPLED = 50_000  # rows; quantiles of more are the same
_NARROWEST = 1e-6  # bin, in units of scaled numbers


class PiecewiseLinear(nn.Module):
    """Split the range of each number into bins, and say of each bin how much of it lies below the number.

    The piecewise-linear encoding of Gorishniy et al. (2022): bins below the number are 1, those above it 0, and the one
    that it is in has the share that it has passed. Nothing goes beyond 0 and 1, however far out a number is. Bins have
    about equally many training rows in them; a number of few distinct values has a bin between each two of them. Bins
    that a number has no use for are 0 in all rows.

    Until `start` has seen rows, bins are those of numbers with a normal distribution.

    Parameters
    ----------
    n_numbers : int
        How many numbers a row has.
    n_bins : int
        Most bins of each.

    References
    ----------
    Gorishniy, Rubachev, Babenko: On Embeddings for Numerical Features in Tabular Deep Learning. NeurIPS 2022.
    """

    def __init__(self, n_numbers, n_bins):
        super().__init__()
        self.n_bins = n_bins
        self.out_features = n_numbers * n_bins
        edges = torch.special.ndtri(torch.linspace(0.01, 0.99, n_bins + 1))
        self.register_buffer("low", edges[:-1].repeat(n_numbers, 1))  # (n_numbers, n_bins)
        self.register_buffer("per_unit", (1 / edges.diff()).repeat(n_numbers, 1))  # share of the bin per unit; 0: none

    def start(self, numbers, weight, generator):
        """Set the bins by the numbers (n_rows, n_numbers) of the training rows, of which there may be none."""
        if len(numbers) > _N_SAMPLED:
            rows = torch.randperm(len(numbers), generator=generator)[:_N_SAMPLED].numpy()
            numbers, weight = numbers[rows], weight[rows]
        if len(numbers) == 0:
            return
        self.low.zero_()
        self.per_unit.zero_()
        for place, column in enumerate(np.asarray(numbers, dtype=np.float64).T):
            edges = torch.from_numpy(_edges(column, weight, self.n_bins))
            self.low[place, : len(edges) - 1] = edges[:-1]
            self.per_unit[place, : len(edges) - 1] = 1 / edges.diff().clamp(min=_NARROWEST)

    def forward(self, numbers):
        """Map (batch, n_numbers) to (batch, n_numbers * n_bins), within [0, 1]."""
        shares = (numbers.unsqueeze(2) - self.low) * self.per_unit  # (batch, n_numbers, n_bins)
        return shares.clamp(0, 1).flatten(1)


def _edges(values, weight, n_bins):
    """Return at most ``n_bins + 1`` of the values, rising, with about the same weight between each two of them."""
    distinct = np.unique(values)
    if len(distinct) <= n_bins + 1:
        return distinct
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weight[order], dtype=np.float64)
    # The smallest value that has the share at or below it: as often as a row counts, so often might it be there.
    wanted = np.linspace(0, 1, n_bins + 1) * below[-1]
    places = np.searchsorted(below, wanted * (1 - 1e-12)).clip(max=len(values) - 1)
    return np.unique(values[order][places])
