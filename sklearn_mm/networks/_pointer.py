"""Copying: a text that is written may take tokens over from one that is read (pointer-generator network)."""

import math

import numpy as np
import torch
import torch.nn as nn

from sklearn_mm.encoders import Features

__all__ = ["Pointer"]


class Pointer(nn.Module):
    """Mix what a decoder says of the next token with what stands in a block of token ids, by attention.

    Parameters
    ----------
    name : str
        Of the block.
    new_ids : ndarray of shape (vocab_size,), dtype int64
        The id that each of the block's ids has in texts that are written; 0 for what cannot be copied.
    width, token_width : int
        Widths of the decoder's vectors and of the block's tokens.

    References
    ----------
    See, Liu, Manning: Get To The Point: Summarization with Pointer-Generator Networks. ACL 2017.
    """

    def __init__(self, name: str, new_ids: np.ndarray, width: int, token_width: int):
        super().__init__()
        self.name = name
        self.register_buffer("new_ids", torch.from_numpy(new_ids))
        self.queries = nn.Linear(width, width)
        self.keys = nn.Linear(token_width, width)
        self.share = nn.Linear(width, 1)
        nn.init.constant_(self.share.bias, -1.0)  # at first, little is copied

    def remember(self, features: dict[str, Features], ids: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return what is kept of the ids (batch, n_seen) of the block, to which its tokens belong."""
        tokens, mask = features[self.name].tokens, features[self.name].mask
        if tokens.shape[1] != ids.shape[1]:
            raise ValueError(
                f"copy_from={self.name!r} needs an encoder that gives one token for each id of the block, as "
                f"SelfAttentionEncoder and RNNEncoder do; got {tokens.shape[1]} tokens of {ids.shape[1]} ids."
            )
        ids = self.new_ids[ids.long()]
        return {"copied ids": ids, "copied keys": self.keys(tokens), "may be copied": mask & (ids != 0)}

    def forward(self, logits: torch.Tensor, vectors: torch.Tensor, memory: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return log-probabilities (batch, n_tokens, n_ids) from logits alike and vectors (batch, n_tokens, width)."""
        may = memory["may be copied"].unsqueeze(1)  # (batch, 1, n_seen)
        affinity = self.queries(vectors) @ memory["copied keys"].transpose(1, 2) / math.sqrt(vectors.shape[2])
        lowest = torch.finfo(affinity.dtype).min  # and not -inf: a row may have nothing to copy
        weights = affinity.masked_fill(~may, lowest).softmax(2)
        share = self.share(vectors).sigmoid() * may.any(2, keepdim=True)  # (batch, n_tokens, 1)
        probabilities = logits.float().softmax(2) * (1 - share)
        ids = memory["copied ids"].unsqueeze(1).expand_as(weights)
        probabilities = probabilities.scatter_add(2, ids, (share * weights).to(probabilities.dtype))
        return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()
