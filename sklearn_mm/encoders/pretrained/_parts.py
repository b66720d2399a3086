"""A pretrained network as encoders compute it: whole, or what is computed once and what is trained."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders._shared_layers import SharedLayersMixin
from sklearn_mm.encoders.pretrained._layer_stack import resume, states_of
from sklearn_mm.encoders.pretrained._references import ReferencedLayers
from sklearn_mm.encoders.pretrained._towers import Encoded, coarser

__all__ = ["Backbone", "FrozenPart", "PartAbove", "ids_of", "tokens_of"]


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
        return self.encode(x)[0]

    def encode(self, x):
        """Return what `forward` does, which arguments are there, and what goes into `tapped` layers and out of them."""
        arguments, mask = self.arguments(x)
        output, states = states_of(self.layers, lambda model: self.tower.run(model, arguments))
        last = self.tower.read(output, mask)
        if self.states is None:
            return last, mask, states
        of_layers = [*map(self.tower.tokens_of, states[:-1]), last.tokens]  # what follows the last layer belongs to it
        tokens = torch.stack([of_layers[number] for number in self.states]).mean(0)
        fits = last.mask.shape == tokens.shape[:2]  # lower layers of convolutions have more places, all of them there
        of_tokens = last.mask if fits else tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        return Encoded(tokens, of_tokens, None), mask, states


class FrozenPart(nn.Module):
    """Map prepared tensors to what is computed once per row, of a network of which a part or a copy is trained.

    These are ``pooled``, the vector of the network as it came, which a linear model may see, and what training goes on
    from: with padded ids ``tokens`` and ``mask``, else ``values`` and, where not all are there, ``mask``.

    Parameters
    ----------
    backbone : Backbone
        The network; `tapped` where ``start`` is the number of a layer.
    pool : TokenPooling
        Makes its vector.
    start : int or None
        From where on something is trained: with 0 all of it, with a number the layers from this one on, with None what
        comes after the last one.
    padded : bool
        Whether rows are padded ids.
    """

    def __init__(self, backbone, pool, start, padded):
        super().__init__()
        self.backbone = backbone
        self.pool = pool
        self.start = start
        self.gives_tokens = padded
        self.requires_grad_(False)
        self.train()

    def train(self, mode=True):
        """Stay in ``eval`` mode, as do the layers that others have too."""
        self.training = False
        for child in self.children():
            if child.training:
                child.eval()
        return self

    def forward(self, x):
        with torch.no_grad():
            encoded, mask, states = self.backbone.encode(x)
            pooled = self.pool(encoded)
        if self.start is None:
            hidden, mask = encoded.tokens, encoded.mask
        else:
            hidden = states[self.start] if self.start else None
            mask = x != 0 if self.gives_tokens else mask
        if not self.gives_tokens:
            tensors = {"pooled": pooled, "values": hidden}
            return tensors if mask is None else {**tensors, "mask": coarser(mask, hidden.shape[1])}
        if self.start is None:
            return {"pooled": pooled, "tokens": hidden, "mask": mask}
        ids = x.unsqueeze(2).to(pooled.dtype)  # those below 2**24 are whole numbers in float32
        if hidden is not None:
            n_lacking = hidden.shape[1] - ids.shape[1]
            ids, mask = F.pad(ids, (0, 0, 0, n_lacking)), F.pad(mask, (0, n_lacking), value=True)
            ids = torch.cat([hidden, ids], 2)
        return {"pooled": pooled, "tokens": ids, "mask": mask}


def tokens_of(tensors):
    """Return as `Encoded` the tokens that a `FrozenPart` made of rows, of which the pooling alone is trained."""
    tokens = tensors["values"] if "values" in tensors else tensors["tokens"]
    mask = tensors["mask"].bool() if "mask" in tensors else tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
    return Encoded(tokens, mask, None)


def ids_of(tensors):
    """Return the ids that a `FrozenPart` has beside the states of rows."""
    return tensors["tokens"][:, :, -1].round().long()


class PartAbove(nn.Module):
    """Map what a `FrozenPart` made of rows to `Encoded`.

    Parameters
    ----------
    layers : torch.nn.Module
        A `part_above`.
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
            hidden, x = tensors["tokens"][:, :, :-1], ids_of(tensors)
        arguments, mask = self.arguments(x)
        if "values" in tensors:
            mask = tensors["mask"].bool() if "mask" in tensors else None
        return self.tower.read(resume(self.layers, hidden, lambda model: self.tower.run(model, arguments)), mask)
