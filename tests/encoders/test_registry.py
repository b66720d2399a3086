import pytest
import torch.nn as nn

from sklearn_mm import encoders
from sklearn_mm.encoders import (
    BagEncoder,
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
    _registry,
)
from sklearn_mm.encoders._registry import (
    ENCODERS,
    auto_encoder,
    has_auto_encoder,
    register_encoder,
    resolve_encoder,
)


@pytest.mark.parametrize(
    ("name", "kind", "cls"),
    [
        ("cnn", "image", CNNEncoder),
        ("resnet", "image", ResNetEncoder),
        ("vit", "image", ViTEncoder),
        ("bag", "text", BagEncoder),
        ("gru", "text", RNNEncoder),
        ("textcnn", "text", TextCNNEncoder),
        ("transformer", "text", SelfAttentionEncoder),
        ("mlp", "tabular", MLPEncoder),
        ("frames", "video", FrameEncoder),
        ("cnn", "video", FrameEncoder),
        ("auto", "image", ResNetEncoder),
        ("auto", "video", FrameEncoder),
        ("auto", "text", BagEncoder),
        ("auto", "tabular", MLPEncoder),
    ],
)
def test_names(name, kind, cls):
    assert type(resolve_encoder(name, kind)) is cls
    assert resolve_encoder(name, kind) is not resolve_encoder(name, kind)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_name_of_a_cell_is_an_encoder(cell):
    assert resolve_encoder(cell, "text").cell == cell


def test_instances_pass():
    for encoder, kind in [(BagEncoder(), "text"), (ModuleEncoder(nn.Linear(2, 2)), "tabular")]:
        assert resolve_encoder(encoder, kind) is encoder
    own = ModuleEncoder(nn.Linear(2, 2), width=2)
    assert resolve_encoder(own, "scent") is own


@pytest.mark.parametrize(
    ("encoder", "kind", "error", "message"),
    [
        ("resnt", "image", ValueError, "Unknown image encoder 'resnt'. Did you mean 'resnet'"),
        ("lstm", "image", ValueError, "Unknown image encoder 'lstm'.*Known names: cnn, resnet, vit"),
        (BagEncoder, "text", TypeError, r"write BagEncoder\(\)"),
        (None, "text", TypeError, "got an object of type NoneType"),
        (nn.Linear(2, 2), "text", TypeError, r"torch module Linear. Wrap it: ModuleEncoder\(Linear\(...\)\)"),
        (BagEncoder(), "image", ValueError, "BagEncoder reads blocks of kind 'text', got one of kind 'image'"),
        ("auto", "scent", ValueError, "No encoder is registered for blocks of kind 'scent'"),
        ("mlp", "scent", ValueError, "No encoder is registered for blocks of kind 'scent'"),
        (BagEncoder(), "scent", ValueError, "got one of kind 'scent'"),
        (3, "scent", TypeError, "instance of Encoder, got an object of type int"),
    ],
)
def test_what_is_not_an_encoder_for_the_block(encoder, kind, error, message):
    with pytest.raises(error, match=message):
        resolve_encoder(encoder, kind)


@pytest.mark.parametrize("kind", sorted(ENCODERS))
def test_registered_encoders_read_their_kind(kind):
    assert {make().kind for _, make in ENCODERS[kind].items()} == {kind}


def test_a_kind_of_ones_own_is_registered(monkeypatch):
    monkeypatch.setattr(_registry, "ENCODERS", {})
    monkeypatch.setattr(_registry, "_AUTO", {})
    assert not has_auto_encoder("scent")
    register_encoder("scent", "nose", MLPEncoder)
    register_encoder("scent", "snout", CNNEncoder, default=True)
    assert has_auto_encoder("scent")
    assert type(auto_encoder("scent")) is CNNEncoder
    assert type(resolve_encoder("nose", "scent")) is MLPEncoder
    with pytest.raises(ValueError, match=r"Unknown scent encoder 'nse'. Did you mean 'nose'.*Known names: nose, snout"):
        resolve_encoder("nse", "scent")


def test_every_public_encoder_has_a_name():
    bases = {"AudioEncoder", "Encoder", "Features", "ImageEncoder", "TabularEncoder", "TextEncoder", "VideoEncoder"}
    public = {getattr(encoders, name) for name in set(encoders.__all__) - bases}
    registered = {type(make()) for names in ENCODERS.values() for _, make in names.items()}
    assert registered == public - {ModuleEncoder, VectorEncoder}


def test_short_names_of_pretrained_models_fetch_nothing_and_are_listed_last():
    n_pretrained = 0
    for names in ENCODERS.values():
        make = dict(names.items())
        are_pretrained = [isinstance(make[name](), PretrainedEncoder) for name in names.names]
        assert are_pretrained == sorted(are_pretrained)
        n_pretrained += sum(are_pretrained)
    assert n_pretrained > 5
    with pytest.raises(ValueError, match=r"Unknown text encoder 'minilmm'\. Did you mean 'minilm'"):
        resolve_encoder("minilmm", "text")
