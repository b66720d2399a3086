"""Short names of encoders, by the kind of block that they read."""

import os

import torch.nn as nn

from sklearn_mm.encoders._base import Encoder
from sklearn_mm.utils._messages import name_function
from sklearn_mm.utils._registry import Registry

__all__ = [
    "ENCODERS",
    "auto_encoder",
    "has_auto_encoder",
    "names_from_scratch",
    "pretrained_encoder",
    "register_encoder",
    "resolve_encoder",
]

ENCODERS = {}  # by kind, filled by the files of the encoders

_ANY = Registry("encoder", Encoder)  # for kinds of a user's own: no names, instances only
_AUTO = {}
_PRETRAINED = set()


def register_encoder(kind, name, factory, default=False, is_pretrained=False):
    """Make a name stand for an encoder, among those that read blocks of a kind.

    Parameters
    ----------
    kind : str
        The modality.
    name : str
        Short name of the encoder.
    factory : callable
        Returns an instance: mostly the class.
    default : bool, default=False
        Whether "auto" stands for it, too.
    is_pretrained : bool, default=False
        Whether it was trained elsewhere: such names are listed after the others.
    """
    if is_pretrained:
        _PRETRAINED.add(name)
    ENCODERS.setdefault(kind, Registry(f"{kind} encoder", Encoder)).register(name, factory, listed_last=is_pretrained)
    if default:
        _AUTO[kind] = factory


def names_from_scratch(kind):
    """Return the names of encoders of a kind that know nothing beforehand."""
    return [name for name in ENCODERS[kind].names if name not in _PRETRAINED]


def has_auto_encoder(kind):
    """Return whether "auto" stands for an encoder, for blocks of a kind."""
    return kind in _AUTO


def auto_encoder(kind):
    """Return the encoder that "auto" stands for, for blocks of a kind."""
    return _factories(_AUTO, kind)()


def pretrained_encoder(model):
    """Return an encoder as it is, and of any other model a `PretrainedEncoder`."""
    if isinstance(model, Encoder):
        return model
    from sklearn_mm.encoders.pretrained._encoder import PretrainedEncoder  # which stands on this module

    return PretrainedEncoder(model)


def resolve_encoder(encoder, kind):
    """Return the encoder instance for a block of a kind: for "auto", a registered name, a folder, or as handed in."""
    if isinstance(encoder, str) and encoder == "auto":
        return auto_encoder(kind)
    if _is_place(encoder, kind):
        encoder = pretrained_encoder(encoder)
    if isinstance(encoder, str):
        return _factories(ENCODERS, kind).resolve(encoder)
    if isinstance(encoder, nn.Module) and not isinstance(encoder, Encoder):
        name = type(encoder).__name__
        raise TypeError(
            f"The {kind} encoder must be an instance of Encoder, got the torch module {name}. "
            f"Wrap it: ModuleEncoder({name}(...)), or PretrainedEncoder({name}(...)) where it brings its own reading."
        )
    if callable(encoder) and not isinstance(encoder, type | Encoder):
        raise TypeError(
            f"The {kind} encoder must be an instance of Encoder, got the function {name_function(encoder)}. If it maps "
            f"a list of cells to an array, wrap it: PretrainedEncoder({name_function(encoder)})."
        )
    encoder = ENCODERS.get(kind, _ANY).resolve(encoder)
    if encoder.kind not in (None, kind):
        raise ValueError(
            f"{type(encoder).__name__} reads blocks of kind {encoder.kind!r}, got one of kind {kind!r}. "
            "Give an encoder for that kind."
        )
    return encoder.for_kind(kind)


def _is_place(encoder, kind):
    """Return whether an encoder is given as where a model is: a folder, or a name of the hub, which have separators."""
    if isinstance(encoder, os.PathLike):
        return True
    if not isinstance(encoder, str) or (kind in ENCODERS and encoder in ENCODERS[kind].names):
        return False
    return "/" in encoder or os.sep in encoder or os.path.isdir(encoder)


def _factories(mapping, kind):
    if kind not in mapping:
        raise ValueError(
            f"No encoder is registered for blocks of kind {kind!r}. Give an instance of Encoder, or "
            "ModuleEncoder(module, width=...)."
        )
    return mapping[kind]
