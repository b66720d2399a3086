"""Short names of encoders, by the kind of block that they read."""

import torch.nn as nn

from sklearn_mm.encoders._base import Encoder
from sklearn_mm.encoders._image import CNNEncoder, ResNetEncoder
from sklearn_mm.encoders._self_attention import SelfAttentionEncoder
from sklearn_mm.encoders._tabular import MLPEncoder
from sklearn_mm.encoders._text import BagEncoder, RNNEncoder
from sklearn_mm.encoders._text_cnn import TextCNNEncoder
from sklearn_mm.encoders._vit import ViTEncoder
from sklearn_mm.utils._registry import Registry

__all__ = ["ENCODERS", "auto_encoder", "image_encoders", "resolve_encoder", "tabular_encoders", "text_encoders"]

image_encoders = Registry("image encoder", Encoder)
image_encoders.register("cnn", CNNEncoder)
image_encoders.register("resnet", ResNetEncoder)
image_encoders.register("vit", ViTEncoder)

text_encoders = Registry("text encoder", Encoder)
text_encoders.register("bag", BagEncoder)
text_encoders.register("gru", lambda: RNNEncoder(cell="gru"))
text_encoders.register("lstm", lambda: RNNEncoder(cell="lstm"))
text_encoders.register("rnn", lambda: RNNEncoder(cell="rnn"))
text_encoders.register("textcnn", TextCNNEncoder)
text_encoders.register("transformer", SelfAttentionEncoder)

tabular_encoders = Registry("tabular encoder", Encoder)
tabular_encoders.register("mlp", MLPEncoder)

ENCODERS = {"image": image_encoders, "text": text_encoders, "tabular": tabular_encoders}

_ANY = Registry("encoder", Encoder)  # for kinds of a user's own: no names, instances only
_AUTO = {"image": ResNetEncoder, "text": BagEncoder, "tabular": MLPEncoder}


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
    return encoder


def _factories(mapping, kind):
    if kind not in mapping:
        raise ValueError(
            f"No encoder is registered for blocks of kind {kind!r}. Give an instance of Encoder, or "
            "ModuleEncoder(module, width=...)."
        )
    return mapping[kind]
