"""The frozen part of a module of which the rest is trained (fine-tuning of the last layers)."""

import torch
import torch.nn as nn

from sklearn_mm.encoders._base import base_encoder
from sklearn_mm.encoders._shared_layers import SharedLayersMixin
from sklearn_mm.utils._shared_module import share

__all__ = ["FrozenStem"]


class FrozenStem(SharedLayersMixin, nn.Module):
    """Map prepared tensors of a block to a dict of tensors, in ``eval`` mode and without gradients.

    Parameters
    ----------
    spec : BlockSpec
        Describes the block.
    layers : torch.nn.Module
        What computes; it is copied.
    """

    def __init__(self, spec, layers):
        super().__init__()
        self.kind = spec.kind
        base_encoder(self.kind).register_statistics(self, spec)
        self.layers = share(layers)
        self.layers.requires_grad_(False)
        self.train(False)

    def train(self, mode=True):
        """Stay in ``eval`` mode, as do the layers that others have too."""
        self.training = False
        return self

    def forward(self, x):
        """Return ``values`` and, where ``x`` has padding, what is none of it as ``mask``."""
        base = base_encoder(self.kind)
        with torch.no_grad():
            values = self.layers(*base.module_arguments(self, x))
        if not isinstance(values, torch.Tensor):
            raise TypeError(
                f"ModuleEncoder: the layers that are not trained return a {type(values).__name__} to those that are. "
                "Choose `trainable` so that they return one tensor."
            )
        mask = base.token_mask(self, x)
        return {"values": values} if mask is None else {"values": values, "mask": mask}
