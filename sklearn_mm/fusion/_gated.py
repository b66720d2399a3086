"""Fusion by learnt gates."""

from numbers import Integral
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.utils._validation import Interval

__all__ = ["GatedFusion"]


class GatedFusion(Fusion):
    """Let the data say, row by row and unit by unit, which block counts.

    The gated multimodal unit of Arevalo et al. (2017). For two blocks it is the paper's; for more, the gates of a unit
    share one softmax. An absent block gets no share; its learnt stand-in only tells the gates that it is absent.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector. Larger fits more and needs more data.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    References
    ----------
    Arevalo, Solorio, Montes-y-Gómez, González: Gated Multimodal Units for Information Fusion. ICLR workshop 2017.

    Examples
    --------
    >>> from sklearn_mm.fusion import GatedFusion
    >>> GatedFusion().build({"image": 32, "text": 64}, n_outputs=3).out_features
    128
    """

    reads_stand_ins = True
    reads_tokens = False

    _parameter_constraints = {"width": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, width: int = 128):
        self.width = width

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        self.values = nn.ModuleList(nn.Linear(width, self.width) for width in widths.values())
        self.gates = nn.Linear(sum(widths.values()), len(widths) * self.width)
        self.out_features = self.width
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        pooled = [f.pooled for f in features.values()]
        values = [value(p).tanh() for value, p in zip(self.values, pooled, strict=True)]
        values = torch.stack(values, 1)  # (batch, n_blocks, width)
        gates = self.gates(torch.cat(pooled, 1)).view_as(values).masked_fill(~present.unsqueeze(2), -torch.inf)
        return (gates.softmax(1).nan_to_num() * values).sum(1)  # (batch, width); zeros where a row has no block at all
