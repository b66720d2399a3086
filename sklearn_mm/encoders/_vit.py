"""Pictures to features by self-attention."""

import math
from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Features, ImageEncoder
from sklearn_mm.encoders._norm import BatchNorm2d
from sklearn_mm.encoders._places import places
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.encoders._self_attention_layers import AttentionLayers
from sklearn_mm.utils._token_pooling import check_heads
from sklearn_mm.utils._validation import Interval, StrOptions
from sklearn_mm.utils._waves import waves

__all__ = ["ViTEncoder"]

_POSITIVE = Interval(Integral, 1, None, closed="left")
_FEWEST_FILTERS = 16
_N_PATCHES = 8  # along the side of a square, about, with patch_size="auto"


class ViTEncoder(ImageEncoder):
    """Cut pictures into patches, and let the patches read each other.

    The vision transformer (Dosovitskiy et al., 2021), small, with what lets it be trained from scratch on some hundred
    to thousand pictures: a few convolutions read the patches (Xiao et al., 2021), the places are sines and cosines of
    row and column (Beyer et al., 2022), and layers add little at first (Touvron et al., 2021). A `ResNetEncoder` still
    learns faster from few pictures.

    Parameters
    ----------
    patch_size : int or "auto", default="auto"
        Side of a patch, in pixels. Smaller ones see finer detail; time grows with the fourth power of what the side
        shrinks by. "auto" takes the power of two that gives nearest to 8 patches along the side of a square, and of a
        longer picture that for a square of its area. The last patches of a side that is no multiple hang over the
        edge, where they see the mean colour.
    stem : {"conv", "patch"}, default="conv"
        What reads the patches: convolutions that halve the picture until a patch is one place, for which ``patch_size``
        must be a power of two; or one linear map of the patch's pixels, as in the paper, which needs many more
        pictures.
    width : int, default=128
        Width of the tokens and of the result. A multiple of ``n_heads``.
    n_layers : int, default=2
        Number of layers of self-attention. More need more pictures, and time in proportion.
    n_heads : int, default=4
        Number of parts of the width that attend independently of each other.
    mlp_ratio : int, default=2
        Width of the hidden layer of each perceptron, as a multiple of ``width``.
    pool : {"mean", "max", "token"}, default="mean"
        How the tokens become one vector: their mean, their maximum, or as a learnt vector (the class token) that is
        put before them and reads them.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero in training: of the tokens, of the attention, and of what each
        layer adds. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: ``width``.
    token_features : int
        Width of ``tokens``, one per patch, row by row: ``width``.

    References
    ----------
    Dosovitskiy et al.: An Image Is Worth 16x16 Words: Transformers for Image Recognition at Scale. ICLR 2021.

    Xiao, Singh, Mintun, Darrell, Dollár, Girshick: Early Convolutions Help Transformers See Better. NeurIPS 2021.

    Touvron, Cord, Sablayrolles, Synnaeve, Jégou: Going Deeper with Image Transformers. ICCV 2021.

    Beyer, Zhai, Kolesnikov: Better Plain ViT Baselines for ImageNet-1k. arXiv:2205.01580, 2022.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import ViTEncoder
    >>> from sklearn_mm.preprocessing import ImageSpec
    >>> spec = ImageSpec(shape=(64, 64, 3), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    >>> encoder = ViTEncoder().build(spec)
    >>> features = encoder(encoder.prepare(torch.zeros(2, 64, 64, 3, dtype=torch.uint8)))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 128]), torch.Size([2, 64, 128]))
    """

    _parameter_constraints = {
        "patch_size": [_POSITIVE, StrOptions({"auto"})],
        "stem": [StrOptions({"conv", "patch"})],
        "width": [_POSITIVE],
        "n_layers": [_POSITIVE],
        "n_heads": [_POSITIVE],
        "mlp_ratio": [_POSITIVE],
        "pool": [StrOptions({"mean", "max", "token"})],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        patch_size: int | str = "auto",
        stem: str = "conv",
        width: int = 128,
        n_layers: int = 2,
        n_heads: int = 4,
        mlp_ratio: int = 2,
        pool: str = "mean",
        dropout: float = 0.1,
    ):
        self.patch_size = patch_size
        self.stem = stem
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.mlp_ratio = mlp_ratio
        self.pool = pool
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        super().build(spec)
        check_heads(self)
        height, width, n_channels = spec.shape
        patch_size = self._patch_size(height, width)
        self.overhang = (0, -width % patch_size, 0, -height % patch_size)  # pixels: left, right, above, below
        if self.stem == "patch":
            self.patches = nn.Conv2d(n_channels, self.width, patch_size, patch_size)
        else:
            self.patches = self._convolutions(n_channels, patch_size)
        self.norm = nn.LayerNorm(self.width)  # so that the patches are heard above the places
        self.layers = AttentionLayers(self.width, self.n_layers, self.n_heads, self.mlp_ratio, self.dropout, self.pool)
        self.out_features = self.token_features = self.width
        return self.to(memory_format=torch.channels_last)  # as `prepare` hands pictures over; faster on most devices

    def _patch_size(self, height, width):
        if self.patch_size == "auto":
            return 2 ** max(0, round(math.log2(math.sqrt(height * width) / _N_PATCHES)))
        if self.stem == "conv" and self.patch_size.bit_count() > 1:
            raise ValueError(
                f"ViTEncoder with stem='conv' needs a power of two as patch_size, got {self.patch_size}. Give "
                f"{2 ** round(math.log2(self.patch_size))}, or stem='patch'."
            )
        return self.patch_size

    def _convolutions(self, n_channels, patch_size):
        n_halvings = patch_size.bit_length() - 1
        layers = []
        for n_left in reversed(range(max(1, n_halvings))):
            n_filters = max(_FEWEST_FILTERS, self.width >> n_left)
            stride = 2 if n_halvings else 1
            layers += [nn.Conv2d(n_channels, n_filters, 3, stride, padding=1, bias=False)]
            layers += [BatchNorm2d(n_filters), nn.ReLU()]
            n_channels = n_filters
        return nn.Sequential(*layers, nn.Conv2d(n_channels, self.width, 1))

    def forward(self, x: torch.Tensor) -> Features:
        maps = self.patches(F.pad(self.normalise(x), self.overhang))  # (batch, width, n_rows, n_columns)
        n_rows, n_columns = maps.shape[2:]
        tokens = self.norm(places(maps))  # (batch, n_rows * n_columns, width)
        half = self.width // 2
        row = waves(n_rows, half, tokens).repeat_interleave(n_columns, 0)
        column = waves(n_columns, self.width - half, tokens).repeat(n_rows, 1)
        mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        pooled, tokens = self.layers(tokens + torch.cat([row, column], 1), mask)
        return Features(pooled, tokens, mask)


register_encoder("image", "vit", ViTEncoder)
