"""Fusion by products of pairs of units: factorised bilinear pooling."""

import math
from numbers import Integral
from typing import Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.utils._validation import Interval

__all__ = ["BilinearFusion"]

_SMALL = 1e-6  # keeps the slope of the square root finite at zero


class BilinearFusion(Fusion):
    """Weigh the products of all pairs of units of two blocks.

    The multi-modal factorised bilinear pooling of Yu et al. (2017): each unit is a quadratic form of the two blocks'
    vectors, made of ``n_factors`` products of linear maps; then come a signed square root and a normalisation of the
    row's length. With more than two blocks the products run over all of them. An absent block multiplies by one.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector. Larger fits more and needs more data.
    n_factors : int, default=5
        Number of products that are added up in each unit: the rank of its quadratic form. Larger tells finer how
        blocks act together, at a cost in proportion.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    Notes
    -----
    A row comes out at the length ``sqrt(width)``, not at one as in the paper: with units of usual size the head learns
    at the usual rate.

    References
    ----------
    Yu, Yu, Fan, Tao: Multi-modal Factorized Bilinear Pooling with Co-attention Learning for Visual Question Answering.
    ICCV 2017.

    Examples
    --------
    >>> from sklearn_mm.fusion import BilinearFusion
    >>> BilinearFusion(n_factors=3).build({"image": 32, "text": 64}, n_outputs=3).out_features
    128
    """

    reads_tokens = False

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "n_factors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, width: int = 128, n_factors: int = 5):
        self.width = width
        self.n_factors = n_factors

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        self.factors = nn.ModuleList(nn.Linear(width, self.width * self.n_factors) for width in widths.values())
        self.out_features = self.width
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        factors = [factor(f.pooled) for factor, f in zip(self.factors, features.values(), strict=True)]
        factors = torch.stack(factors, 1).masked_fill(~present.unsqueeze(2), 1.0)  # (batch, n_blocks, …)
        sums = factors.prod(1).unflatten(1, (self.width, self.n_factors)).sum(2)  # (batch, width)
        roots = sums / (sums.abs() + _SMALL).sqrt()
        return F.normalize(roots, eps=_SMALL) * math.sqrt(self.width)
