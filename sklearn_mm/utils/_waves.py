"""Places in a text as sines and cosines (positional encoding)."""

import torch

__all__ = ["waves"]


def waves(n_places, width, like):
    """Return sines and cosines (n_places, width) of falling frequency, by which places are told apart.

    Unlike vectors that are learnt for each place, they are there for any number of places (Vaswani et al. 2017, 3.5).
    """
    place = torch.arange(n_places, dtype=like.dtype, device=like.device)
    exponent = torch.arange(0, width, 2, dtype=like.dtype, device=like.device) / width
    angle = place.unsqueeze(1) * 10_000**-exponent  # (n_places, width / 2)
    return torch.cat([angle.sin(), angle.cos()], 1)[:, :width]
