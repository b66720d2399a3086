"""Fusion of decisions: each block predicts by itself."""

from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion

__all__ = ["LateFusion"]


class LateFusion(Fusion):
    """Let each block predict by itself, and average the predictions with learnt weights.

    A linear layer per block gives its outputs (logits or values). The weights of the blocks are one softmax, the same
    for all rows, over the blocks that a row has. Nothing that takes two blocks together can be learnt, but little can
    go wrong: a strong baseline.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`: the number of outputs, since no head follows.

    References
    ----------
    Snoek, Worring, Smeulders: Early versus Late Fusion in Semantic Video Analysis. ACM Multimedia 2005.

    Examples
    --------
    >>> from sklearn_mm.fusion import LateFusion
    >>> LateFusion().build({"image": 32, "text": 64}, n_outputs=3).out_features
    3
    """

    gives_outputs = True
    reads_tokens = False

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        self.outputs = nn.ModuleList(nn.Linear(width, n_outputs) for width in widths.values())
        self.weights = nn.Parameter(torch.zeros(len(widths)))
        self.out_features = n_outputs
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        outputs = [output(f.pooled) for output, f in zip(self.outputs, features.values(), strict=True)]
        weights = self.weights.masked_fill(~present, -torch.inf).softmax(1).nan_to_num()  # (batch, n_blocks)
        return (torch.stack(outputs, 1) * weights.unsqueeze(2)).sum(1)  # (batch, n_outputs); zeros without any block
