"""The layers of fusions that look at tokens: attention and a perceptron over the parts of a block."""

import torch.nn as nn
import torch.nn.functional as F

__all__ = ["Attention", "FusionLayer"]


class FusionLayer(nn.Module):
    """Let the parts of a block look around, and think over what they have found.

    Self-attention, attention to other parts if ``looks_at_others``, and a perceptron, each added to what it is given
    and normalised thereafter (Vaswani et al. 2017). Torch's own layers are the same, but set attention weights to zero
    by ``dropout``, for which the fused kernels of CPUs have no way; here it acts on what attention and perceptron add.
    """

    def __init__(self, width, n_heads, dropout, looks_at_others=False):
        super().__init__()
        self.attention = Attention(width, n_heads)
        self.attention_norm = nn.LayerNorm(width)
        if looks_at_others:
            self.other_attention = Attention(width, n_heads)
            self.other_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.mlp_norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, parts, seen, mask, others=None, others_mask=None):
        """Return what becomes of the parts (batch, n_parts, width).

        They look at ``seen`` (batch, n_seen, width), of which those in ``mask`` are there, and then at ``others``.
        """
        parts = self.attention_norm(parts + self.drop(self.attention(parts, seen, mask)))
        if others is not None:
            parts = self.other_norm(parts + self.drop(self.other_attention(parts, others, others_mask)))
        return self.mlp_norm(parts + self.drop(self.mlp(parts)))


class Attention(nn.Module):
    """Attention of several heads in one fused kernel; each row must have something to look at."""

    def __init__(self, width, n_heads):
        super().__init__()
        self.n_heads = n_heads
        self.queries = nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        for layer in (self.queries, self.keys_values):  # to start with, torch's own: Glorot's for all three maps as one
            nn.init.uniform_(layer.weight, -((1.5 / width) ** 0.5), (1.5 / width) ** 0.5)
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, parts, seen, mask):
        """Return what the parts (batch, n_parts, width) find among those in the mask of ``seen``."""
        queries = self.queries(parts).unflatten(2, (self.n_heads, -1)).transpose(1, 2)
        keys, values = self.keys_values(seen).unflatten(2, (2, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(queries, keys, values, mask[:, None, None, :])
        return self.out(found.transpose(1, 2).flatten(2))  # (batch, n_parts, width)
