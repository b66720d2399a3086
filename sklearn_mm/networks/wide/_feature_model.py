"""The linear model of what a frozen encoder says of a block: its features, centred and scaled as a whole."""

import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["FeatureModel", "row_vectors"]


class FeatureModel(nn.Module):
    """A weight for each feature of a frozen encoder and each score; the weights are zero until somebody fits them.

    Features are centred, and divided by one number for all of them, so that the mean square of their length over the
    training rows is one: that of a text's terms. What encoder gives long vectors, and what short ones, then plays no
    part, one penalty suits all blocks, and features that hardly differ between rows stay small.

    Parameters
    ----------
    width : int
        Number of features.
    n_scores : int
        Number of scores that are given to a row.
    """

    def __init__(self, width, n_scores):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.zeros(()))
        self.register_buffer("weight", torch.zeros(width, n_scores))

    def forward(self, vectors):
        """Map features (batch, width) to scores (batch, n_scores)."""
        values = self.expand(vectors.to(self.mean.dtype))
        # not by "@", which is less precise under autocast than what was fitted
        terms = torch.arange(values.shape[1], device=values.device).expand(len(values), -1)
        return F.embedding_bag(terms, self.weight, per_sample_weights=values, mode="sum")

    def expand(self, vectors):
        """Return features (batch, width) centred and scaled."""
        return (vectors - self.mean) * self.scale

    def fit_design(self, vectors, present, weight):
        """Learn centre and scale from weighted rows that have the block, and return what `design` does.

        Parameters
        ----------
        vectors : torch.Tensor of shape (n_rows, width)
            Features.
        present : torch.Tensor of shape (n_rows,), dtype bool
            Which rows have the block.
        weight : torch.Tensor of shape (n_rows,)
            What rows weigh.
        """
        share = (weight * present).double()
        if share.any():
            share = share / share.sum()
            mean = share @ vectors.double()
            self.mean.copy_(mean)
            lengths = (vectors - self.mean).square().sum(1, dtype=torch.float64)
            # of features that are all alike, rounding is all that would be scaled up
            least = 1e-12 * mean.square().sum() + torch.finfo(torch.float32).tiny
            square = share @ lengths
            self.scale.copy_(square.rsqrt() if square > least else torch.zeros(()))
        return self.design(vectors, present)

    def design(self, vectors, present):
        """Return all rows as a matrix (n_rows, width), an array, which `forward` multiplies by the weights."""
        return (self.expand(vectors) * present.unsqueeze(1)).numpy()


def row_vectors(features, are_lists):
    """Return the vector of each row, (batch, width), of `Features`; of rows of several items their mean."""
    if not are_lists:
        return features.pooled
    shares = features.mask / features.mask.sum(1, keepdim=True).clamp(min=1)
    return (shares.unsqueeze(2) * features.tokens).sum(1)
