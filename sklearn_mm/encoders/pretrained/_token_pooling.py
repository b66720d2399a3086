"""What becomes of the vectors of a row's tokens: pooling, as a pretrained network does it or otherwise."""

import torch
import torch.nn as nn

from sklearn_mm.utils._token_pooling import masked_max, masked_mean, masked_std

__all__ = ["TokenPooling"]

_WIDTH = 64  # of the hidden layer that scores tokens


class TokenPooling(nn.Module):
    """Make one vector per row of what a network says of it.

    Parameters
    ----------
    how : {"own", "mean", "mean_std", "first", "max", "attention"}
        "own" is what the network does itself, or the mean.
    width : int
        Of tokens.
    own : torch.nn.Module, default=None
        Maps tokens and their mask to the network's own vector, if it does not return that.
    """

    def __init__(self, how, width, own=None):
        super().__init__()
        self.how = how
        self.own = own
        if how == "attention":
            self.score = nn.Sequential(nn.Linear(width, _WIDTH), nn.Tanh(), nn.Linear(_WIDTH, 1, bias=False))

    def forward(self, encoded):
        """Map `Encoded` to vectors (batch, out_features)."""
        tokens, mask = encoded.tokens, encoded.mask
        if self.how == "first":
            return tokens[:, 0]
        if self.how == "mean_std":
            return torch.cat([masked_mean(tokens, mask), masked_std(tokens, mask)], 1)
        if self.how == "max":
            return masked_max(tokens, mask)
        if self.how == "attention":
            # finite, so that rows without tokens give numbers
            scores = self.score(tokens).squeeze(2).masked_fill(~mask, torch.finfo(tokens.dtype).min)
            return (scores.softmax(1).unsqueeze(2) * tokens).sum(1)
        if self.how == "own" and self.own is not None:
            return self.own(tokens, mask)
        return encoded.own if self.how == "own" and encoded.own is not None else masked_mean(tokens, mask)
