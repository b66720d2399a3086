"""Fusion by products of units of any number of blocks: a tensor of low rank."""

from numbers import Integral
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.utils._validation import Interval

__all__ = ["LowRankTensorFusion"]


class LowRankTensorFusion(Fusion):
    """Weigh what the blocks say by themselves, in pairs, in triples, and so on.

    The low-rank multimodal fusion of Liu et al. (2018): a one is appended to the vector of each block, and a linear map
    of the outer product of all of these is learnt, as a sum of ``rank`` products of maps of the single blocks. An
    absent block is a vector of zeros with the one behind it, so that what the others say without it remains.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector. Larger fits more and needs more data.
    rank : int, default=4
        Number of products that are added up. Larger tells finer how blocks act together, at a cost in proportion.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    Notes
    -----
    The weight of the appended one starts at one, so that products of many blocks neither vanish nor explode, and what
    a block says by itself is heard from the start.

    References
    ----------
    Liu, Shen, Lakshminarasimhan, Liang, Zadeh, Morency: Efficient Low-rank Multimodal Fusion with Modality-Specific
    Factors. ACL 2018.

    Examples
    --------
    >>> from sklearn_mm.fusion import LowRankTensorFusion
    >>> LowRankTensorFusion(rank=2).build({"image": 32, "text": 64}, n_outputs=3).out_features
    128
    """

    reads_tokens = False

    _parameter_constraints = {
        "width": [Interval(Integral, 1, None, closed="left")],
        "rank": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, width: int = 128, rank: int = 4):
        self.width = width
        self.rank = rank

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        self.factors = nn.ModuleList(nn.Linear(width, self.rank * self.width) for width in widths.values())
        for factor in self.factors:
            nn.init.ones_(factor.bias)  # a layer's bias is the weight of the appended one
        self.weights = nn.Parameter(torch.randn(self.rank) / self.rank**0.5)
        self.bias = nn.Parameter(torch.zeros(self.width))
        self.out_features = self.width
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        pooled = [f.pooled * here.unsqueeze(1) for f, here in zip(features.values(), present.unbind(1), strict=True)]
        factors = torch.stack([factor(p) for factor, p in zip(self.factors, pooled, strict=True)], 1)
        products = factors.prod(1).unflatten(1, (self.rank, self.width))  # (batch, rank, width)
        return torch.einsum("r,brw->bw", self.weights, products) + self.bias
