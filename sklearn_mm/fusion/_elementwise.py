"""Fusions without interplay of units: side by side, sum, product, maximum."""

from numbers import Integral
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.utils._validation import Interval

__all__ = ["ConcatFusion", "MaxFusion", "ProductFusion", "SumFusion"]


class ConcatFusion(Fusion):
    """Put the vectors of all blocks side by side.

    There is nothing to learn here, and nothing is lost: what the blocks say together is left to the head. The learnt
    vector that stands in for an absent block stays in its place.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`: the sum of the blocks' widths.

    Examples
    --------
    >>> from sklearn_mm.fusion import ConcatFusion
    >>> ConcatFusion().build({"image": 32, "text": 64}, n_outputs=3).out_features
    96
    """

    reads_stand_ins = True
    reads_tokens = False

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        self.out_features = sum(widths.values())
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        return torch.cat([f.pooled for f in features.values()], 1)  # (batch, out_features)


class _ProjectedFusion(Fusion):
    """Base of fusions that bring all blocks to one width first."""

    reads_tokens = False
    _parameter_constraints = {"width": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, width: int = 128):
        self.width = width

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        self.values = nn.ModuleList(nn.Linear(width, self.width) for width in widths.values())
        self.out_features = self.width
        return self

    def _project(self, features):
        """Return the blocks' vectors at the common width (batch, n_blocks, width)."""
        return torch.stack([value(f.pooled) for value, f in zip(self.values, features.values(), strict=True)], 1)


class SumFusion(_ProjectedFusion):
    """Add up what each block says by itself.

    A linear layer per block brings the vectors to one width, then they are added. An absent block adds nothing.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector. Larger fits more and needs more data.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    Examples
    --------
    >>> from sklearn_mm.fusion import SumFusion
    >>> SumFusion(width=16).build({"image": 32, "text": 64}, n_outputs=3).out_features
    16
    """

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        return (self._project(features) * present.unsqueeze(2)).sum(1)  # (batch, width)


class ProductFusion(_ProjectedFusion):
    """Multiply what the blocks say, unit by unit, so that each block decides what counts of the others.

    For what no block can answer alone, such as questions about pictures: the element-wise product of Antol et al.
    (2015) and Kim et al. (2017), ``tanh(W x) * tanh(V y)``. An absent block multiplies by one. The more blocks, the
    smaller the product; for more than three, sums or gates are the better start.

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
    Antol et al.: VQA: Visual Question Answering. ICCV 2015.

    Kim, On, Lim, Kim, Ha, Zhang: Hadamard Product for Low-rank Bilinear Pooling. ICLR 2017.

    Examples
    --------
    >>> from sklearn_mm.fusion import ProductFusion
    >>> ProductFusion(width=16).build({"image": 32, "text": 64}, n_outputs=3).out_features
    16
    """

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        values = self._project(features).tanh().masked_fill(~present.unsqueeze(2), 1.0)  # (batch, n_blocks, width)
        return values.prod(1)  # (batch, width); ones where a row has no block at all


class MaxFusion(_ProjectedFusion):
    """Take, unit by unit, the largest of what the blocks say.

    A linear layer per block brings the vectors to one width; the strongest evidence for each unit wins, whichever block
    it is in. An absent block never wins.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector. Larger fits more and needs more data.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    Examples
    --------
    >>> from sklearn_mm.fusion import MaxFusion
    >>> MaxFusion(width=16).build({"image": 32, "text": 64}, n_outputs=3).out_features
    16
    """

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        values = self._project(features).masked_fill(~present.unsqueeze(2), -torch.inf)  # (batch, n_blocks, width)
        return values.amax(1).masked_fill(~present.any(1, keepdim=True), 0.0)  # (batch, width)
