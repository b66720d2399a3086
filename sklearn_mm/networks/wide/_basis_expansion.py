"""What every basis expansion owes: the columns that a block of rows has in the design matrix of a linear model."""

import torch.nn as nn

__all__ = ["BasisExpansion"]


class BasisExpansion(nn.Module):
    """Base of what a linear model sees of a block: for each row, the values of numbered terms.

    A subclass sets ``n_terms``, the number of columns, and owes ``fit(chunks)``, which learns from what `raw` gives
    for the training rows, some rows at a time, and ``expand(raw)``, which returns the terms (batch, any) of each row,
    int64, and their values.
    """

    dense = False  # whether each row has all terms, in order

    def raw(self, x):
        """Return what is made of rows without anything learnt, which `fit` and `expand` take."""
        return x

    def forward(self, x):
        """Return the terms (batch, any) of each row and their values, 0 where there is none."""
        return self.expand(self.raw(x))
