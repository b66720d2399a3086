"""Fusion by a few tokens through which alone the blocks hear of each other."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.fusion._block_tokens import make_parts
from sklearn_mm.fusion._cross_attention import FusionLayer
from sklearn_mm.utils._token_pooling import check_heads, masked_mean
from sklearn_mm.utils._validation import Interval

__all__ = ["BottleneckFusion"]


class BottleneckFusion(Fusion):
    """Let the blocks exchange what matters through a few shared tokens, and think over the rest by themselves.

    The attention bottlenecks of Nagrani et al. (2021). In each layer the parts of a block (its pooled vector and its
    tokens, at a common width) attend to one another and to the bottleneck tokens; what these become is averaged over
    the blocks that a row has. What the pooled vectors, which stand where the paper has a class token, have become after
    the last layer is averaged likewise.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector and of all parts; a multiple of ``n_heads``. Larger fits more and needs more data.
    n_bottlenecks : int, default=4
        Number of bottleneck tokens. Fewer force the blocks to choose what they tell each other.
    n_heads : int, default=4
        Number of things that a part can look for at a time. More see more, each less finely.
    n_layers : int, default=2
        Number of layers, at least two: what a block tells in one layer, the others hear in the next.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero within the layers in training. Larger regularises more.
    max_tokens : int or None, default=16
        Number of tokens of a block, at most, that take part: of more, runs of neighbours are averaged. More see finer
        detail, in more time. None takes all tokens as they are.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    Notes
    -----
    The time goes with the square of the number of tokens of a block that take part, and not with the products of those
    of different blocks, as it does in `AttentionFusion`. The parts have no places: an encoder whose tokens do not tell
    by themselves where they stand loses their order.

    References
    ----------
    Nagrani, Yang, Arnab, Jansen, Schmid, Sun: Attention Bottlenecks for Multimodal Fusion. NeurIPS 2021.

    Examples
    --------
    >>> from sklearn_mm.fusion import BottleneckFusion
    >>> fusion = BottleneckFusion(width=64, n_bottlenecks=2)
    >>> fusion.build({"image": 32, "text": 64}, n_outputs=3, token_widths={"image": 16, "text": 64}).out_features
    64
    """

    _parameter_constraints = {
        "width": [Interval(Integral, 2, None, closed="left")],
        "n_bottlenecks": [Interval(Integral, 1, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 2, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_tokens": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        width: int = 128,
        n_bottlenecks: int = 4,
        n_heads: int = 4,
        n_layers: int = 2,
        dropout: float = 0.1,
        max_tokens: int | None = 16,
    ):
        self.width = width
        self.n_bottlenecks = n_bottlenecks
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.dropout = dropout
        self.max_tokens = max_tokens

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int]) -> Self:
        check_heads(self)
        self.parts = make_parts(widths, token_widths, self.width, self.max_tokens)
        # As small as in the paper: what the blocks tell must not drown in what the tokens were before.
        self.bottlenecks = nn.Parameter(0.02 * torch.randn(self.n_bottlenecks, self.width))
        self.layers = nn.ModuleList(
            nn.ModuleList(FusionLayer(self.width, self.n_heads, self.dropout) for _ in widths)
            for _ in range(self.n_layers)
        )
        self.out_features = self.width
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        pairs = [read(f, here) for read, f, here in zip(self.parts, features.values(), present.unbind(1), strict=True)]
        blocks, masks = zip(*pairs, strict=True)
        shared = self.bottlenecks.expand(len(present), -1, -1)  # (batch, n_bottlenecks, width)
        shared_mask = shared.new_ones(shared.shape[:2], dtype=torch.bool)
        masks = [torch.cat([shared_mask, mask], 1) for mask in masks]
        for layers in self.layers[:-1]:
            inputs = [torch.cat([shared, parts], 1) for parts in blocks]
            outputs = [layer(parts, parts, mask) for layer, parts, mask in zip(layers, inputs, masks, strict=True)]
            shared = masked_mean(torch.stack([block[:, : self.n_bottlenecks] for block in outputs], 1), present)
            blocks = [block[:, self.n_bottlenecks :] for block in outputs]
        pooled = [  # all that is wanted of the last layer
            layer(parts[:, :1], torch.cat([shared, parts], 1), mask).squeeze(1)
            for layer, parts, mask in zip(self.layers[-1], blocks, masks, strict=True)
        ]
        return masked_mean(torch.stack(pooled, 1), present)  # (batch, width)
