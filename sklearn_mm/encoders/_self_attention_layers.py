"""Layers of self-attention over the tokens of a row, for pictures and for texts."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.utils._token_pooling import masked_max, masked_mean

__all__ = ["AttentionLayers"]

_GAIN = 0.1  # at first, so that a layer begins as little more than what it gets


class AttentionLayers(nn.Module):
    """Let the tokens of a row read each other, layer by layer, and pool them.

    The layers are those of Vaswani et al. (2017) with the normalisation before each part, not after it. They are
    written out because `torch.nn.TransformerEncoderLayer` takes another path in ``eval`` mode, which gives NaN for rows
    without tokens, and because what a part adds is multiplied by learnt gains that start small (LayerScale, Touvron et
    al. 2021): without these, steps that suit the other encoders throw four layers off course.

    Parameters
    ----------
    width : int
        Width of the tokens.
    n_layers, n_heads, mlp_ratio, dropout, pool
        As in `SelfAttentionEncoder`.
    """

    def __init__(self, width, n_layers, n_heads, mlp_ratio, dropout, pool):
        super().__init__()
        self.pool = pool
        if pool == "token":
            self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_Layer(width, n_heads, mlp_ratio, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens, mask):
        """Return the pooled vectors (batch, width) and the tokens; those outside the mask are zeros."""
        n_added = 0
        if self.pool == "token":
            n_added = 1
            tokens = torch.cat([self.class_token.expand(tokens.shape[0], -1, -1), tokens], 1)
        # The softmax over nothing would be NaN: where a row has no token, all are read, and masked in the end.
        read = F.pad(mask | ~mask.any(1, keepdim=True), (n_added, 0), value=True)
        tokens = self.drop(tokens)  # (batch, n_added + n_tokens, width)
        for layer in self.layers:
            tokens = layer(tokens, read)
        tokens = self.norm(tokens)
        added, tokens = tokens[:, :n_added], tokens[:, n_added:] * mask.unsqueeze(2)
        if self.pool == "token":
            return added.squeeze(1) * mask.any(1, keepdim=True), tokens
        return (masked_mean if self.pool == "mean" else masked_max)(tokens, mask), tokens


class _Layer(nn.Module):
    """Self-attention and a perceptron, each of which adds to the tokens what it makes of them normalised."""

    def __init__(self, width, n_heads, mlp_ratio, dropout):
        super().__init__()
        self.n_heads = n_heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_ratio * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_ratio * width, width)
        )
        self.drop = nn.Dropout(dropout)
        self.attention_gain = nn.Parameter(torch.full((width,), _GAIN))
        self.mlp_gain = nn.Parameter(torch.full((width,), _GAIN))

    def forward(self, tokens, read):
        tokens = tokens + self.drop(self.attention_gain * self._attend(self.attention_norm(tokens), read))
        return tokens + self.drop(self.mlp_gain * self.mlp(self.mlp_norm(tokens)))

    def _attend(self, tokens, read):
        parts = self.queries_keys_values(tokens).unflatten(2, (3, self.n_heads, -1))
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)  # each (batch, n_heads, n_tokens, width / n_heads)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(queries, keys, values, read[:, None, None, :], dropout)
        return self.attention_out(mixed.transpose(1, 2).flatten(2))  # (batch, n_tokens, width)
