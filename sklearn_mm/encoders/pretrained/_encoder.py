"""Pretrained networks as encoders: frozen, fine-tuned in their last layers, by adapters (LoRA), or as a whole."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import Encoder, Features, base_encoder
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.encoders.pretrained._building import checkpoint_gradients, parted, state_numbers, train_used
from sklearn_mm.encoders.pretrained._by_length import by_length
from sklearn_mm.encoders.pretrained._checkpoint_formats import open_checkpoint
from sklearn_mm.encoders.pretrained._hub import SHORT_NAMES
from sklearn_mm.encoders.pretrained._image_reading import UnknownReadingError
from sklearn_mm.encoders.pretrained._layer_groups import layer_groups
from sklearn_mm.encoders.pretrained._layer_stack import tapped
from sklearn_mm.encoders.pretrained._loaded import LoadedCheckpoint, find_transformer
from sklearn_mm.encoders.pretrained._lora import with_adapters
from sklearn_mm.encoders.pretrained._parts import Backbone, FrozenPart, ids_of, tokens_of
from sklearn_mm.encoders.pretrained._references import Source
from sklearn_mm.encoders.pretrained._token_pooling import TokenPooling
from sklearn_mm.encoders.pretrained._towers import ModuleArguments, Tower
from sklearn_mm.utils._fingerprint import copy_module
from sklearn_mm.utils._held_module import HeldModule, hold
from sklearn_mm.utils._shared_module import share
from sklearn_mm.utils._tensors import as_tensors
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["LEARNING_RATES", "PretrainedEncoder", "is_frozen_leaf"]

_ENOUGH_TOKENS = 16  # of an example, special ones among them
_N_EXAMPLES = 2  # rows to try a network on
# Of the last layer; decision 35 has figures of others.
LEARNING_RATES = {"last": 3e-4, "lora": 1e-3, "all": 1e-4}


class PretrainedEncoder(Encoder):
    """Let a network that was trained elsewhere (a foundation model) read a block: texts, pictures, sound or vectors.

    It brings its own way of reading: the tokenizer with special tokens and the longest text, or size, crop, filter,
    mean and standard deviation of pictures, from the files of the checkpoint. A transformer of one's own wins, where
    the network can do with it.

    Parameters
    ----------
    model : str, path, torch.nn.Module or callable
        The network:

        - a folder as transformers or sentence-transformers save it, or the name of a repository on the Hugging Face
          hub, which is fetched once; of dual encoders (CLIP, SigLIP) the tower of the block's kind is taken;
        - a short name of a usual choice, such as "minilm", "clip" or "dinov2";
        - a folder of timm or open_clip, where these are installed;
        - a `torch.nn.Module`, which gets what `ModuleEncoder` tells of;
        - a callable from a list of cells to an array (n_cells, width), or an object with such a method ``encode``, for
          embedders that are no torch modules. It gets what is in the table. It cannot be trained.
    trainable : {"none", "last", "lora", "all"}, default="none"
        What is trained with the rest of the network. "none" leaves all as it is: what it says of a row is computed
        once, equal texts and pictures once. "last" trains the last ``n_layers`` layers; what lies below is computed
        once. "lora" adds small matrices to each linear map, which alone are trained (needs peft). "all" trains
        everything. More fits better, and needs more rows and time.
    n_layers : "auto" or int, default="auto"
        For "last": how many layers are trained. "auto" is a third of them.
    layers : int or sequence of int, default=-1
        Whose outputs are the tokens: -1 is the last layer, 1 the first, 0 what goes into it; of several the mean. For
        speech those in the middle say more.
    pooling : {"own", "mean", "mean_std", "first", "max", "attention"}, default="own"
        How tokens become one vector. "own" is as the network was trained: the steps that a sentence-transformers folder
        names, the projection of dual encoders, the first token or pooling layer of vision models, else the mean.
        "mean_std" is their mean and their spread side by side, which suits sound; "attention" is learnt.
    long_texts : {"truncate", "chunk"}, default="truncate"
        What becomes of texts that are longer than the network reads: cut off, with a warning, or read in windows that
        overlap, whose vectors are averaged.
    lr : "auto" or float, default="auto"
        Learning rate of the last layer: "auto" is 3e-4 for "last", 1e-3 for "lora", 1e-4 for "all". The estimator's
        ``lr`` is for what is not pretrained.
    layer_decay : float, default=0.9
        Factor of the learning rate from each layer to the one below: lower ones know what is common to most tasks.
    lora_rank : int, default=8
        Rank of the matrices of "lora". Larger fits more.
    gradient_checkpointing : bool, default=False
        Whether to compute the layers again for gradients rather than hold all that they made: less memory, a third more
        time. For networks of transformers.
    weights : {"embed", "reference"}, default="embed"
        Whether pickles hold the frozen weights, once, or where they came from and their hash. Then whoever loads one
        needs them at the same place, and is told what is missing.
    revision : str, default=None
        Commit, tag or branch of a repository on the hub.
    trust_remote_code : bool, default=False
        Whether to run code that a checkpoint brings. It may do anything.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``.
    frozen : bool
        Whether nothing of it is trained.

    See Also
    --------
    ModuleEncoder : For modules, with a cut at a child of a sequence.

    References
    ----------
    Hu et al.: LoRA: Low-Rank Adaptation of Large Language Models. ICLR 2022.

    Howard, Ruder: Universal Language Model Fine-tuning for Text Classification. ACL 2018.

    Examples
    --------
    Any function of a list of cells:

    >>> import numpy as np
    >>> from sklearn_mm import TextInput
    >>> from sklearn_mm.encoders import PretrainedEncoder
    >>> def letters(texts):
    ...     return np.array([[text.count("a"), len(text)] for text in texts], dtype=float)
    >>> TextInput("title", encoder=PretrainedEncoder(letters)).encoder.frozen
    True
    """

    completes_reading = True
    _parameter_constraints = {
        "model": [str, PathLike, nn.Module, callable],
        "trainable": [StrOptions({"none", "last", "lora", "all"})],
        "n_layers": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "layers": [Integral, "array-like"],
        "pooling": [StrOptions({"own", "mean", "mean_std", "first", "max", "attention"})],
        "long_texts": [StrOptions({"truncate", "chunk"})],
        "lr": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "layer_decay": [Interval(Real, 0, 1, closed="right")],
        "lora_rank": [Interval(Integral, 1, None, closed="left")],
        "gradient_checkpointing": ["boolean"],
        "weights": [StrOptions({"embed", "reference"})],
        "revision": [str, None],
        "trust_remote_code": ["boolean"],
    }

    def __init__(
        self,
        model: str | PathLike | nn.Module | Callable,
        *,
        trainable: str = "none",
        n_layers: str | int = "auto",
        layers: int | Sequence[int] = -1,
        pooling: str = "own",
        long_texts: str = "truncate",
        lr: str | float = "auto",
        layer_decay: float = 0.9,
        lora_rank: int = 8,
        gradient_checkpointing: bool = False,
        weights: str = "embed",
        revision: str | None = None,
        trust_remote_code: bool = False,
    ):
        self.model = model
        self.trainable = trainable
        self.n_layers = n_layers
        self.layers = layers
        self.pooling = pooling
        self.long_texts = long_texts
        self.lr = lr
        self.layer_decay = layer_decay
        self.lora_rank = lora_rank
        self.gradient_checkpointing = gradient_checkpointing
        self.weights = weights
        self.revision = revision
        self.trust_remote_code = trust_remote_code

    def for_kind(self, kind: str) -> Self:
        """Return an encoder that knows of what kind its block is, and so how it is read."""
        other = type(self)(**self.get_params(deep=False))
        other.kind = kind
        return other

    def reads_kind(self, kind: str) -> bool | None:
        """Return whether the model reads blocks of a kind; None if only trying tells, as of modules and functions."""
        return self._checkpoint.reads(kind) if self._is_checkpoint else None

    def is_half_of(self, held: Any, folder: PathLike | None) -> bool:
        """Return whether its tokens are those that the encoder of a model gives to its decoder.

        Parameters
        ----------
        held : str, path or holder
            The model, as ``hold`` returns it.
        folder : path or None
            Its folder.
        """
        if not self._is_checkpoint or self.layers != -1:
            return False
        return self._held is held or (folder is not None and self._checkpoint.folder == folder)

    def __sklearn_clone__(self):
        """Return an encoder with the same model: it may be large, searches clone often, and `build` copies it."""
        return type(self)(**self.get_params(deep=False))

    def __deepcopy__(self, memo) -> Self:
        """Return a copy that has the same function of cells, which may hold large weights or a connection."""
        if self.embed_cells is not None:
            memo[id(self._held)] = self._held
        memo[id(self)] = other = type(self).__new__(type(self))
        vars(other).update(deepcopy(vars(self), memo))
        return other

    @property
    def embed_cells(self) -> Callable | None:
        """The function that maps a list of cells to vectors, if the model is one."""
        if isinstance(self.model, str | PathLike):
            return None
        encode = getattr(self.model, "encode", None)
        if callable(encode):
            return encode
        return None if isinstance(self.model, nn.Module) else self.model

    @property
    def reading(self) -> dict[str, Any]:
        """How the network was trained to read, by the files of its checkpoint; nothing where these do not tell."""
        if not (self._is_checkpoint and self.kind):
            return {}
        try:
            return self._checkpoint.reading(self.kind, self.long_texts)
        except UnknownReadingError:  # for `build`, if nobody says how to read
            return {}

    @property
    def required_reading(self) -> tuple[str, ...]:
        """What of it may not be otherwise."""
        known = self.reading
        return tuple(name for name in self._checkpoint.fixed(self.kind) if name in known) if known else ()

    @property
    def frozen(self) -> bool:
        """Whether nothing is trained, so that its features are computed once."""
        return self.trainable == "none" and (self.pooling != "attention" or self.embed_cells is not None)

    @property
    def tuned(self) -> bool:
        """Whether layers that came trained are trained on."""
        return self.trainable != "none"

    @property
    def frozen_part(self) -> nn.Module | None:
        """What training leaves as it is, or as it came: the whole, or what is computed once beside what is trained."""
        return self if self.frozen else self._modules.get("below")

    @property
    def frozen_modules(self) -> list[nn.Module]:
        """The parts that training leaves as they are, those beside adapters among them."""
        if self.trainable != "lora" or "whole" not in self._modules:
            return super().frozen_modules
        beside_adapters = [module for module in self.whole.layers.modules() if is_frozen_leaf(module)]
        return super().frozen_modules + beside_adapters

    def build(self, spec: BlockSpec) -> Self:
        self.kind = spec.kind
        self.fixed_length = spec.padded and not spec.holds_ids  # networks for sound also hear the silence behind it
        self._check_together()
        if self.embed_cells is not None:
            self.out_features = self.token_features = spec.shape[0]
            return self
        model, tower, arguments, own = self._open(spec)
        self.own_length = hasattr(getattr(arguments, "spectra", None), "n_samples")
        example = self.prepare(_example_rows(self._short(spec)))
        states = state_numbers(self.layers, model, self.trainable, self._name)
        backbone = Backbone(model if states is None else tapped(model), tower, arguments, states).eval()
        encoded = self._try(backbone, example, spec)
        self.token_features = encoded.tokens.shape[2]
        self.pool = TokenPooling(self.pooling, self.token_features, own)
        with torch.no_grad():
            self.out_features = self.pool(encoded).shape[1]
        if self.frozen:
            self.whole = backbone.requires_grad_(False)
            self.pool.requires_grad_(False)
            self.frozen_features = self.out_features
        else:
            self._build_trained(backbone, example, encoded, spec)
        if self.weights == "reference":
            self._refer()
        return self.train(self.training)

    def _build_trained(self, backbone, example, encoded, spec):
        """Make what is trained and, where it costs little to keep, what is computed once of each row."""
        pool = self._frozen_pool()
        if self.trainable == "last":
            self.below, self.above = parted(backbone, pool, self.n_layers, example, encoded, spec.holds_ids, self._name)
            trained = self.above
        else:
            if self.trainable == "none" or spec.holds_ids:
                self.below = FrozenPart(backbone, pool, None if self.trainable == "none" else 0, spec.holds_ids)
            trained = self.whole = self._copied(backbone)
        if "below" in self._modules:
            with torch.no_grad():
                self.frozen_features = self.below(example)["pooled"].shape[1]
        if self.gradient_checkpointing and trained is not None:
            checkpoint_gradients(trained.layers, self._name)
        if self.trainable in ("last", "all"):
            train_used(self, trained.layers, example)

    def _copied(self, backbone):
        """Return a network with weights, or adapters, of its own; None if nothing of it is trained."""
        if self.trainable == "none":
            return None
        layers = backbone.layers
        layers = with_adapters(layers, self.lora_rank) if self.trainable == "lora" else copy_module(layers)
        return Backbone(layers, backbone.tower, backbone.arguments, backbone.states)

    def _frozen_pool(self):
        """Return the pooling of the network as it came."""
        how = "own" if self.pooling == "attention" else self.pooling
        return TokenPooling(how, self.token_features, deepcopy(self.pool.own))

    def _refer(self):
        """Let pickles refer to the weights of the checkpoint."""
        if not self._is_named:
            raise ValueError(
                f'PretrainedEncoder(weights="reference"): {self._name} came as a module, and from nowhere that a '
                'pickle could refer to. Give the folder or name it was loaded from, or weights="embed".'
            )
        source = Source.of(self._checkpoint, self.model, self.kind)
        for part in self.modules():
            if isinstance(part, Backbone):
                part.source = source

    def train(self, mode: bool = True) -> Self:
        """Set the mode; what is not trained stays in ``eval`` mode."""
        if not self.frozen:
            return super().train(mode)
        self.training = mode
        for child in self.children():
            if child.training:
                child.eval()
        return self

    def prepare(self, x: Any) -> Any:
        """Turn the block's tensor as stored into what encoders of its kind take."""
        return x if self.embed_cells is not None else base_encoder(self.kind).prepare(self, x)

    def forward(self, x: Any) -> Features:
        if self.embed_cells is not None:
            return Features(x, x.unsqueeze(1), x.new_ones(len(x), 1, dtype=torch.bool))
        if "below" in self._modules:
            return self.rest(self.below(x))
        if not self.frozen:
            return self._features(self.whole(x))
        with torch.no_grad():
            return self._features(self.whole(x))

    def rest(self, tensors: dict[str, torch.Tensor]) -> Features:
        """Return the `Features` that follow from what the part that is not trained makes of rows."""
        if self._is_checkpoint and self.below.gives_tokens and self.tuned:
            return by_length(self._trained_part, tensors)
        return self._trained_part(tensors)

    def _trained_part(self, tensors):
        if "above" in self._modules:
            return self._features(self.above(tensors))
        return self._features(tokens_of(tensors) if self.trainable == "none" else self.whole(ids_of(tensors)))

    def _features(self, encoded):
        return Features(self.pool(encoded), encoded.tokens, encoded.mask)

    def parameter_groups(self) -> list[dict]:
        """Return the weights that are trained, with learning rates that fall layer by layer."""
        if self.trainable == "none":
            return []
        layers = (self.above if self.trainable == "last" else self.whole).layers
        lr = LEARNING_RATES[self.trainable] if self.lr == "auto" else self.lr
        return layer_groups(layers, lr, 1.0 if self.trainable == "lora" else self.layer_decay)

    def _open(self, spec):
        """Return the network, its `Tower`, what makes its arguments, and what makes its own vector or None."""
        if not self._is_checkpoint:
            return share(self.model), Tower(), ModuleArguments(spec), None
        checkpoint = self._checkpoint
        was_chosen = any(not was_auto for _, was_auto in (spec.reading or {}).values())
        model, tower = checkpoint.load(spec.kind)
        reading = self.reading if was_chosen else checkpoint.reading(spec.kind, self.long_texts)
        return model, tower, checkpoint.arguments(spec, reading), checkpoint.pooling(spec.kind)

    def _short(self, spec):
        """Return the spec of a block of few tokens where it is known that the network reads as many as there are.

        Each build tries the network, and a search builds many times.
        """
        longest = self._checkpoint.longest(spec.kind) if self._is_checkpoint and spec.padded else None
        if self.fixed_length or longest is None or spec.shape[0] > longest:
            return spec
        return replace(spec, shape=(min(spec.shape[0], _ENOUGH_TOKENS),))

    def _try(self, backbone, example, spec):
        """Return what the network says of an example, or raise an error that names it and the block."""
        try:
            with torch.no_grad():
                encoded = backbone(example)
            if len(encoded.tokens) != _N_EXAMPLES:
                raise ValueError(f"of {_N_EXAMPLES} rows it returned {len(encoded.tokens)}")
            return encoded
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            longest = self._checkpoint.longest(spec.kind) if self._is_checkpoint else None
            way_out = (
                "Give a model for this kind of block, or read it in the form that it needs."
                if longest is None or spec.shape[0] <= longest
                else f"It reads {longest} tokens at most, and rows of the block have {spec.shape[0]}: read it with "
                f'max_length={longest} or less, or with long_texts="chunk".'
            )
            raise ValueError(
                f"PretrainedEncoder: {self._name} cannot read block {spec.name!r} ({spec.kind}, one row of shape "
                f"{spec.shape}): {type(error).__name__}: {error}. {way_out}"
            ) from error

    def _check_together(self):
        if self.embed_cells is not None and self.trainable != "none":
            raise ValueError(
                f"PretrainedEncoder(trainable={self.trainable!r}): a function of cells cannot be trained. Leave "
                'trainable="none", or give the torch module or folder behind it.'
            )

    @property
    def model(self) -> str | PathLike | nn.Module | Callable:
        return self._held.module if isinstance(self._held, HeldModule) else self._held

    @model.setter
    def model(self, model):
        self._held = hold(model)

    @property
    def held_parameters(self):
        """Holders of those parameters that are copied when they are asked for, by name."""
        return {"model": self._held}

    @property
    def _is_checkpoint(self):
        return self._is_named or (self.embed_cells is None and find_transformer(self.model) is not None)

    @property
    def _is_named(self):
        return isinstance(self._held, str | PathLike)

    @property
    def _checkpoint(self):
        if not self._is_named:
            return LoadedCheckpoint(find_transformer(self.model))
        return open_checkpoint(self.model, self.revision, self.trust_remote_code)

    @property
    def _name(self):
        return repr(str(self.model)) if self._is_named else type(self.model).__name__


def _named(name, kind):
    return PretrainedEncoder(name).for_kind(kind)


for _name, _short in SHORT_NAMES.items():  # only a name is looked up here; a model is fetched where one is used
    for _kind in _short.kinds:
        register_encoder(_kind, _name, partial(_named, _name, _kind), is_pretrained=True)


def is_frozen_leaf(module):
    return not any(module.children()) and not any(weight.requires_grad for weight in module.parameters())


def _example_rows(spec):
    rows = spec.example_rows(_N_EXAMPLES)
    return torch.zeros(_N_EXAMPLES, *spec.shape) if rows is None else as_tensors(rows)
