"""A pretrained network as encoders compute it: whole, or the parts below and above where training begins."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders._shared_layers import SharedLayersMixin
from sklearn_mm.encoders.pretrained._layer_stack import Reached, resume, states_of
from sklearn_mm.encoders.pretrained._references import ReferencedLayers
from sklearn_mm.encoders.pretrained._towers import Encoded, coarser

__all__ = ["Backbone", "PartAbove", "PartBelow", "WholeBelow", "encoded_of"]


class _Layers(SharedLayersMixin, nn.Module):
    """What has ``layers``; their pickles refer to those of a checkpoint if there is a ``source``."""

    source = None

    def __getstate__(self):
        state = super().__getstate__()
        if self.source is None:
            return state
        modules = {name: module for name, module in self._modules.items() if name != "layers"}
        return {**state, "_modules": modules, "layers": ReferencedLayers(self.layers, self.source)}


class Backbone(_Layers):
    """Map prepared tensors of a block to what a network says of them, `Encoded`.

    Parameters
    ----------
    layers : torch.nn.Module
        The network.
    tower : Tower
        How it is called.
    arguments : torch.nn.Module
        Makes its arguments.
    states : tuple of int, default=None
        Of what goes into the layers and out of them (0 and from 1 on), which are averaged; None for what the network
        returns.
    """

    def __init__(self, layers, tower, arguments, states=None):
        super().__init__()
        self.layers = layers
        self.tower = tower
        self.arguments = arguments
        self.states = states

    def forward(self, x):
        arguments, mask = self.arguments(x)
        if self.states is None:
            return self.tower.read(self.tower.run(self.layers, arguments), mask)
        output, states = states_of(self.layers, lambda model: self.tower.run(model, arguments))
        last = self.tower.read(output, mask)
        states[-1] = last.tokens  # what comes after the last layer belongs to it
        states = [self.tower.tokens_of(state) for state in states]
        tokens = torch.stack([states[number] for number in self.states]).mean(0)
        fits = last.mask.shape == tokens.shape[:2]  # lower layers of convolutions have more places, all of them there
        return Encoded(tokens, last.mask if fits else tokens.new_ones(tokens.shape[:2], dtype=torch.bool), None)


class _Below(nn.Module):
    """What is computed once per row, since training leaves it as it is.

    Parameters
    ----------
    padded : bool
        Whether rows are padded ids: then what is made of a row is its ``tokens``, and which of them are there, beside a
        ``pooled`` that says nothing.
    """

    def __init__(self, padded):
        super().__init__()
        self.gives_tokens = padded

    def train(self, mode=True):
        """Stay in ``eval`` mode, as do the layers that others have too."""
        super().train(False)
        return self


class PartBelow(_Layers, _Below):
    """Map prepared tensors to what goes into the first layer that is trained.

    Parameters
    ----------
    layers : torch.nn.Module
        The first part of a `cut`, shared.
    tower : Tower
        How it is called.
    arguments : torch.nn.Module
        Makes its arguments.
    padded : bool
        As of all such; tokens then come with their ids.
    """

    def __init__(self, layers, tower, arguments, padded):
        super().__init__(padded)
        self.layers = layers
        self.tower = tower
        self.arguments = arguments
        self.train()

    def forward(self, x):
        arguments, mask = self.arguments(x)
        try:
            with torch.no_grad():
                self.tower.run(self.layers, arguments)
        except Reached as reached:
            hidden = reached.hidden
        if not self.gives_tokens:
            return {"values": hidden} | ({} if mask is None else {"mask": coarser(mask, hidden.shape[1])})
        ids = F.pad(x, (0, hidden.shape[1] - x.shape[1])).unsqueeze(2)
        tokens = torch.cat([hidden, ids.to(hidden.dtype)], 2)  # ids below 2**24 are whole numbers in float32
        return {"pooled": tokens.new_zeros(len(x), 1), "tokens": tokens, "mask": mask}


class WholeBelow(_Below):
    """Map prepared tensors to the tokens of a whole network, of which the pooling alone is trained.

    Parameters
    ----------
    backbone : Backbone
        The network.
    padded : bool
        As of all such.
    """

    def __init__(self, backbone, padded):
        super().__init__(padded)
        self.backbone = backbone
        self.requires_grad_(False)
        self.train()

    def forward(self, x):
        with torch.no_grad():
            tokens, mask, _ = self.backbone(x)
        if not self.gives_tokens:
            return {"values": tokens, "mask": mask}
        return {"pooled": tokens.new_zeros(len(x), 1), "tokens": tokens, "mask": mask}


def encoded_of(tensors):
    """Return the `Encoded` that `WholeBelow` made of rows."""
    tokens = tensors["values"] if "values" in tensors else tensors["tokens"]
    mask = tensors["mask"].bool() if "mask" in tensors else tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
    return Encoded(tokens, mask, None)


class PartAbove(nn.Module):
    """Map what `PartBelow` made of rows to `Encoded`.

    Parameters
    ----------
    layers : torch.nn.Module
        The second part of a `cut`.
    tower : Tower
        How it is called.
    arguments : torch.nn.Module
        Makes its arguments.
    example : tensor
        Prepared rows, of which others differ at most in length.
    """

    def __init__(self, layers, tower, arguments, example):
        super().__init__()
        self.layers = layers
        self.tower = tower
        self.arguments = arguments
        self.shape = tuple(example.shape[1:])

    def forward(self, tensors):
        if "values" in tensors:
            hidden = tensors["values"]
            x = hidden.new_zeros(()).expand(len(hidden), *self.shape)
        else:
            hidden, ids = tensors["tokens"].split([tensors["tokens"].shape[2] - 1, 1], 2)
            x = ids.squeeze(2).round().long()
        arguments, mask = self.arguments(x)
        if "values" in tensors:
            mask = tensors["mask"].bool() if "mask" in tensors else None
        return self.tower.read(resume(self.layers, hidden, lambda model: self.tower.run(model, arguments)), mask)
