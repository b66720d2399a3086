"""Fusion by attention of each block to the tokens of the others."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.fusion._block_tokens import make_parts
from sklearn_mm.fusion._cross_attention import FusionLayer
from sklearn_mm.utils._token_pooling import check_heads, masked_mean
from sklearn_mm.utils._validation import Interval

__all__ = ["AttentionFusion"]


class AttentionFusion(Fusion):
    """Let the words, places or columns of each block look for what matters to them in the other blocks.

    Cross-modal attention in the manner of Tsai et al. (2019) and Lu et al. (2019), in small. The parts of a block (its
    pooled vector and its tokens, at a common width) attend to one another, then to the parts of all other blocks, and
    go through a small fully connected network. What comes out is averaged over the parts of each block, then over the
    blocks that a row has.

    Parameters
    ----------
    width : int, default=128
        Width of the fused vector and of all parts; a multiple of ``n_heads``. Larger fits more and needs more data.
    n_heads : int, default=4
        Number of things that a part can look for at a time. More see more, each less finely.
    n_layers : int, default=1
        How often the parts look around. More can combine what was found, and need more data and time.
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
    The time goes with the square of the number of tokens that take part. The parts have no places: an encoder whose
    tokens do not tell by themselves where they stand loses their order. A row may also attend to nothing, which is what
    it does if it has no other block.

    References
    ----------
    Tsai, Bai, Liang, Kolter, Morency, Salakhutdinov: Multimodal Transformer for Unaligned Multimodal Language
    Sequences. ACL 2019.

    Lu, Batra, Parikh, Lee: ViLBERT: Pretraining Task-Agnostic Visiolinguistic Representations for Vision-and-Language
    Tasks. NeurIPS 2019.

    Examples
    --------
    >>> from sklearn_mm.fusion import AttentionFusion
    >>> fusion = AttentionFusion(width=64)
    >>> fusion.build({"image": 32, "text": 64}, n_outputs=3, token_widths={"image": 16, "text": 64}).out_features
    64
    """

    _parameter_constraints = {
        "width": [Interval(Integral, 2, None, closed="left")],
        "n_heads": [Interval(Integral, 1, None, closed="left")],
        "n_layers": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "max_tokens": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self, width: int = 128, n_heads: int = 4, n_layers: int = 1, dropout: float = 0.1, max_tokens: int | None = 16
    ):
        self.width = width
        self.n_heads = n_heads
        self.n_layers = n_layers
        self.dropout = dropout
        self.max_tokens = max_tokens

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int]) -> Self:
        check_heads(self)
        self.parts = make_parts(widths, token_widths, self.width, self.max_tokens)
        self.layers = nn.ModuleList(
            nn.ModuleList(FusionLayer(self.width, self.n_heads, self.dropout, looks_at_others=True) for _ in widths)
            for _ in range(self.n_layers)
        )
        self.out_features = self.width
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        pairs = [read(f, here) for read, f, here in zip(self.parts, features.values(), present.unbind(1), strict=True)]
        blocks, masks = map(list, zip(*pairs, strict=True))
        for layers in self.layers:
            blocks = [self._look_around(place, layer, blocks, masks) for place, layer in enumerate(layers)]
        pooled = [masked_mean(parts, mask) for parts, mask in zip(blocks, masks, strict=True)]
        return masked_mean(torch.stack(pooled, 1), present)  # (batch, width)

    def _look_around(self, place, layer, blocks, masks):
        """Return the parts of a block after one layer."""
        parts, mask = blocks[place], masks[place]
        nothing = torch.zeros_like(parts[:, :1]), torch.ones_like(mask[:, :1])
        others = torch.cat([nothing[0], *blocks[:place], *blocks[place + 1 :]], 1)
        others_mask = torch.cat([nothing[1], *masks[:place], *masks[place + 1 :]], 1)
        absent = ~mask.any(1, keepdim=True)  # attends to itself, as softmax needs something; the result is not used
        return layer(parts, parts, mask | absent, others, others_mask)  # (batch, n_parts, width)
