"""Maps to tokens, and the tokens of a row to one vector."""

import torch

__all__ = ["masked_max", "masked_mean", "places"]


def places(maps):
    """Return the places of maps (batch, channels, height, width), row by row: (batch, height * width, channels)."""
    return maps.flatten(2).transpose(1, 2)


def masked_mean(tokens, mask):
    """Return the mean (batch, width) of the tokens that are there; zeros where none is."""
    total = tokens.masked_fill(~mask.unsqueeze(2), 0.0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def masked_max(tokens, mask):
    """Return the maximum (batch, width) of the tokens that are there; zeros where none is."""
    largest = tokens.masked_fill(~mask.unsqueeze(2), -torch.inf).amax(1)
    return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)
