"""The top of a joint space: each block is projected into one space, in which those of a row are near each other."""

import math
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders import Features
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._hub_components import HubComponents
from sklearn_mm.networks._term_space import TermSpace
from sklearn_mm.networks._tops import Top

__all__ = ["JointSpaceTop"]

_LARGEST_SCALE = 100.0  # of cosines, as in CLIP: the smallest temperature is 0.01, the largest 1
_TRAINED_SHARE = 0.25  # of cosines, where there is a space of terms: docs/decisions/0037-joint-spaces.md


class JointSpaceTop(Top):
    """Project what the encoders say of each block into one space, where vectors have unit length.

    Parameters
    ----------
    encoders : BlockEncoders
        What the features come from.
    n_components : int or None
        Width of the space; None leaves the vectors of the encoders as they are.
    hidden_layer_sizes : tuple of int, default=()
        Widths of hidden layers beside the linear projection; they begin with no say.
    dropout : float, default=0.0
        Share of values set to zero before each layer in training.
    temperature : float, default=0.07
        What cosines are divided by in the loss, at first.
    bias : float, default=0.0
        What is added to them then, at first.
    terms : TermSpace, default=None
        A space in closed form, to which the last of the components belong. The loss does not see it.
    """

    reads_tokens = False

    def __init__(
        self,
        encoders: BlockEncoders,
        n_components: int | None,
        *,
        hidden_layer_sizes: tuple[int, ...] = (),
        dropout: float = 0.0,
        temperature: float = 0.07,
        bias: float = 0.0,
        terms: TermSpace | None = None,
    ):
        super().__init__()
        self.names = list(encoders.widths)
        if n_components is None and len(set(encoders.widths.values())) > 1:
            raise ValueError(
                "projection=None takes the vectors of encoders for those of one space, and they have different widths: "
                f'{encoders.widths}. Give a pretrained pair, as by pretrained="clip", or another projection.'
            )
        self.frozen_names = [name for name in self.names if _is_frozen(encoders, name)]
        self.out_features = next(iter(encoders.widths.values())) if n_components is None else n_components
        self.terms = terms
        if terms is not None:
            n_components = n_components - terms.n_components
        self.projections = nn.ModuleList(
            nn.Identity() if n_components is None else _Projection(width, n_components, hidden_layer_sizes, dropout)
            for width in encoders.widths.values()
        )
        self.hubs = None
        share = -math.log(temperature) / math.log(_LARGEST_SCALE)
        share = torch.tensor(min(max(share, 0.01), 0.99))
        self.scale_share = nn.Parameter(torch.logit(share))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    @property
    def scale(self) -> torch.Tensor:
        """What cosines are multiplied by in the loss: one by the temperature, which stays between 0.01 and 1."""
        return _LARGEST_SCALE ** self.scale_share.sigmoid()

    def forward(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> Any:
        """Return what is trained of the vectors of all blocks, (batch, n_blocks, n), and which of them there are."""
        return self._trained(features) * present.unsqueeze(2), present

    def project(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
        """Return the vectors (batch, n_blocks, n_components) of some blocks, zeros where a row lacks one."""
        vectors = self._trained(features)
        if self.terms is not None:
            of_terms = torch.stack([self.terms(name, batch["blocks"][name]) for name in features], 1)
            shares = _TRAINED_SHARE**0.5, (1 - _TRAINED_SHARE) ** 0.5
            vectors = F.normalize(torch.cat([shares[0] * vectors, shares[1] * of_terms.to(vectors.dtype)], 2), dim=2)
        return vectors * present.unsqueeze(2)

    def embed(self, features: dict[str, Features], present: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
        """Return the direction of the mean of a row's vectors, (batch, n_components); zeros if it has none."""
        return F.normalize(self.project(features, present, batch).sum(1), dim=1)

    def start(
        self, projections: dict[str, tuple[torch.Tensor, torch.Tensor]], hubs: HubComponents | None = None
    ) -> None:
        """Let projections begin with weights (width, n) and means (width,), by block; of n < n_components, with zeros.

        Parameters
        ----------
        projections : dict of str to (Tensor, Tensor)
            By block.
        hubs : HubComponents, default=None
            What makes up for hubs, in the last components.
        """
        for name, (weight, mean) in projections.items():
            self.projections[self.names.index(name)].start(weight, mean)
        self.hubs = None if hubs is None else hubs.to(self.bias.device)

    def _trained(self, features):
        """Return vectors (batch, n_blocks, n) of some blocks, as if no row lacked one."""
        vectors = []
        for name, block in features.items():
            place = self.names.index(name)
            projected = F.normalize(self.projections[place](self._scaled(name, block.pooled)), dim=1)
            if self.hubs is not None:
                projected = self.hubs(place, projected[:, : self.hubs.width])
                projected = F.pad(projected, (0, self.out_features - projected.shape[1]))
            vectors.append(projected)
        return torch.stack(vectors, 1)

    def _scaled(self, name, pooled):
        return F.normalize(pooled, dim=1) if name in self.frozen_names else pooled


def _is_frozen(encoders, name):
    """Return whether the vectors of a block are never trained; a pooling of items may be."""
    pooling = encoders.pooling(name)
    return encoders[name].frozen and (pooling is None or not any(True for _ in pooling.parameters()))


class _Projection(nn.Module):
    """A linear map, and a perceptron beside it whose last layer begins with zeros."""

    def __init__(self, width, n_components, hidden_layer_sizes, dropout):
        super().__init__()
        self.linear = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, n_components))
        layers = []
        for size in hidden_layer_sizes:
            layers += [nn.Dropout(dropout), nn.Linear(width, size), nn.GELU()]
            width = size
        if layers:
            last = nn.Linear(width, n_components, bias=False)
            nn.init.zeros_(last.weight)
            layers += [nn.Dropout(dropout), last]
        self.perceptron = nn.Sequential(*layers) if layers else None

    def forward(self, x):
        projected = self.linear(x)
        return projected if self.perceptron is None else projected + self.perceptron(x)

    def start(self, weight, mean):
        linear = self.linear[1]
        with torch.no_grad():
            linear.weight.zero_()
            linear.weight[: weight.shape[1]] = weight.T
            linear.bias.copy_(-linear.weight @ mean.to(linear.weight))
