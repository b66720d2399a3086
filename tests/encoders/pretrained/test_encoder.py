"""PretrainedEncoder over every sort of checkpoint: the shared checks of encoders, and what is trained."""

import copy
import json
import pickle
import shutil

import numpy as np
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.preprocessing import BlockSpec, ImageSpec, TextSpec
from sklearn_mm.testing._component_checks import yield_encoder_checks
from sklearn_mm.utils._tensors import as_tensors

pytest.importorskip("transformers")

TEXT = ["bert", "clip", "distilbert", "roberta", "sentence_bert", "siglip", "t5_encoder"]
IMAGE = ["clip", "convnext", "dinov2", "siglip", "vit"]
AUDIO = ["wav2vec2", "whisper"]
MODELS = [("text", name) for name in TEXT] + [("image", name) for name in IMAGE] + [("audio", name) for name in AUDIO]
SPECS = {
    "text": TextSpec(shape=(20,), vocab_size=50, tokenizer="custom"),
    "image": ImageSpec(shape=(32, 32, 3), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    "audio": BlockSpec(kind="audio", shape=(16_000,)),
}


def rows_of(kind, n_rows=8):
    """Return rows of a block: ids that end in padding, pictures of noise, or tones."""
    if kind == "audio":
        frequencies = 200 * 1.3 ** np.arange(n_rows)[:, np.newaxis]  # Hz
        tones = np.sin(2 * np.pi * frequencies * np.arange(16_000) / 16_000)
        return torch.from_numpy((tones * np.random.default_rng(0).random((n_rows, 1))).astype(np.float32))
    return as_tensors(SPECS[kind].example_rows(n_rows))


def built(folder, kind, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return resolve_encoder(PretrainedEncoder(folder, **settings), kind).build(SPECS[kind])


def features(encoder, rows):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.prepare(rows))


TRAINED = [("text", "bert"), ("text", "siglip"), ("image", "clip"), ("image", "convnext"), ("audio", "whisper")]


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [(*model, {}) for model in MODELS] + [(*model, {"trainable": "all"}) for model in TRAINED],
    ids=lambda value: value if isinstance(value, str) else value.get("trainable", "none"),
)
def test_shared_checks(kind, name, settings, tiny_model):
    encoder = PretrainedEncoder(str(tiny_model(name)), **settings)
    for _, check in yield_encoder_checks(encoder, SPECS[kind], rows_of(kind)):
        check()


@pytest.mark.parametrize(("kind", "name"), [model for model in MODELS if model[1] != "t5_encoder"])
def test_last_layers_alone_are_trained_and_all_else_is_computed_once(kind, name, tiny_model):
    rows = rows_of(kind)
    frozen = built(tiny_model(name), kind)
    encoder = built(tiny_model(name), kind, trainable="last", n_layers=1)
    expected, found = features(frozen, rows), features(encoder, rows)
    for part, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, part, rtol=1e-4, atol=1e-5)

    tensors = encoder.frozen_part(encoder.prepare(rows))
    for part, other in zip(expected, encoder.rest(tensors), strict=True):
        torch.testing.assert_close(other, part, rtol=1e-4, atol=1e-5)
    assert not any(weight.requires_grad for weight in encoder.frozen_part.parameters())
    trained = [weight for group in encoder.parameter_groups() for weight in group["params"]]
    assert 0 < sum(weight.numel() for weight in trained) < sum(weight.numel() for weight in frozen.parameters()) * 0.7
    encoder.train()
    assert not encoder.frozen_part.training
    encoder.eval()  # layers may be dropped at random in training
    pooled = encoder.rest(tensors).pooled
    (pooled @ torch.arange(pooled.shape[1]).float()).sum().backward()  # the sum of normalised vectors never changes
    last = encoder.parameter_groups()[0]["params"]
    assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in last)


@pytest.mark.parametrize(("n_blocks", "n_trained"), [(2, 1), (3, 1), (7, 2), (9, 3)])
def test_a_third_of_the_layers_is_trained_by_default(n_blocks, n_trained):
    layers = nn.Sequential(nn.Linear(4, 4), nn.Sequential(*[nn.Linear(4, 4) for _ in range(n_blocks)]))
    encoder = PretrainedEncoder(layers, trainable="last").build(BlockSpec(kind="vector", shape=(4,)))
    trained = [weight for group in encoder.parameter_groups() for weight in group["params"]]
    assert len(trained) == 2 * n_trained  # weights and biases


def test_layers_that_cannot_be_parted_are_an_error(tiny_model):
    with pytest.raises(ValueError, match=r"'.*t5_encoder' cannot be parted .*trainable=\"all\""):
        built(tiny_model("t5_encoder"), "text", trainable="last")


def test_more_layers_than_there_are(tiny_model):
    with pytest.raises(ValueError, match=r"n_layers=3\).* has 3 layers\. Train fewer"):
        built(tiny_model("bert"), "text", trainable="last", n_layers=3)


@pytest.mark.parametrize(("kind", "name"), [("text", "bert"), ("image", "clip"), ("audio", "whisper")])
def test_adapters_begin_as_nothing_and_are_all_that_learns(kind, name, tiny_model):
    pytest.importorskip("peft")
    rows = rows_of(kind)
    frozen = built(tiny_model(name), kind)
    encoder = built(tiny_model(name), kind, trainable="lora", lora_rank=2)
    for part, other in zip(features(frozen, rows), features(encoder, rows), strict=True):
        torch.testing.assert_close(other, part, rtol=1e-4, atol=1e-5)
    trained = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert trained
    assert all("lora_" in name for name in trained)
    before = {name: weight.detach().clone() for name, weight in encoder.named_parameters()}
    optimiser = torch.optim.SGD([{"lr": 0.1, **group} for group in encoder.parameter_groups()], lr=0.1)
    encoder.train()
    for _ in range(2):
        optimiser.zero_grad()
        encoder(encoder.prepare(rows)).pooled.square().sum().backward()
        optimiser.step()
    moved = {name for name, weight in encoder.named_parameters() if not torch.equal(weight, before[name])}
    assert moved
    assert moved <= trained
    places = [{weight.data_ptr() for weight in built.parameters()} for built in (frozen, encoder)]
    assert places[0] <= places[1]


def test_adapters_need_linear_maps(tiny_model):
    pytest.importorskip("peft")
    module = nn.Sequential(nn.Conv2d(3, 4, 4), nn.Conv2d(4, 4, 4))
    with pytest.raises(ValueError, match="Sequential has no stack of layers with linear maps"):
        resolve_encoder(PretrainedEncoder(module, trainable="lora"), "image").build(SPECS["image"])


def test_learning_rates_fall_layer_by_layer(tiny_model):
    encoder = built(tiny_model("bert"), "text", trainable="all", lr=0.1, layer_decay=0.5)
    rates = {id(weight): group["lr"] for group in encoder.parameter_groups() for weight in group["params"]}
    model = encoder.whole.layers
    found = [rates[id(layer.output.dense.weight)] for layer in model.encoder.layer]
    assert found == pytest.approx([0.025, 0.05, 0.1])
    assert rates[id(model.embeddings.word_embeddings.weight)] == pytest.approx(0.0125)
    unused = {id(weight) for weight in model.pooler.parameters()}  # the vectors are means of tokens
    assert rates.keys() == {id(weight) for weight in model.parameters()} - unused
    assert all(group["weight_decay"] == 0 for group in encoder.parameter_groups() if group["params"][0].ndim < 2)


@pytest.mark.parametrize(
    ("kind", "name"), [("text", "bert"), ("image", "convnext"), ("image", "dinov2"), ("text", "t5_encoder")]
)
def test_outputs_of_layers_are_those_of_transformers(kind, name, tiny_model):
    import transformers

    rows = rows_of(kind)
    whole = built(tiny_model(name), kind)
    arguments, _ = whole.whole.arguments(whole.prepare(rows))
    load = transformers.T5EncoderModel if name == "t5_encoder" else transformers.AutoModel
    reference = load.from_pretrained(tiny_model(name)).eval()
    with torch.no_grad():
        output = reference(**arguments, output_hidden_states=True)
    states = [*output.hidden_states[:-1], output.last_hidden_state]
    n_layers = len(states) - 1
    for layers in (0, 1, -2, n_layers):
        pooled, tokens, _ = features(built(tiny_model(name), kind, layers=layers, pooling="mean"), rows)
        expected = states[layers]
        expected = expected.flatten(2).transpose(1, 2) if expected.ndim == 4 else expected
        torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-5)
        if kind == "image":  # a mean over as many places as the layer has
            torch.testing.assert_close(pooled, expected.mean(1), rtol=1e-4, atol=1e-5)
    if kind == "text":
        mean = features(built(tiny_model(name), kind, layers=(1, -1), pooling="first"), rows)
        torch.testing.assert_close(mean.pooled, (states[1][:, 0] + states[-1][:, 0]) / 2, rtol=1e-4, atol=1e-5)


def test_layers_that_are_not_there(tiny_model):
    with pytest.raises(ValueError, match=r"layers=4\): .* has 3 layers\. Give numbers from 0"):
        built(tiny_model("bert"), "text", layers=4)


@pytest.mark.parametrize("pooling", ["mean", "first", "max", "attention"])
def test_pooling(pooling, tiny_model):
    rows = rows_of("text")
    encoder = built(tiny_model("bert"), "text", pooling=pooling)
    pooled, tokens, mask = features(encoder, rows)
    if pooling == "mean":
        expected = torch.stack([row[there].mean(0) for row, there in zip(tokens[1:], mask[1:], strict=True)])
    elif pooling == "max":
        expected = torch.stack([row[there].amax(0) for row, there in zip(tokens[1:], mask[1:], strict=True)])
    elif pooling == "first":
        expected = tokens[1:, 0]
    if pooling != "attention":
        torch.testing.assert_close(pooled[1:], expected)
        assert encoder.frozen
        return
    assert not encoder.frozen
    assert encoder.partly_frozen
    assert not any(weight.requires_grad for weight in encoder.frozen_part.parameters())
    assert all(weight.requires_grad for weight in encoder.pool.parameters())
    tensors = encoder.frozen_part(encoder.prepare(rows))
    torch.testing.assert_close(encoder.rest(tensors).pooled, pooled)


def test_weights_are_there_once(tiny_model):
    first, second = built(tiny_model("bert"), "text"), built(tiny_model("bert"), "text", pooling="max")
    assert first.whole.layers is second.whole.layers
    text, image = built(tiny_model("clip"), "text"), built(tiny_model("clip"), "image")
    assert not any("vision" in name for name, _ in text.named_parameters())
    assert not any("text" in name for name, _ in image.named_parameters())
    size = sum(weight.nbytes for weight in first.parameters())
    assert len(pickle.dumps((first, copy.deepcopy(first)))) < len(pickle.dumps(first)) + size / 2


def test_pickles_and_clones(tiny_model):
    rows = rows_of("text")
    for settings in ({}, {"trainable": "last", "n_layers": 1}, {"trainable": "all"}, {"pooling": "attention"}):
        encoder = built(tiny_model("bert"), "text", **settings)
        again = pickle.loads(pickle.dumps(encoder))
        for part, other in zip(features(encoder, rows), features(again, rows), strict=True):
            torch.testing.assert_close(other, part)
        assert clone(encoder).get_params() == encoder.get_params()


def test_gradient_checkpointing_gives_the_same_gradients(tiny_model):
    gradients = []
    for checkpointing in (False, True):
        encoder = built(tiny_model("vit"), "image", trainable="all", gradient_checkpointing=checkpointing).train()
        encoder(encoder.prepare(rows_of("image"))).pooled.square().sum().backward()
        gradients.append(encoder.whole.layers.layers[0].attention.q_proj.weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_gradient_checkpointing_is_for_models_of_transformers():
    encoder = PretrainedEncoder(nn.Conv2d(3, 4, 4), trainable="all", gradient_checkpointing=True)
    with pytest.raises(ValueError, match="Conv2d cannot do it; models of transformers"):
        resolve_encoder(encoder, "image").build(SPECS["image"])


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("image", "bert", r"its BertModel reads text, and the block is of kind 'image'\..* Give a model for image"),
        ("text", "vit", r"its ViTModel reads image, and the block is of kind 'text'"),
        ("audio", "clip", r"its CLIPModel reads text and image, and the block is of kind 'audio'"),
    ],
)
def test_model_of_another_kind(kind, name, message, tiny_model):
    with pytest.raises(ValueError, match=message):
        built(tiny_model(name), kind)


def test_any_module_is_read_as_module_encoder_reads_it():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.ReLU())
    rows = rows_of("image")
    encoder = resolve_encoder(PretrainedEncoder(module), "image").build(SPECS["image"])
    assert encoder.frozen
    pooled, tokens, _ = features(encoder, rows)
    assert tokens.shape == (8, 64, 6)
    torch.testing.assert_close(pooled, tokens.mean(1))


def test_functions_cannot_be_trained():
    encoder = PretrainedEncoder(len, trainable="all")
    with pytest.raises(ValueError, match="a function of cells cannot be trained"):
        encoder.build(BlockSpec(kind="text", shape=(3,)))


REFERRING = [{}, {"trainable": "last", "n_layers": 1}, {"pooling": "attention"}, {"layers": 1}, {"trainable": "lora"}]


@pytest.mark.parametrize("settings", REFERRING, ids=lambda settings: "-".join(map(str, settings.values())) or "frozen")
@pytest.mark.parametrize(("kind", "name"), [("text", "sentence_bert"), ("image", "clip")])
def test_pickles_may_refer_to_weights(settings, kind, name, tiny_model, tmp_path):
    rows = rows_of(kind)
    folder = tmp_path / "model"
    shutil.copytree(tiny_model(name), folder)
    encoder = built(folder, kind, weights="reference", **settings)
    expected = features(encoder, rows)
    dumped = pickle.dumps(encoder)
    size = sum(weight.nbytes for weight in built(folder, kind).whole.layers.parameters())
    assert len(dumped) < len(pickle.dumps(built(folder, kind, **settings))) - 0.8 * size
    for again in (pickle.loads(dumped), copy.deepcopy(encoder)):
        for part, other in zip(expected, features(again, rows), strict=True):
            torch.testing.assert_close(other, part)

    moved = folder.rename(tmp_path / "moved")
    without = pickle.loads(dumped)
    again = pickle.loads(pickle.dumps(without))
    with pytest.raises(
        FileNotFoundError, match=r"pickled with weights=\"reference\": those of '.*model' .*There is no folder"
    ):
        features(again, rows)
    moved.rename(folder)
    for part, other in zip(expected, features(pickle.loads(pickle.dumps(again)), rows), strict=True):
        torch.testing.assert_close(other, part)


def test_weights_that_have_changed_are_not_taken_for_those_referred_to(tiny_model, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("bert"), folder)
    dumped = pickle.dumps(built(folder, "text", weights="reference"))
    shutil.rmtree(folder)
    shutil.copytree(tiny_model("sentence_bert"), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    with pytest.raises(FileNotFoundError, match="is another one: its hash is"):
        features(pickle.loads(dumped), rows_of("text"))


def test_modules_of_ones_own_cannot_be_referred_to():
    encoder = PretrainedEncoder(nn.Conv2d(3, 4, 4), weights="reference")
    with pytest.raises(ValueError, match="Conv2d came as a module"):
        resolve_encoder(encoder, "image").build(SPECS["image"])


def test_a_transformer_says_how_to_read_where_the_files_do_not(tiny_model, tmp_path):
    from sklearn_mm import ImageInput, ModalityTransformer
    from sklearn_mm.preprocessing import ImageTransformer

    shutil.copytree(tiny_model("vit"), tmp_path / "model")
    path = tmp_path / "model" / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "do_resize": False}))
    pictures = [np.full((40, 40, 3), value, dtype=np.uint8) for value in (0, 200)]
    encoder = PretrainedEncoder(tmp_path / "model")

    def spec_of(**settings):
        return (
            ModalityTransformer(image=ImageInput(0, encoder=encoder, **settings))
            .fit(np.array([[picture, None] for picture in pictures], dtype=object))
            .specs_["0"]
        )

    spec = spec_of(transformer=ImageTransformer(size=32, mean=0.5, std=0.5))
    assert encoder.for_kind("image").build(spec).out_features == 16
    with pytest.raises(ValueError, match=r"do_resize is false.* Hand in an ImageTransformer"):
        encoder.for_kind("image").build(spec_of())
