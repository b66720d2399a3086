"""Pictures to features: convolutional networks that are trained from scratch."""

import math
from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Features, ImageEncoder
from sklearn_mm.encoders._norm import BatchNorm2d
from sklearn_mm.encoders._places import places
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.utils._validation import Interval, StrOptions, TupleOf

__all__ = ["CNNEncoder", "ResNetEncoder"]

_POSITIVE = Interval(Integral, 1, None, closed="left")
_LEAST_STRIDED = 8  # channels that a 1 × 1 convolution with a stride takes


class CNNEncoder(ImageEncoder):
    """Read pictures with a plain stack of convolutions, each followed by a rectifier and 2 × 2 max-pooling.

    Parameters
    ----------
    channels : tuple of int, default=(32, 64, 128)
        Number of filters of each convolution. Each further one halves the picture's sides and sees twice as far.
    kernel_size : int, default=3
        Side of the filters, in pixels.
    padding : {"same", "valid"}, default="same"
        Whether the picture is framed with zeros so that a convolution keeps its size, or loses
        ``kernel_size - 1`` pixels of each side.
    norm : {"batch"} or None, default="batch"
        What follows each convolution: batch normalisation, with which training is faster and less sensitive to the
        learning rate, or nothing.
    pool : {"mean", "max", "flatten"}, default="mean"
        How the places of the last map become one vector: their mean, their maximum, or all of them side by side.
        "flatten" keeps where things are, but makes ``out_features`` grow with the size of the picture.
    dense_units : int or None, default=None
        Width of a fully connected layer with a rectifier that the pooled vector goes through. None leaves it out.
    dropout : float, default=0.0
        Share of the values of the result, in [0, 1), that are set to zero in training. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``, one per place of the last map, row by row: the last of ``channels``.
    fixed_length : bool
        True with ``pool="flatten"``: pictures must then be as large as the spec says.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition. Proceedings of the IEEE
    86(11), 1998.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import CNNEncoder
    >>> from sklearn_mm.preprocessing import ImageSpec
    >>> spec = ImageSpec(shape=(64, 64, 3), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    >>> encoder = CNNEncoder(channels=(32, 64), padding="valid", norm=None, pool="flatten").build(spec)
    >>> pictures = encoder.prepare(torch.zeros(2, 64, 64, 3, dtype=torch.uint8))
    >>> features = encoder(pictures)
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 12544]), torch.Size([2, 196, 64]))
    """

    _parameter_constraints = {
        "channels": [TupleOf(_POSITIVE, min_length=1)],
        "kernel_size": [_POSITIVE],
        "padding": [StrOptions({"same", "valid"})],
        "norm": [StrOptions({"batch"}), None],
        "pool": [StrOptions({"mean", "max", "flatten"})],
        "dense_units": [_POSITIVE, None],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        channels: tuple[int, ...] = (32, 64, 128),
        kernel_size: int = 3,
        padding: str = "same",
        norm: str | None = "batch",
        pool: str = "mean",
        dense_units: int | None = None,
        dropout: float = 0.0,
    ):
        self.channels = channels
        self.kernel_size = kernel_size
        self.padding = padding
        self.norm = norm
        self.pool = pool
        self.dense_units = dense_units
        self.dropout = dropout

    @property
    def fixed_length(self) -> bool:
        """Whether the layers after this one depend on the size of the picture."""
        return self.pool == "flatten"

    def build(self, spec: BlockSpec) -> Self:
        super().build(spec)
        n_places = math.prod(self._map_side(side, spec) for side in spec.shape[:2])
        layers, width = [], spec.shape[2]
        for n_filters in self.channels:
            layers.append(nn.Conv2d(width, n_filters, self.kernel_size, padding=self.padding, bias=self.norm is None))
            if self.norm == "batch":
                layers.append(BatchNorm2d(n_filters))
            layers += [nn.MaxPool2d(2), nn.ReLU()]  # the same as the other way round, on a quarter of the values
            width = n_filters
        self.layers = nn.Sequential(*layers)
        self.token_features = width
        self.out_features = n_places * width if self.pool == "flatten" else width
        self.drop = nn.Dropout(self.dropout)
        self.dense = nn.Identity()
        if self.dense_units is not None:
            self.dense = nn.Sequential(nn.Linear(self.out_features, self.dense_units), nn.ReLU())
            self.out_features = self.dense_units
        return self.to(memory_format=torch.channels_last)  # as `prepare` hands pictures over; faster on most devices

    def _map_side(self, side, spec):
        """Return the side of the last map for a picture of this side."""
        for _ in self.channels:
            side = (side - (self.kernel_size - 1 if self.padding == "valid" else 0)) // 2
        if side < 1:
            height, width = spec.shape[:2]
            needed = 1
            for _ in self.channels:
                needed = 2 * needed + (self.kernel_size - 1 if self.padding == "valid" else 0)
            out = "use fewer channels" + (", or padding='same'" if self.padding == "valid" else "")
            raise ValueError(
                f"CNNEncoder with channels={self.channels!r}, kernel_size={self.kernel_size} and "
                f"padding={self.padding!r} leaves nothing of the {height} × {width} pixels of block {spec.name!r}. "
                f"Read pictures of at least {needed} × {needed} pixels (`size` of ImageTransformer), or {out}."
            )
        return side

    def forward(self, x: torch.Tensor) -> Features:
        tokens = places(self.layers(self.normalise(x)))  # (batch, n_places, channels[-1])
        if self.pool == "flatten":
            pooled = tokens.flatten(1)
        else:
            pooled = tokens.mean(1) if self.pool == "mean" else tokens.amax(1)
        return Features(self.drop(self.dense(pooled)), tokens, tokens.new_ones(tokens.shape[:2], dtype=torch.bool))


class ResNetEncoder(ImageEncoder):
    """Read pictures with a small residual network, made to be trained from scratch on some hundred to thousand rows.

    A stem of strided convolutions first brings the picture down to about ``map_size`` pixels, so that large pictures
    cost little more than small ones; then come the residual stages, each at half the size of the one before.

    Parameters
    ----------
    widths : tuple of int, default=(32, 64, 128, 192)
        Number of filters of the stem and of each stage. Wider and more stages fit more; the last is the width of the
        result.
    n_blocks : int, default=1
        Number of residual blocks, of two convolutions each, in a stage. More is slower, and rarely better on few rows.
    map_size : int, default=16
        Side in pixels that the stem brings a square picture down to, as nearly as halving can; a longer picture is
        halved as often as a square of its area. Larger sees finer detail; time grows with its square.
    dropout : float, default=0.0
        Share of the values of the result, in [0, 1), that are set to zero in training. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`: the last of ``widths``.
    token_features : int
        Width of ``tokens``, one per place of the last map, row by row: the last of ``widths``.

    Notes
    -----
    Pictures of any size from 1 pixel on are taken. Where a map has a single place and a training batch a single row,
    batch normalisation goes by the statistics of the batches before.

    References
    ----------
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import ResNetEncoder
    >>> from sklearn_mm.preprocessing import ImageSpec
    >>> spec = ImageSpec(shape=(64, 64, 3), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    >>> encoder = ResNetEncoder().build(spec)
    >>> features = encoder(encoder.prepare(torch.zeros(2, 64, 64, 3, dtype=torch.uint8)))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 192]), torch.Size([2, 4, 192]))
    """

    _parameter_constraints = {
        "widths": [TupleOf(_POSITIVE, min_length=1)],
        "n_blocks": [_POSITIVE],
        "map_size": [_POSITIVE],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self, widths: tuple[int, ...] = (32, 64, 128, 192), n_blocks: int = 1, map_size: int = 16, dropout: float = 0.0
    ):
        self.widths = widths
        self.n_blocks = n_blocks
        self.map_size = map_size
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        super().build(spec)
        n_halvings = max(0, round(math.log2(math.sqrt(math.prod(spec.shape[:2])) / self.map_size)))
        strides = [4] + [2] * (n_halvings - 2) if n_halvings > 2 else [2] * n_halvings or [1]
        stem_widths = [min(self.widths[0], max(16, self.widths[0] >> n)) for n in reversed(range(len(strides)))]
        layers, width = [], spec.shape[2]
        for n_filters, stride in zip(stem_widths, strides, strict=True):
            layers += [_conv_norm(width, n_filters, max(3, 2 * stride - 1), stride), nn.ReLU()]
            width = n_filters
        for n_filters in self.widths[1:]:
            for stride in [2] + [1] * (self.n_blocks - 1):
                layers.append(_ResidualBlock(width, n_filters, stride))
                width = n_filters
        self.layers = nn.Sequential(*layers)
        self.drop = nn.Dropout(self.dropout)
        self.out_features = self.token_features = width
        return self.to(memory_format=torch.channels_last)  # as `prepare` hands pictures over; faster on most devices

    def forward(self, x: torch.Tensor) -> Features:
        tokens = places(self.layers(self.normalise(x)))  # (batch, n_places, widths[-1])
        return Features(self.drop(tokens.mean(1)), tokens, tokens.new_ones(tokens.shape[:2], dtype=torch.bool))


class _ResidualBlock(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, width, n_filters, stride):
        super().__init__()
        self.body = nn.Sequential(
            _conv_norm(width, n_filters, 3, stride), nn.ReLU(), _conv_norm(n_filters, n_filters, 3, 1)
        )
        same = stride == 1 and width == n_filters
        # On processors without AVX-512, torch 2.13 writes past its memory in the gradient of such strided 1 × 1.
        self.step = stride if width < _LEAST_STRIDED else 1
        self.shortcut = nn.Identity() if same else _conv_norm(width, n_filters, 1, stride // self.step)

    def forward(self, x):
        return (self.body(x) + self.shortcut(x[:, :, :: self.step, :: self.step])).relu()


def _conv_norm(width, n_filters, kernel_size, stride):
    convolution = nn.Conv2d(width, n_filters, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return nn.Sequential(convolution, BatchNorm2d(n_filters))


register_encoder("image", "cnn", CNNEncoder)
register_encoder("image", "resnet", ResNetEncoder, default=True)
