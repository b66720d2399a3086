"""The vectors of a row's items, of which there may be any number, to one vector per row."""

from numbers import Integral

import torch
import torch.nn as nn

from sklearn_mm.encoders._base import Features
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._token_pooling import masked_max, masked_mean
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["ItemPooling"]


class ItemPooling(Component):
    """Make one vector per row of the vectors of its items, whose order does not matter.

    Parameters
    ----------
    pool : {"mean", "max", "attention"}, default="mean"
        The mean or the maximum, element by element, or the mean weighted by learnt attention: each item's weight is the
        softmax, over the items of its row, of a small network's score of its vector.
    attention_width : int, default=64
        Width of the hidden layer that scores the items.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: that of the items' vectors.
    token_features : int
        Width of ``tokens``, the items' vectors.

    References
    ----------
    Ilse, Tomczak, Welling: Attention-based Deep Multiple Instance Learning. ICML 2018.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders._pooling import ItemPooling
    >>> pooling = ItemPooling("attention").build(width=8)
    >>> features = pooling(torch.randn(5, 8), counts=torch.tensor([3, 0, 2]))
    >>> features.pooled.shape, features.tokens.shape, features.mask.sum(1)
    (torch.Size([3, 8]), torch.Size([3, 3, 8]), tensor([3, 0, 2]))
    """

    _parameter_constraints = {
        "pool": [StrOptions({"mean", "max", "attention"})],
        "attention_width": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, pool="mean", attention_width=64):
        self.pool = pool
        self.attention_width = attention_width

    def build(self, width):
        """Make the layers for vectors of a width; returns ``self``."""
        if self.pool == "attention":
            self.score = nn.Sequential(
                nn.Linear(width, self.attention_width), nn.Tanh(), nn.Linear(self.attention_width, 1, bias=False)
            )
        self.out_features = self.token_features = width
        return self

    def forward(self, items, counts):
        """Return the `Features` of rows that have these numbers of items.

        Parameters
        ----------
        items : torch.Tensor of shape (n_items, width)
            The vectors of the items, row after row.
        counts : torch.Tensor of shape (batch,), dtype int64
            Number of items of each row. One without any gets zeros.

        Returns
        -------
        features : Features
            ``pooled`` (batch, width); the items of each row as ``tokens`` (batch, most items of a row, width).
        """
        place = torch.arange(max(1, int(counts.max())), device=items.device)
        mask = place < counts.unsqueeze(1)  # (batch, n_tokens)
        tokens = items.new_zeros(*mask.shape, items.shape[1])
        tokens[mask] = items  # row after row, as the True places of the mask come
        if self.pool == "attention":
            scores = self.score(tokens).squeeze(2).masked_fill(~mask, -torch.inf)
            weights = scores.softmax(1).masked_fill(~mask, 0.0)  # zeros, not NaN, where a row has no item
            pooled = (weights.unsqueeze(2) * tokens).sum(1)
        else:
            pooled = (masked_mean if self.pool == "mean" else masked_max)(tokens, mask)
        return Features(pooled, tokens, mask)
