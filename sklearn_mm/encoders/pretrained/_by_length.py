"""Texts of a batch in parts of like length (bucketing), so that next to nothing of what is trained on is padding."""

import numpy as np
import torch
import torch.nn.functional as F

from sklearn_mm.encoders._base import Features
from sklearn_mm.utils._budget import batches_by_length, rows_at_once

__all__ = ["by_length"]


def by_length(encode, tensors):
    """Return what an encoder makes of padded rows, a part of like length after the other.

    Parameters
    ----------
    encode : callable
        Maps such tensors to `Features`, of rows that do not influence each other.
    tensors : dict of tensors, rows first
        What a `FrozenPart` made of the rows of a batch: among them ``tokens`` (batch, n_tokens, width) and ``mask``
        (batch, n_tokens).
    """
    n_rows, n_tokens = tensors["mask"].shape
    device = tensors["mask"].device
    if torch.compiler.is_compiling() or n_rows <= rows_at_once(n_tokens, device, are_tokens=True):
        return encode(tensors)
    lengths = n_tokens - tensors["mask"].bool().flip(1).to(torch.uint8).argmax(1)  # nobody there: as if all were
    batches = batches_by_length(lengths.cpu().numpy(), device)
    parts = [encode(_part(tensors, rows, lengths)) for rows in map(torch.from_numpy, batches)]
    back = torch.from_numpy(np.argsort(np.concatenate(batches))).to(device)
    n_most = max(part.tokens.shape[1] for part in parts)
    tokens = [F.pad(part.tokens, (0, 0, 0, n_most - part.tokens.shape[1])) for part in parts]
    masks = [F.pad(part.mask, (0, n_most - part.mask.shape[1])) for part in parts]
    pooled = torch.cat([part.pooled for part in parts])
    return Features(*(joined.index_select(0, back) for joined in (pooled, torch.cat(tokens), torch.cat(masks))))


def _part(tensors, rows, lengths):
    """Return some rows, without the padding behind the longest of them."""
    rows = rows.to(lengths.device)
    stop = int(lengths[rows].max())
    chosen = {name: tensor.index_select(0, rows) for name, tensor in tensors.items()}
    return {**chosen, "tokens": chosen["tokens"][:, :stop], "mask": chosen["mask"][:, :stop]}
