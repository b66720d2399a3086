"""What fusions that look at tokens share: the parts of a block at one width, and options of layers."""

import torch
import torch.nn as nn

from sklearn_mm.utils._tokens import check_heads

__all__ = ["Parts", "make_parts", "transformer_options"]


class Parts(nn.Module):
    """Bring the parts of a block to one width: first its pooled vector, then its tokens.

    The pooled vector may say more than the tokens by themselves (the last state of a recurrent network does), and it
    is there even where a row has no token: so no block that a row has is without a part.
    """

    def __init__(self, pooled_width, token_width, width):
        super().__init__()
        self.pooled = nn.Linear(pooled_width, width)
        self.tokens = nn.Linear(token_width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, features, present):
        """Return the parts (batch, 1 + n_tokens, width), and which are there (batch, 1 + n_tokens)."""
        parts = torch.cat([self.pooled(features.pooled).unsqueeze(1), self.tokens(features.tokens)], 1)
        return self.norm(parts), torch.cat([present.unsqueeze(1), features.mask], 1)


def make_parts(widths, token_widths, width):
    """Return `Parts` for each block, in their order."""
    return nn.ModuleList(Parts(widths[name], token_widths[name], width) for name in widths)


def transformer_options(fusion):
    """Return the options of torch's transformer layers for a fusion with ``width``, ``n_heads`` and ``dropout``."""
    check_heads(fusion)
    return {
        "d_model": fusion.width,
        "nhead": fusion.n_heads,
        "dim_feedforward": 2 * fusion.width,
        "dropout": fusion.dropout,
        "batch_first": True,
    }
