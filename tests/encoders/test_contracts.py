"""The shared checks over every registered encoder, and over settings that take other paths."""

import pytest
import torch.nn as nn

from sklearn_mm.encoders import (
    AudioCNNEncoder,
    AudioRNNEncoder,
    AudioSelfAttentionEncoder,
    CNNEncoder,
    FrameEncoder,
    MLPEncoder,
    ModuleEncoder,
    PretrainedEncoder,
    ResNetEncoder,
    RNNEncoder,
    SelfAttentionEncoder,
    TextCNNEncoder,
    VectorEncoder,
    ViTEncoder,
)
from sklearn_mm.encoders._registry import ENCODERS
from sklearn_mm.preprocessing import AudioSpec, BlockSpec, ImageSpec, TabularSpec, VectorSpec
from sklearn_mm.testing._component_checks import example_spec, yield_encoder_checks

REGISTERED = [
    (f"{kind}-{name}", encoder, None)
    for kind, names in ENCODERS.items()
    for name, encoder in ((name, make()) for name, make in names.items())
    if not isinstance(encoder, PretrainedEncoder)  # whose models would be fetched
]
GREY = ImageSpec(shape=(9, 9, 1), mean=(0.5,), std=(0.5,))
LOG_MELS = AudioSpec(shape=(60,), rate=4000, n_bands=5)
VARIANTS = [
    ("audio-cnn-max", AudioCNNEncoder(n_bands=7, channels=(4,), width=6, pool="max"), None),
    ("audio-cnn-log-mels", AudioCNNEncoder(channels=(3, 4), width=6, pool="mean", dropout=0.0), LOG_MELS),
    ("audio-gru-mean-std", AudioRNNEncoder(channels=(3,), width=6, hidden_size=4, pool="mean_std"), LOG_MELS),
    ("audio-transformer-token", AudioSelfAttentionEncoder(channels=(3,), width=8, n_layers=1, pool="token"), None),
    ("module-audio", ModuleEncoder(nn.Linear(1000, 6), trainable="all"), example_spec("audio")),
    ("cnn-keras", CNNEncoder(channels=(4, 8), padding="valid", norm=None, pool="flatten", dropout=0.1), None),
    ("cnn-max-dense", CNNEncoder(channels=(4,), pool="max", dense_units=5), GREY),
    ("resnet-small", ResNetEncoder(widths=(4, 8), n_blocks=2, map_size=4, dropout=0.1), GREY),
    ("vit-patch-token", ViTEncoder(patch_size=5, stem="patch", width=12, n_layers=1, pool="token"), None),
    ("vit-conv-max", ViTEncoder(patch_size=2, width=10, n_layers=1, n_heads=2, pool="max"), GREY),
    ("rnn-mean", RNNEncoder(embedding_dim=6, hidden_size=5, cell="rnn", pool="mean", dropout=0.1), None),
    ("rnn-max", RNNEncoder(embedding_dim=6, hidden_size=5, cell="gru", pool="max", bidirectional=True), None),
    ("rnn-last", RNNEncoder(embedding_dim=6, hidden_size=5, bidirectional=True, n_layers=2, dense_units=4), None),
    ("rnn-flatten", RNNEncoder(embedding_dim=6, hidden_size=5, pool="flatten", dense_units=4), None),
    ("textcnn-wide", TextCNNEncoder(embedding_dim=6, kernel_sizes=(9, 4), n_filters=5, dropout=0.0), None),
    ("transformer-max", SelfAttentionEncoder(width=7, n_layers=1, n_heads=1, pool="max", dropout=0.0), None),
    ("transformer-token", SelfAttentionEncoder(width=8, n_layers=2, n_heads=2, pool="token"), None),
    ("mlp-numbers", MLPEncoder(hidden_layer_sizes=(6,), activation="relu"), TabularSpec(shape=(), n_numbers=3)),
    ("mlp-few-bins", MLPEncoder(hidden_layer_sizes=(), n_bins=3), TabularSpec(shape=(), n_numbers=3)),
    ("mlp-no-bins", MLPEncoder(n_bins=None), None),
    ("mlp-codes", MLPEncoder(activation="gelu"), TabularSpec(shape=(), n_numbers=0, cardinalities=(4, 3))),
    ("module-frozen", ModuleEncoder(nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Flatten())), example_spec("image")),
    ("module-image", ModuleEncoder(nn.Conv2d(3, 6, 4, 4), trainable="all"), example_spec("image")),
    (
        "module-last",
        ModuleEncoder(nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Conv2d(6, 5, 1)), trainable="1"),
        example_spec("image"),
    ),
    ("module-text", ModuleEncoder(nn.Embedding(30, 6), trainable="all"), example_spec("text")),
    ("module-numbers", ModuleEncoder(nn.Linear(4, 6), trainable="all"), TabularSpec(shape=(), n_numbers=4)),
    ("module-other", ModuleEncoder(nn.Linear(5, 6), trainable="all", width=6), BlockSpec(kind="scent", shape=(7, 5))),
    ("frames-max", FrameEncoder(CNNEncoder(channels=(4, 8)), "max", n_frames=2), None),
    ("frames-attention", FrameEncoder(CNNEncoder(channels=(4,)), "attention", positions="learnt"), None),
    ("frames-learnt", FrameEncoder(CNNEncoder(channels=(4,)), width=8, n_heads=2, positions="learnt"), None),
    ("frames-frozen", FrameEncoder(ModuleEncoder(nn.Conv2d(3, 6, 4, 4)), "mean"), None),
    ("frames-partly-frozen", FrameEncoder(ModuleEncoder(nn.Conv2d(3, 6, 4, 4)), width=8), None),
    ("vector-text", VectorEncoder(), VectorSpec(kind="text", shape=(6,))),
    ("vector-scent", VectorEncoder(), VectorSpec(kind="scent", shape=(4,))),
    ("vector-numbers", VectorEncoder(), TabularSpec(shape=(3,), n_numbers=3)),
]


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{label}-{name}")
        for label, encoder, spec in REGISTERED + VARIANTS
        for name, check in yield_encoder_checks(encoder, spec)
    ],
)
def test_encoder(check):
    check()
