"""The switch from scratch to pretrained: which encoder stands for "auto", by kind of block."""

import inspect
import os

from sklearn_mm.encoders import Encoder
from sklearn_mm.encoders._registry import ENCODERS, pretrained_encoder, resolve_encoder
from sklearn_mm.utils._messages import abbreviated_repr
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["PRETRAINED", "encoders_by_kind"]

# The constraint of parameters ``pretrained``. Of what is callable the kind is to be said, as the error tells.
PRETRAINED = [str, os.PathLike, Encoder, dict, callable, None]


def encoders_by_kind(pretrained, kinds, who):
    """Return the encoders that stand for "auto" instead of those that begin from scratch, by kind.

    Parameters
    ----------
    pretrained : str, path, Encoder, dict or None
        One model, for all kinds that it reads, or one for each kind.
    kinds : list of str
        The kinds that Inputs may have.
    who : str
        Whose parameter it is, for error messages.

    Returns
    -------
    encoders : dict of str to Encoder
        As they read blocks of that kind.
    """
    if pretrained is None:
        return {}
    if isinstance(pretrained, dict):
        models = {kind: model for kind, model in pretrained.items() if model is not None}
        for kind, model in pretrained.items():
            _check(kind, model, kinds, who)
        return {kind: resolve_encoder(pretrained_encoder(model), kind) for kind, model in models.items()}
    encoder = pretrained_encoder(pretrained)
    encoders = {kind: encoder.for_kind(kind) for kind in kinds if encoder.reads_kind(kind)}
    if not encoders and isinstance(pretrained, str | os.PathLike):
        raise ValueError(
            f"`pretrained` of {who}: {str(pretrained)!r} reads none of the kinds {kinds}, of which there are Inputs. "
            "Give a model that does."
        )
    if not encoders:
        raise ValueError(
            f"`pretrained` of {who}: it cannot be told which of the kinds {kinds} {encoder!r} is to read. Say so: "
            f"pretrained={{{kinds[0]!r}: ...}}."
        )
    return encoders


def _check(kind, model, kinds, who):
    if kind not in kinds:
        raise ValueError(
            f"`pretrained` of {who} names the kind {kind!r}, of which it has no Input.{did_you_mean(kind, kinds)} "
            f"It has those of {kinds}."
        )
    if inspect.isclass(model):
        raise TypeError(
            f"`pretrained` of {who} takes instances, got the class {model.__name__} for {kind!r}. Write "
            f"{model.__name__}(...)."
        )
    others = [other for other, names in ENCODERS.items() if isinstance(model, str) and model in names.names]
    if others and kind not in others:
        raise ValueError(
            f"`pretrained` of {who}: {model!r} reads blocks of kind {' and '.join(map(repr, others))}, got one of kind "
            f"{kind!r}. Give a model for that kind."
        )
    if not (model is None or isinstance(model, str | os.PathLike) or callable(model)):
        raise TypeError(
            f"`pretrained` of {who} takes folders, names of models, modules, functions and encoders, got "
            f"{abbreviated_repr(model)} for {kind!r}."
        )
