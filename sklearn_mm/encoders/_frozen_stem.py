"""The frozen part of a module of which the rest is trained (fine-tuning of the last layers)."""

import torch
import torch.nn as nn

from sklearn_mm.encoders._base import ImageEncoder
from sklearn_mm.encoders._shared_layers import SharedLayersMixin
from sklearn_mm.utils._shared_module import share

__all__ = ["FrozenStem", "inputs_of"]


class FrozenStem(SharedLayersMixin, nn.Module):
    """Map prepared tensors of a block to a dict of tensors, in ``eval`` mode and without gradients.

    Parameters
    ----------
    encoder : Encoder
        Built for the block as far as its kind, mean and standard deviation go.
    layers : torch.nn.Module
        What computes; it is copied.
    """

    def __init__(self, encoder, layers):
        super().__init__()
        self.kind = encoder.kind
        if self.kind == "image":
            self.register_buffer("mean", encoder.mean.clone())
            self.register_buffer("std", encoder.std.clone())
        self.layers = share(layers)
        self.layers.requires_grad_(False)
        self.train(False)

    def train(self, mode=True):
        """Stay in ``eval`` mode, as do the layers that others have too."""
        self.training = False
        return self

    def forward(self, x):
        """Return ``values`` and, of texts, which ids are no padding as ``mask``."""
        with torch.no_grad():
            values = self.layers(*inputs_of(self, x))
        if not isinstance(values, torch.Tensor):
            raise TypeError(
                f"ModuleEncoder: the layers that are not trained return a {type(values).__name__} to those that are. "
                "Choose `trainable` so that they return one tensor."
            )
        return {"values": values, "mask": x != 0} if self.kind == "text" else {"values": values}


def inputs_of(module, x):
    """Return what a user's module is called with, for a prepared tensor of a block of ``module.kind``."""
    if module.kind == "image":
        return (ImageEncoder.normalise(module, x),)
    if module.kind == "tabular":
        return (x["numbers"], x["codes"]) if x["codes"].shape[1] else (x["numbers"],)
    return (x,)
