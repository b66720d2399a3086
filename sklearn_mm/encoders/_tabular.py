"""Rows of a table to features: numbers and embedded categories through fully connected layers."""

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Features, TabularEncoder
from sklearn_mm.encoders._piecewise_linear import PiecewiseLinear
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.utils._validation import Interval, StrOptions, TupleOf

__all__ = ["MLPEncoder"]

_ACTIVATIONS = {"relu": nn.ReLU, "selu": nn.SELU, "gelu": nn.GELU}
_N_RESERVED = 2  # codes 0, "not seen in fit", and 1, "missing"
_MOST_SHARES = 1024  # of bins, of all numbers together: many more are slow, and learnt by heart


class MLPEncoder(TabularEncoder):
    """Map the numbers and categories of a row to one vector through fully connected layers.

    Each category of each column has a learnt vector. The range of each number is split into bins with about equally
    many training rows, and the number is also given as the share of each bin that lies below it, so that what it says
    can jump at any place. Vectors, numbers and shares, side by side, go through the layers.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128, 128)
        Widths of the layers; the last is that of the result. Larger fits more and needs more rows. With an empty tuple
        the numbers, shares of bins and vectors of the categories are the result.
    activation : {"selu", "relu", "gelu"}, default="selu"
        What follows each layer. "selu" keeps what lies below zero and learns fastest on small tables.
    embedding_dim : int, default=8
        Width of the vector of each category.
    n_bins : int or None, default=16
        Most bins of each number; fewer where there are many numbers, so that all together have 1024 at most, and none
        for more than 512. More follow jumps and bends more closely, fewer leave less to learn by heart. None gives the
        numbers alone.
    code_dropout : float, default=0.05
        Share of the categories of a batch, in [0, 1), that are hidden in training: they are treated as not seen in
        ``fit``, so that the network has learnt what to do with one. With 0 such a category adds nothing.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero after each layer in training. Larger regularises more.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``: there is one per row, the same vector as ``pooled``.

    Notes
    -----
    The vectors of code 0 (not seen in ``fit``) and code 1 (missing) start at zero. Where a column had nothing missing
    in ``fit``, that of code 1 stays there, and what is missing later adds nothing.

    References
    ----------
    Gorishniy, Rubachev, Babenko: On Embeddings for Numerical Features in Tabular Deep Learning. NeurIPS 2022.

    Guo, Berkhahn: Entity Embeddings of Categorical Variables. arXiv:1604.06737, 2016.

    Klambauer, Unterthiner, Mayr, Hochreiter: Self-Normalizing Neural Networks. NeurIPS 2017.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import MLPEncoder
    >>> from sklearn_mm.preprocessing import TabularSpec
    >>> spec = TabularSpec(shape=(), n_numbers=3, cardinalities=(5, 4))
    >>> encoder = MLPEncoder(hidden_layer_sizes=(64, 32)).build(spec).eval()
    >>> rows = {"numbers": torch.randn(10, 3), "codes": torch.randint(4, (10, 2))}
    >>> encoder(rows).pooled.shape
    torch.Size([10, 32])
    """

    _parameter_constraints = {
        "hidden_layer_sizes": [TupleOf(Interval(Integral, 1, None, closed="left"))],
        "activation": [StrOptions(set(_ACTIVATIONS))],
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "n_bins": [Interval(Integral, 2, None, closed="left"), None],
        "code_dropout": [Interval(Real, 0, 1, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (128, 128),
        activation: str = "selu",
        embedding_dim: int = 8,
        n_bins: int | None = 16,
        code_dropout: float = 0.05,
        dropout: float = 0.1,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.embedding_dim = embedding_dim
        self.n_bins = n_bins
        self.code_dropout = code_dropout
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        width = spec.n_numbers + self.embedding_dim * len(spec.cardinalities)
        if width == 0:
            raise ValueError(f"MLPEncoder got block {spec.name!r} with neither numbers nor categories.")
        n_bins = min(self.n_bins or 0, _MOST_SHARES // max(spec.n_numbers, 1))
        self.bins = PiecewiseLinear(spec.n_numbers, n_bins) if n_bins > 1 and spec.n_numbers else None
        width += 0 if self.bins is None else self.bins.out_features
        if spec.cardinalities:
            first = torch.tensor((0, *spec.cardinalities)).cumsum(0)[:-1]
            self.register_buffer("first_code", first)  # where the codes of each column begin in the one table
            self.embedding = nn.Embedding(sum(spec.cardinalities), self.embedding_dim)
            with torch.no_grad():
                for code in range(_N_RESERVED):
                    self.embedding.weight[first + code] = 0
        layers = []
        for size in self.hidden_layer_sizes:
            layers += [nn.Linear(width, size), _ACTIVATIONS[self.activation](), nn.Dropout(self.dropout)]
            width = size
        self.layers = nn.Sequential(*layers)
        self.out_features = self.token_features = width
        return self

    def start(self, blocks: Any, y: Any, sample_weight: np.ndarray | None, generator: torch.Generator) -> None:
        """Set the bins of the numbers by the training rows that have the block."""
        if self.bins is None:
            return
        present = blocks.present
        numbers = [array["numbers"][here] for array, here in zip(blocks.values(), present.T, strict=True)]
        weight = [sample_weight[here] for here in present.T]
        self.bins.start(np.concatenate(numbers), np.concatenate(weight), generator)

    def forward(self, x: dict[str, torch.Tensor]) -> Features:
        numbers = x["numbers"]
        shares = [] if self.bins is None else [self.bins(numbers)]
        pooled = self.layers(torch.cat([numbers, *shares, *self._embed(x["codes"])], 1))  # (batch, out_features)
        return Features(pooled, pooled.unsqueeze(1), pooled.new_ones(len(pooled), 1, dtype=torch.bool))

    def _embed(self, codes):
        if codes.shape[1] == 0:
            return []
        if self.training and self.code_dropout > 0:
            codes = codes * (torch.rand(codes.shape, device=codes.device) >= self.code_dropout)
        return [self.embedding(codes + self.first_code).flatten(1)]  # (batch, n_categories * embedding_dim)


register_encoder("tabular", "mlp", MLPEncoder, default=True)
