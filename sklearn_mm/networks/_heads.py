"""Heads: the fused vector, and the features of all blocks, in; outputs out."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders import Features
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._registry import Registry
from sklearn_mm.utils._validation import Interval

__all__ = ["EnsembleHead", "Head", "MLPHead", "heads", "resolve_head"]


class Head(Component):
    """Base of all heads.

    A subclass owes ``build(fused_features, widths, n_outputs)``, which makes the layers and returns ``self``, and
    ``forward(fused, features, present)``, which returns a tensor (batch, n_outputs). It sees the `Features` of each
    block by name beside the fused vector.

    In training it may return (batch, n_members, n_outputs), outputs of members of which each has a loss of its own; the
    loss of a row is the mean of these. In prediction it returns what they say together.

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
        _check_sizes(self)
        layers, width = [], fused_features
        for size in self.hidden_layer_sizes:
            layers += [nn.Dropout(self.dropout), nn.Linear(width, size), nn.ReLU()]
            width = size
        self.layers = nn.Sequential(*layers, nn.Dropout(self.dropout), nn.Linear(width, n_outputs))
        return self

    def forward(self, fused: torch.Tensor, features: dict[str, Features], present: torch.Tensor) -> torch.Tensor:
        """Map (batch, fused_features) to (batch, n_outputs)."""
        return self.layers(fused)


class EnsembleHead(Head):
    """Map the fused vector to the outputs by many networks that share most of their weights, whose mean predicts.

    Members have the weight matrices of the hidden layers in common (BatchEnsemble). Each has its own factors of what
    goes into such a layer and of what comes out of it, its own biases, and an output layer of its own. They begin with
    random signs as factors of what goes into the first layer, and ones elsewhere (TabM). In training each has a loss of
    its own, beside the same linear part. They err differently, so that their mean errs less than one of them; it is
    the mean of outputs, such as logits, not of probabilities.

    Hidden layers compute as much as those of ``n_members`` heads of type `MLPHead`, with hardly more weights than one.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int, default=(128,)
        Widths of the hidden layers, each followed by a rectifier; at least one.
    n_members : int, default=8
        How many networks there are. More vary less together, and take longer in training and in prediction.
    dropout : float, default=0.2
        Share of values set to zero before each layer in training, in [0, 1): of the fused vector for all members, then
        drawn for each. Larger regularises more.

    References
    ----------
    Wen, Tran, Ba: BatchEnsemble: An Alternative Approach to Efficient Ensemble and Lifelong Learning. ICLR 2020.

    Gorishniy, Kotelnikov, Babenko: TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling. ICLR
    2025.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import EnsembleHead
    >>> head = EnsembleHead(hidden_layer_sizes=(16,), n_members=4).build(32, {"image": 32}, n_outputs=3)
    >>> head.train()(torch.zeros(5, 32), {}, None).shape
    torch.Size([5, 4, 3])
    >>> head.eval()(torch.zeros(5, 32), {}, None).shape
    torch.Size([5, 3])
    """

    reads_tokens = False
    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like"],
        "n_members": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden_layer_sizes: tuple[int, ...] = (128,), n_members: int = 8, dropout: float = 0.2):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_members = n_members
        self.dropout = dropout

    def build(self, fused_features: int, widths: dict[str, int], n_outputs: int) -> Self:
        """Make the layers; returns ``self``."""
        _check_sizes(self)
        if len(self.hidden_layer_sizes) == 0:
            raise ValueError(
                "EnsembleHead needs a hidden layer, got hidden_layer_sizes=(): the mean of linear members is linear. "
                "Use head='linear' for that."
            )
        layers, width = [], fused_features
        for size in self.hidden_layer_sizes:
            layers += [nn.Dropout(self.dropout), _SharedLinear(self.n_members, width, size), nn.ReLU()]
            width = size
        self.layers = nn.Sequential(*layers, nn.Dropout(self.dropout), _OwnLinear(self.n_members, width, n_outputs))
        with torch.no_grad():
            self.layers[1].in_factors.bernoulli_(0.5).mul_(2).sub_(1)
        return self

    def forward(self, fused: torch.Tensor, features: dict[str, Features], present: torch.Tensor) -> torch.Tensor:
        """Map (batch, fused_features) to (batch, n_outputs), in training to (batch, n_members, n_outputs)."""
        outputs = self.layers(fused.unsqueeze(1))  # (batch, n_members, n_outputs); the first factors make members
        return outputs if self.training else outputs.mean(1)

    def parameter_groups(self) -> list[dict]:
        """Return factors and biases, which do not decay: they are vectors, though those of all members are stacked."""
        vectors = [values for name, values in self.layers.named_parameters() if not name.endswith("weight")]
        return [{"params": vectors, "weight_decay": 0.0}]


class _SharedLinear(nn.Module):
    """A linear layer of members that differ in factors of inputs and outputs, and in biases; (batch, n_members, …)."""

    def __init__(self, n_members, in_features, out_features):
        super().__init__()
        layer = nn.Linear(in_features, out_features)
        self.weight = layer.weight
        self.in_factors = nn.Parameter(torch.ones(n_members, in_features))
        self.out_factors = nn.Parameter(torch.ones(n_members, out_features))
        self.bias = nn.Parameter(layer.bias.detach().repeat(n_members, 1))

    def forward(self, x):
        return F.linear(x * self.in_factors, self.weight) * self.out_factors + self.bias


class _OwnLinear(nn.Module):
    """A linear layer for each member, (batch, n_members, …)."""

    def __init__(self, n_members, in_features, out_features):
        super().__init__()
        layers = [nn.Linear(in_features, out_features) for _ in range(n_members)]
        self.weight = nn.Parameter(torch.stack([layer.weight.detach().T for layer in layers]))  # (n_members, in, out)
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x):
        return (x.transpose(0, 1) @ self.weight).transpose(0, 1) + self.bias


def _check_sizes(head):
    """Raise where widths of hidden layers are none."""
    if not all(isinstance(size, Integral) and size > 0 for size in head.hidden_layer_sizes):
        raise ValueError(
            f"{type(head).__name__} takes hidden_layer_sizes of positive ints, got {head.hidden_layer_sizes!r}."
        )


heads = Registry("head", Head)
heads.register("auto", MLPHead)
heads.register("mlp", MLPHead)
heads.register("ensemble", EnsembleHead)
heads.register("linear", lambda: MLPHead(hidden_layer_sizes=(), dropout=0.0))
resolve_head = heads.resolve
