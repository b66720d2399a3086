"""A user's own torch module as an encoder, for blocks of any kind."""

from numbers import Integral
from typing import Any, Self

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Encoder, Features, base_encoder
from sklearn_mm.encoders._frozen_stem import FrozenStem
from sklearn_mm.encoders._places import places
from sklearn_mm.encoders._shared_layers import SharedLayersMixin
from sklearn_mm.utils._fingerprint import copy_module
from sklearn_mm.utils._held_module import HeldModule, hold
from sklearn_mm.utils._shared_module import share
from sklearn_mm.utils._tensors import as_tensors
from sklearn_mm.utils._token_pooling import masked_mean
from sklearn_mm.utils._validation import Interval

__all__ = ["ModuleEncoder"]


class ModuleEncoder(SharedLayersMixin, Encoder):
    """Let a torch module of one's own, trained elsewhere or not, read a block.

    The module gets what is usual for the kind of the block:

    - image: float32 (batch, channels, height, width), normalised with the block's mean and standard deviation;
    - text: int64 (batch, length), 0 for padding;
    - tabular: float32 (batch, n_numbers) and, as a second argument if there are categories, int64 (batch,
      n_categories);
    - any other kind: the block's tensor as it is stored.

    It returns vectors (batch, width), one per row; or tokens (batch, n_tokens, width), which are averaged; or maps
    (batch, width, map_height, map_width), whose places are the tokens.

    Parameters
    ----------
    module : torch.nn.Module
        What reads the block. The instance itself is neither trained nor changed: it is copied, once per process
        if it stays as it is.
    trainable : {"none", "all"} or str, default="none"
        Whether the module stays as it is (in ``eval`` mode, without gradients) or is trained with the rest of the
        network. What one that stays as it is makes of a row is computed once per ``fit`` rather than once per epoch, if
        all of it takes no more than about 1 GB, and with the estimator's ``memory=`` once for all. Training fits more
        and needs more data and time; a trained module wants a small learning rate. Of a `torch.nn.Sequential` the name
        of a child, as "3", trains this one and those after it: what comes before stays as it is, and what it makes of a
        row is computed once.
    width : int or None, default=None
        Width of what the module returns. None finds it out by a dry run, for images, texts and tables.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``, the same. Vectors count as one token per row.

    Notes
    -----
    Where the module returns one token per token id, those of padding are masked and left out of the mean.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import ModuleEncoder
    >>> from sklearn_mm.preprocessing import ImageSpec
    >>> module = torch.nn.Conv2d(3, 10, kernel_size=8, stride=8)
    >>> spec = ImageSpec(shape=(32, 32, 3), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    >>> encoder = ModuleEncoder(module).build(spec)
    >>> features = encoder(encoder.prepare(torch.zeros(2, 32, 32, 3, dtype=torch.uint8)))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 10]), torch.Size([2, 16, 10]))
    """

    fixed_length = True  # nothing is known of the module

    _parameter_constraints = {
        "module": [nn.Module],
        "trainable": [str],
        "width": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(self, module: nn.Module, trainable: str = "none", width: int | None = None):
        self.module = module
        self.trainable = trainable
        self.width = width

    def build(self, spec: BlockSpec) -> Self:
        if isinstance(self.module, Encoder):
            name = type(self.module).__name__
            raise TypeError(
                f"ModuleEncoder wraps torch modules that return tensors, got the encoder {name}. "
                f"Pass it as it is: encoder={name}(...)."
            )
        self.kind = spec.kind
        base_encoder(self.kind).register_statistics(self, spec)
        if self.trainable in ("none", "all"):
            self.layers = share(self.module) if self.frozen else copy_module(self.module)
        else:
            first = self._first_trained()
            self.stem = FrozenStem(spec, self._held.stem(first))
            self.layers = copy_module(self.module[first:])
        self.out_features = self.token_features = self._find_width(spec) if self.width is None else self.width
        if self.frozen:
            self.layers.requires_grad_(False)  # only now, because lazy layers come to be in the dry run
        return self.train(self.training)

    def _first_trained(self):
        """Return the number of the child of a sequence from which on it is trained."""
        children = [name for name, _ in self.module.named_children()] if type(self.module) is nn.Sequential else []
        if self.trainable not in children[1:]:
            raise ValueError(
                f'ModuleEncoder(trainable={self.trainable!r}): give "none", "all", or the name of a child of an '
                f"nn.Sequential but the first, from which on it is trained; {self._name} has {children[1:]}."
            )
        return children.index(self.trainable)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a module that is not trained stays in ``eval`` mode."""
        if not self.frozen or "layers" not in self._modules:
            return super().train(mode)
        self.training = mode
        if self.layers.training:
            self.layers.eval()
        return self

    def __sklearn_clone__(self):
        """Return an encoder with the same module: it may be large, searches clone often, and `build` copies it."""
        return type(self)(**self.get_params(deep=False))

    def prepare(self, x: Any) -> Any:
        """Turn the block's tensor as stored into what encoders of its kind take."""
        return base_encoder(self.kind).prepare(self, x)

    def forward(self, x: Any) -> Features:
        return self._features(self._output(x), base_encoder(self.kind).token_mask(self, x))

    def rest(self, tensors: dict[str, torch.Tensor]) -> Features:
        """Return the `Features` that follow from what the part that is not trained makes of rows."""
        mask = tensors.get("mask")
        return self._features(self._call(tensors["values"]), None if mask is None else mask.bool())

    def _features(self, output, mask):
        """Return the `Features` that an output of the module stands for; ``mask`` says which ids are no padding."""
        if self._width_of(output) != self.out_features:
            raise ValueError(
                f"ModuleEncoder(width={self.out_features}): {self._name} returned a tensor of shape "
                f"{tuple(output.shape)}. Leave `width` out, or give the width that the module returns."
            )
        if output.ndim == 2:
            return Features(output, output.unsqueeze(1), output.new_ones(len(output), 1, dtype=torch.bool))
        tokens = places(output) if output.ndim == 4 else output
        if mask is None or mask.shape != tokens.shape[:2]:
            mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
        return Features(masked_mean(tokens, mask), tokens, mask)

    def _output(self, x):
        if "stem" in self._modules:
            return self._call(self.stem(x)["values"])
        return self._call(*base_encoder(self.kind).module_arguments(self, x))

    def _call(self, *arguments):
        if self.frozen:
            with torch.no_grad():
                return self.layers(*arguments)
        try:
            return self.layers(*arguments)
        except ValueError as error:
            if not str(error).startswith("Expected more than 1 value per channel when training"):
                raise
            raise ValueError(
                f"ModuleEncoder: a batch normalisation of {self._name} got a single value per channel, from a training "
                "batch of one row. Pass batch_size=2 or more, more rows, or larger pictures (`size` of "
                'ImageTransformer), or leave the module as it is: trainable="none".'
            ) from error

    @property
    def frozen(self) -> bool:
        """Whether the module stays as it is, so that its features are computed once."""
        return self.trainable == "none"

    @property
    def frozen_part(self) -> nn.Module | None:
        """What stays as it is: the whole, or the children before the first that is trained."""
        return self if self.frozen else self._modules.get("stem")

    @property
    def module(self) -> nn.Module:
        return self._held.module if isinstance(self._held, HeldModule) else self._held

    @module.setter
    def module(self, module):
        self._held = hold(module)

    @property
    def held_parameters(self):
        """Holders of those parameters that are copied when they are asked for, by name."""
        return {"module": self._held}

    @property
    def _name(self):
        return type(self.module).__name__

    def _width_of(self, output):
        if not isinstance(output, torch.Tensor) or output.ndim not in (2, 3, 4):
            got = f"{output.ndim} dimensions" if isinstance(output, torch.Tensor) else f"a {type(output).__name__}"
            raise TypeError(
                f"ModuleEncoder needs a module that returns one tensor of 2, 3 or 4 dimensions (rows first), got {got} "
                f"from {self._name}. Wrap it in a module that returns the tensor alone."
            )
        return output.shape[2 if output.ndim == 3 else 1]

    def _find_width(self, spec):
        """Let the module read one row that is made up, and return the width of what it returns."""
        rows = spec.example_rows(1)
        if rows is None:
            raise ValueError(
                f"ModuleEncoder cannot find out what width {self._name} returns for block {spec.name!r} of kind "
                f"{spec.kind!r}. Give it: ModuleEncoder(module, width=...)."
            )
        self.layers.eval()
        try:
            with torch.no_grad():
                output = self._output(self.prepare(as_tensors(rows)))
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"ModuleEncoder: {self._name} cannot read block {spec.name!r} ({spec.kind}, one row of shape "
                f"{spec.shape}): {type(error).__name__}: {error}. Hand in a module for this kind of input, or read the "
                "block in the form that it needs."
            ) from error
        return self._width_of(output)
