"""Short names of encoders, by the kind of block that they read."""

import torch.nn as nn

from sklearn_mm.encoders._base import Encoder
from sklearn_mm.utils._registry import Registry

__all__ = ["ENCODERS", "auto_encoder", "has_auto_encoder", "register_encoder", "resolve_encoder"]

ENCODERS = {}  # by kind, filled by the files of the encoders

_ANY = Registry("encoder", Encoder)  # for kinds of a user's own: no names, instances only
_AUTO = {}


def register_encoder(kind, name, factory, default=False):
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
    """
    ENCODERS.setdefault(kind, Registry(f"{kind} encoder", Encoder)).register(name, factory)
    if default:
        _AUTO[kind] = factory


def has_auto_encoder(kind):
    """Return whether "auto" stands for an encoder, for blocks of a kind."""
    return kind in _AUTO


def auto_encoder(kind):
    """Return the encoder that "auto" stands for, for blocks of a kind."""
    return _factories(_AUTO, kind)()


def resolve_encoder(encoder, kind):
    """Return the encoder instance for a block of a kind: for "auto", for a registered name, or as handed in."""
    if isinstance(encoder, str):
        return auto_encoder(kind) if encoder == "auto" else _factories(ENCODERS, kind).resolve(encoder)
    if isinstance(encoder, nn.Module) and not isinstance(encoder, Encoder):
        name = type(encoder).__name__
        raise TypeError(
            f"The {kind} encoder must be an instance of Encoder, got the torch module {name}. "
            f"Wrap it: ModuleEncoder({name}(...))."
        )
    encoder = ENCODERS.get(kind, _ANY).resolve(encoder)
    if encoder.kind not in (None, kind):
        raise ValueError(
            f"{type(encoder).__name__} reads blocks of kind {encoder.kind!r}, got one of kind {kind!r}. "
            "Give an encoder for that kind."
        )
    return encoder.for_kind(kind)


def _factories(mapping, kind):
    if kind not in mapping:
        raise ValueError(
            f"No encoder is registered for blocks of kind {kind!r}. Give an instance of Encoder, or "
            "ModuleEncoder(module, width=...)."
        )
    return mapping[kind]
