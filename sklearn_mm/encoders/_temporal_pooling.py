"""The vectors of the frames of a clip to one vector (temporal pooling)."""

import torch
import torch.nn as nn

from sklearn_mm.encoders._base import Features
from sklearn_mm.encoders._self_attention_layers import AttentionLayers
from sklearn_mm.utils._waves import waves

__all__ = ["TemporalPooling"]

_SCORE_WIDTH = 64  # of the hidden layer that scores frames
_SPREAD = 0.02  # of learnt positions at first


class TemporalPooling(nn.Module):
    """Make one vector of the vectors of frames that come in an order.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    in_features : int
        Width of their vectors.
    pool, positions, width, n_layers, n_heads, mlp_ratio, dropout
        As of `FrameEncoder`.

    Attributes
    ----------
    out_features : int
        Width of the vector, and of the tokens, one per frame.
    """

    def __init__(self, n_frames, in_features, pool, positions, width, n_layers, n_heads, mlp_ratio, dropout):
        super().__init__()
        self.pool = pool
        self.out_features = in_features
        if pool == "transformer":
            self.out_features = width
            self.project = nn.Sequential(nn.Linear(in_features, width), nn.LayerNorm(width))
            self.layers = AttentionLayers(width, n_layers, n_heads, mlp_ratio, dropout, "mean")
        elif pool == "attention":
            score = nn.Linear(in_features, _SCORE_WIDTH), nn.Tanh(), nn.Linear(_SCORE_WIDTH, 1, bias=False)
            self.score = nn.Sequential(*score)
        if positions == "learnt" and pool in ("transformer", "attention"):
            self.learnt = nn.Parameter(_SPREAD * torch.randn(n_frames, self.out_features))

    def forward(self, frames):
        """Return `Features` of vectors (batch, n_frames, in_features)."""
        mask = frames.new_ones(frames.shape[:2], dtype=torch.bool)
        if self.pool == "transformer":
            tokens = self.project(frames)
            return Features(*self.layers(tokens + self._positions(tokens), mask), mask)
        if self.pool == "attention":
            weights = self.score(frames + self._positions(frames)).softmax(1)  # (batch, n_frames, 1)
            return Features((weights * frames).sum(1), frames, mask)
        return Features(frames.mean(1) if self.pool == "mean" else frames.amax(1), frames, mask)

    def _positions(self, like):
        if hasattr(self, "learnt"):
            return self.learnt
        return waves(like.shape[1], like.shape[2], like)
