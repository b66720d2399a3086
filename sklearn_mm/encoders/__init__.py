"""Encoders: one block in, one vector and tokens per row out."""

from sklearn_mm.encoders._audio import AudioCNNEncoder, AudioRNNEncoder, AudioSelfAttentionEncoder
from sklearn_mm.encoders._base import (
    AudioEncoder,
    Encoder,
    Features,
    ImageEncoder,
    TabularEncoder,
    TextEncoder,
    VideoEncoder,
)
from sklearn_mm.encoders._frames import FrameEncoder
from sklearn_mm.encoders._image import CNNEncoder, ResNetEncoder
from sklearn_mm.encoders._module import ModuleEncoder
from sklearn_mm.encoders._self_attention import SelfAttentionEncoder
from sklearn_mm.encoders._tabular import MLPEncoder
from sklearn_mm.encoders._text import BagEncoder, RNNEncoder
from sklearn_mm.encoders._text_cnn import TextCNNEncoder
from sklearn_mm.encoders._vector import VectorEncoder
from sklearn_mm.encoders._vit import ViTEncoder
from sklearn_mm.encoders.pretrained._encoder import PretrainedEncoder

__all__ = [
    "AudioCNNEncoder",
    "AudioEncoder",
    "AudioRNNEncoder",
    "AudioSelfAttentionEncoder",
    "BagEncoder",
    "CNNEncoder",
    "Encoder",
    "Features",
    "FrameEncoder",
    "ImageEncoder",
    "MLPEncoder",
    "ModuleEncoder",
    "PretrainedEncoder",
    "RNNEncoder",
    "ResNetEncoder",
    "SelfAttentionEncoder",
    "TabularEncoder",
    "TextCNNEncoder",
    "TextEncoder",
    "VectorEncoder",
    "ViTEncoder",
    "VideoEncoder",
]
