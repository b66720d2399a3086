"""What encoders and fusions share about tokens: pooling of those that are there, and heads that look at them."""

import torch

__all__ = ["check_heads", "masked_max", "masked_mean"]


def masked_mean(tokens, mask):
    """Return the mean (batch, ...) of those of the tokens (batch, n, ...) that are there; zeros where none is."""
    there = mask.view(*mask.shape, *[1] * (tokens.ndim - 2))
    return tokens.masked_fill(~there, 0.0).sum(1) / there.sum(1).clamp(min=1)


def masked_max(tokens, mask):
    """Return the maximum (batch, width) of the tokens that are there; zeros where none is."""
    largest = tokens.masked_fill(~mask.unsqueeze(2), -torch.inf).amax(1)
    return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)


def check_heads(component):
    """Raise ValueError where a component's width cannot be shared out among its heads."""
    if component.width % component.n_heads:
        raise ValueError(
            f"{type(component).__name__} needs a width that is a multiple of n_heads, got width={component.width} and "
            f"n_heads={component.n_heads}."
        )
