"""Heads: the fused vector, and the features of all blocks, in; outputs out."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.encoders import Features
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._registry import Registry
from sklearn_mm.utils._validation import Interval

__all__ = ["Head", "MLPHead", "resolve_head"]


class Head(Component):
    """Base of all heads.

    A subclass owes ``build(fused_features, widths, n_outputs)``, which makes the layers and returns ``self``, and
    ``forward(fused, features, present)``, which returns a tensor (batch, n_outputs). It sees the `Features` of each
    block by name beside the fused vector.

    Attributes
    ----------
    reads_tokens : bool
        Whether the blocks' tokens may change the outputs. Where they do not, those of frozen encoders are not kept.
    token_widths : dict of str to int
        Widths of the blocks' tokens, by name; set before ``build``.
    """

    reads_tokens = True

    def build(self, fused_features: int, widths: dict[str, int], n_outputs: int) -> Self:
        """Make the layers; ``widths`` are those of the blocks' pooled features, by name."""
        raise NotImplementedError

    def forward(self, fused: torch.Tensor, features: dict[str, Features], present: torch.Tensor) -> torch.Tensor:
        """Map fused vectors and the blocks' features to outputs."""
        raise NotImplementedError


class MLPHead(Head):
    """Map the fused vector to the outputs through fully connected layers.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128,)
        Widths of the hidden layers, each followed by a rectifier. With an empty tuple the head is linear: then a sum
        or a concatenation of blocks can only add up what each block says by itself.
    dropout : float, default=0.2
        Share of values set to zero before each layer in training, in [0, 1). Larger regularises more.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import MLPHead
    >>> head = MLPHead(hidden_layer_sizes=(16,)).build(32, {"image": 32}, n_outputs=3)
    >>> head(torch.zeros(5, 32), {}, None).shape
    torch.Size([5, 3])
    """

    reads_tokens = False
    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden_layer_sizes: tuple[int, ...] = (128,), dropout: float = 0.2):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.dropout = dropout

    def build(self, fused_features: int, widths: dict[str, int], n_outputs: int) -> Self:
        """Make the layers; returns ``self``."""
        if not all(isinstance(size, Integral) and size > 0 for size in self.hidden_layer_sizes):
            raise ValueError(f"MLPHead takes hidden_layer_sizes of positive ints, got {self.hidden_layer_sizes!r}.")
        layers, width = [], fused_features
        for size in self.hidden_layer_sizes:
            layers += [nn.Dropout(self.dropout), nn.Linear(width, size), nn.ReLU()]
            width = size
        self.layers = nn.Sequential(*layers, nn.Dropout(self.dropout), nn.Linear(width, n_outputs))
        return self

    def forward(self, fused: torch.Tensor, features: dict[str, Features], present: torch.Tensor) -> torch.Tensor:
        """Map (batch, fused_features) to (batch, n_outputs)."""
        return self.layers(fused)


heads = Registry("head", Head)
heads.register("auto", MLPHead)
heads.register("mlp", MLPHead)
heads.register("linear", lambda: MLPHead(hidden_layer_sizes=(), dropout=0.0))
resolve_head = heads.resolve
