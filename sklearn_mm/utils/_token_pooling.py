"""What encoders and fusions share about tokens: pooling of those that are there, and heads that look at them."""

import torch

__all__ = ["check_heads", "masked_max", "masked_mean", "masked_std", "pool_runs"]


def masked_mean(tokens, mask):
    """Return the mean (batch, ...) of those of the tokens (batch, n, ...) that are there; zeros where none is."""
    weights = mask.view(*mask.shape, *[1] * (tokens.ndim - 2))
    return tokens.masked_fill(~weights, 0.0).sum(1) / weights.sum(1).clamp(min=1)


def masked_max(tokens, mask):
    """Return the maximum (batch, width) of the tokens that are there; zeros where none is."""
    largest = tokens.masked_fill(~mask.unsqueeze(2), -torch.inf).amax(1)
    return largest.masked_fill(~mask.any(1, keepdim=True), 0.0)


def masked_std(tokens, mask):
    """Return the standard deviation (batch, width) of the tokens that are there; next to zeros where none is."""
    deviation = tokens - masked_mean(tokens, mask).unsqueeze(1)
    return (masked_mean(deviation.square(), mask) + 1e-8).sqrt()


def pool_runs(tokens, mask, max_tokens):
    """Return the means of runs of neighbours among the tokens (batch, n, width), and which of them are there.

    A row with more than ``max_tokens`` tokens gets as many runs, which differ by one token in length at most; each
    token of another row is a run by itself. Padding counts nowhere.
    """
    counts = mask.sum(1, keepdim=True)  # (batch, 1)
    place = mask.cumsum(1) - 1  # (batch, n), among the tokens that are there
    run = torch.where(counts > max_tokens, place * max_tokens // counts.clamp(min=1), place)
    numbers = torch.arange(max_tokens, device=mask.device).unsqueeze(1)
    member = ((run.unsqueeze(1) == numbers) & mask.unsqueeze(1)).to(tokens.dtype)  # (batch, max_tokens, n)
    sizes = member.sum(2, keepdim=True)
    means = member @ tokens.masked_fill(~mask.unsqueeze(2), 0.0) / sizes.clamp(min=1)  # (batch, max_tokens, width)
    return means, sizes.squeeze(2) > 0


def check_heads(component):
    """Raise ValueError where a component's width cannot be shared out among its heads."""
    if component.width % component.n_heads:
        raise ValueError(
            f"{type(component).__name__} needs a width that is a multiple of n_heads, got width={component.width} and "
            f"n_heads={component.n_heads}."
        )
