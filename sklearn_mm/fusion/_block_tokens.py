"""What fusions that look at tokens share: the parts of a block at one width."""

import torch
import torch.nn as nn

from sklearn_mm.utils._token_pooling import pool_runs

__all__ = ["Parts", "make_parts"]


class Parts(nn.Module):
    """Bring the parts of a block to one width: first its pooled vector, then its tokens.

    The pooled vector may say more than the tokens by themselves (the last state of a recurrent network does), and it
    is there even where a row has no token: so no block that a row has is without a part. Of more than ``max_tokens``
    tokens, runs of neighbours are averaged.
    """

    def __init__(self, pooled_width, token_width, width, max_tokens=None):
        super().__init__()
        self.max_tokens = max_tokens
        self.pooled = nn.Linear(pooled_width, width)
        self.tokens = nn.Linear(token_width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features, present):
        """Return the parts (batch, 1 + n_tokens, width), and which are there (batch, 1 + n_tokens)."""
        tokens, mask = features.tokens, features.mask
        if self.max_tokens is not None and tokens.shape[1] > self.max_tokens:
            tokens, mask = pool_runs(tokens, mask, self.max_tokens)
        parts = torch.cat([self.pooled(features.pooled).unsqueeze(1), self.tokens(tokens)], 1)
        return self.norm(parts), torch.cat([present.unsqueeze(1), mask], 1)


def make_parts(widths, token_widths, width, max_tokens=None):
    """Return `Parts` for each block, in their order."""
    return nn.ModuleList(Parts(widths[name], token_widths[name], width, max_tokens) for name in widths)
