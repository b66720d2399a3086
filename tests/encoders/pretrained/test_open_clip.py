"""Folders of open_clip: features, ids, logits and probabilities are those of open_clip on the same weights."""

import json
import pickle
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sklearn_mm import MultimodalClassifier, ZeroShotClassifier, datasets
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.encoders.pretrained._folders import CheckpointError
from sklearn_mm.inputs import TextInput
from sklearn_mm.preprocessing import ImageSpec, TextTransformer
from sklearn_mm.utils._tensors import as_tensors
from sklearn_mm.utils._tokenizers import model_ids

open_clip = pytest.importorskip("open_clip")

SIZE = 32
VISION = {"image_size": SIZE, "layers": 3, "width": 16, "head_width": 8, "patch_size": 8}
TEXT = {"context_length": 20, "width": 16, "heads": 2, "layers": 3}
MODELS = {
    "clip": {"embed_dim": 12, "vision_cfg": VISION, "text_cfg": TEXT, "quick_gelu": True},
    "custom": {"embed_dim": 12, "vision_cfg": VISION, "text_cfg": TEXT, "custom_text": True},
    "siglip": {
        "embed_dim": 16,
        "vision_cfg": {**VISION, "pool_type": "avg"},
        "text_cfg": {
            **TEXT,
            "hf_tokenizer_name": "in/here",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "pool_type": "last",
            "proj_bias": True,
            "vocab_size": 200,
        },
        "custom_text": True,
        "init_logit_scale": 1.5,
        "init_logit_bias": -3.0,
    },
    "resnet": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": SIZE, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": TEXT,
    },
    "timm": {
        "embed_dim": 12,
        "vision_cfg": {"timm_model_name": "resnet10t", "timm_pool": "avg", "timm_proj": "linear", "image_size": SIZE},
        "text_cfg": TEXT,
    },
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"}
TEXTS = ["a small quiet cat", "the old BLACK dog; it's 42!", "two_happy birds … naïve café", "snow"]
LABELS = ["cat", "dog", "bird"]
TEMPLATES = ["a photo of a {}.", "a drawing of the {}"]


def save(folder, name, tiny_model):
    """Write what open_clip's push_to_hf_hub writes."""
    folder.mkdir()
    if name == "siglip":
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(tiny_model("siglip") / file, folder / file)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": MODELS[name], "preprocess_cfg": PREPROCESS}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False)
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.data.normal_(std=0.2)
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    return folder


@pytest.fixture(scope="module")
def tiny_open_clip(tmp_path_factory, tiny_model):
    made, place = {}, tmp_path_factory.mktemp("open_clip")

    def folder(name):
        if name not in made:
            made[name] = save(place / name, name, tiny_model)
        return made[name]

    return folder


def theirs(folder):
    """Return open_clip's own model, what it does with pictures, and its tokenizer."""
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{folder}")


def built_on_texts(folder, **settings):
    encoder = resolve_encoder(PretrainedEncoder(folder, **settings), "text")
    transformer = TextTransformer(**encoder.reading)
    rows = as_tensors(transformer.fit_transform(pd.Series(TEXTS)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return encoder.build(transformer.spec_), rows


def features(encoder, rows):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.prepare(rows))


def pictures():
    return [Image.fromarray(row) for row in np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)]


def built_on_pictures(folder, **settings):
    spec = ImageSpec(shape=(SIZE, SIZE, 3), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = resolve_encoder(PretrainedEncoder(folder, **settings), "image").build(spec)
    return encoder, torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures()]))


@pytest.mark.parametrize("name", MODELS)
def test_vectors_are_those_of_open_clip(name, tiny_open_clip):
    folder = tiny_open_clip(name)
    model, preprocess, tokenize = theirs(folder)
    with torch.no_grad():
        texts = model.encode_text(tokenize(TEXTS))
        images = model.encode_image(torch.stack([preprocess(picture) for picture in pictures()]))
    for (encoder, rows), expected in ((built_on_texts(folder), texts), (built_on_pictures(folder), images)):
        assert encoder.frozen
        found = features(encoder, rows)
        torch.testing.assert_close(found.pooled, expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(features(encoder, rows[:1]).pooled, expected[:1], rtol=1e-4, atol=1e-4)
        again = pickle.loads(pickle.dumps(encoder))
        torch.testing.assert_close(features(again, rows).pooled, found.pooled)
        assert found.tokens.shape[:2] == found.mask.shape


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_parts_are_trained(name, tiny_open_clip):
    for build in (built_on_texts, built_on_pictures):
        frozen, rows = build(tiny_open_clip(name))
        expected = features(frozen, rows)
        for settings in ({"trainable": "last", "n_layers": 1}, {"trainable": "all"}, {"trainable": "lora"}):
            encoder, _ = build(tiny_open_clip(name), **settings)
            found = features(encoder, rows)
            torch.testing.assert_close(found.pooled, expected.pooled, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found.tokens, expected.tokens, rtol=1e-4, atol=1e-4)
            encoder(encoder.prepare(rows)).pooled.square().sum().backward()
            trained = [weight for group in encoder.parameter_groups() for weight in group["params"]]
            assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in trained)


@pytest.mark.parametrize("name", ["clip", "siglip"])
def test_ids_are_those_of_open_clip(name, tiny_open_clip):
    names = pd.read_csv(Path(datasets.__file__).with_name("data") / "emoji.csv", dtype=str).iloc[::9, 3:]
    texts = [text for column in names for text in names[column].dropna()]
    texts += [
        *TEXTS,
        "x " * 100,
        "<end_of_text> is a word?",
        "İstanbul",
        "“ﬁn” ’ Ａ",
        "  a\tb\n c ",
        "it'S I'LL",
        "٣½²",
        "😀👍🏽",
    ]
    texts = [text for text in texts if unescape(text) == text]
    folder = tiny_open_clip(name)
    reading = PretrainedEncoder(folder).for_kind("text").reading
    transformer = TextTransformer(**reading)
    with pytest.warns(UserWarning, match="TextTransformer cut"):
        ids = transformer.fit_transform(pd.Series(texts))
    assert len(texts) > 200
    found = model_ids(reading["tokenizer"])[ids]
    for text, row, expected in zip(texts, found, theirs(folder)[2](texts).tolist(), strict=True):
        own = row[row >= 0].tolist()
        assert (own, len(set(expected[len(own) :])) > 1) == (expected[: len(own)], False), text


@pytest.mark.parametrize("name", ["clip", "siglip", "timm"])
def test_zero_shot_is_that_of_open_clip(name, tiny_open_clip):
    folder = tiny_open_clip(name)
    model, preprocess, tokenize = theirs(folder)
    weights = open_clip.build_zero_shot_classifier(
        model, tokenize, LABELS, [lambda label, template=template: template.format(label) for template in TEMPLATES]
    )
    with torch.no_grad():
        images = model.encode_image(torch.stack([preprocess(picture) for picture in pictures()]), normalize=True)
        logits = model.logit_scale.exp() * images @ weights
        logits = logits if model.logit_bias is None else logits + model.logit_bias
    X = pd.DataFrame({"picture": pictures()})
    classifier = ZeroShotClassifier(str(folder), LABELS, TEMPLATES, image="picture").fit()
    order = [LABELS.index(label) for label in classifier.classes_]
    np.testing.assert_allclose(classifier.transform(X), logits[:, order], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(classifier.predict_proba(X), logits[:, order].softmax(1), rtol=1e-4, atol=1e-4)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_allclose(again.predict_proba(X), classifier.predict_proba(X), rtol=1e-5)


def test_pickles_may_refer_to_weights(tiny_open_clip):
    for build in (built_on_texts, built_on_pictures):
        encoder, rows = build(tiny_open_clip("clip"), weights="reference")
        dumped = pickle.dumps(encoder)
        assert len(dumped) < len(pickle.dumps(build(tiny_open_clip("clip"))[0])) - 5_000
        torch.testing.assert_close(features(pickle.loads(dumped), rows).pooled, features(encoder, rows).pooled)


def test_supervised(tiny_open_clip):
    X = pd.DataFrame({"picture": pictures() * 4, "text": TEXTS * 4})
    y = np.arange(16) % 2
    model = str(tiny_open_clip("clip"))
    classifier = MultimodalClassifier(
        image="picture", text=TextInput("text", encoder=PretrainedEncoder(model)), max_epochs=1, random_state=0
    )
    probabilities = classifier.fit(X, y).predict_proba(X)
    assert probabilities.shape == (16, 2)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(classifier)).predict_proba(X), probabilities, rtol=1e-5)


def test_pickle_of_tensors_alone_is_read_and_others_are_not(tiny_open_clip, tmp_path):
    folder = tmp_path / "bin"
    shutil.copytree(tiny_open_clip("clip"), folder)
    state = load_file(folder / "open_clip_model.safetensors")
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({name: value.half() for name, value in state.items()}, folder / "open_clip_pytorch_model.bin")
    pooled = features(*built_on_texts(folder)).pooled
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, features(*built_on_texts(tiny_open_clip("clip"))).pooled, rtol=0, atol=0.02)
    torch.save({"weights": print}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(CheckpointError, match="holds more than tensors"):
        built_on_texts(folder)


def changed(folder, place, **model_cfg):
    shutil.copytree(folder, place)
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**MODELS["clip"], **model_cfg}}))
    return place


@pytest.mark.parametrize(
    ("model_cfg", "message"),
    [
        ({"text_cfg": {**TEXT, "hf_model_name": "bert-base"}}, "a tower of it is 'bert-base' of the hub"),
        ({"vision_cfg": {"timm_model_name": "hf-hub:org/vit"}}, "a tower of it is 'hf-hub:org/vit' of the hub"),
        ({"multimodal_cfg": {}}, "it is a CoCa"),
        ({"text_cfg": {**TEXT, "layers": 4}}, r"12 of the \d+ weights of a CustomTextCLIP are missing"),
        ({"text_cfg": {**TEXT, "layers": 2}}, "12 weights are none of a CustomTextCLIP's"),
        ({"embed_dim": 13}, r"2 weights have other shapes .*text\.text_projection"),
        ({"text_cfg": None}, "no model_cfg with text_cfg"),
        ({"text_cfg": {**TEXT, "tokenizer_kwargs": {"reduction_mask": "shuffle"}}}, "asks for a tokenizer with"),
        ({"what": 1}, "open_clip ends in TypeError"),
    ],
    ids=["hub", "hub of timm", "coca", "missing", "surplus", "shape", "none", "tokenizer", "unknown"],
)
def test_folders_that_cannot_be_read_are_errors(model_cfg, message, tiny_open_clip, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        built_on_texts(changed(tiny_open_clip("clip"), tmp_path / "changed", **model_cfg))


def test_sound_is_not_read(tiny_open_clip):
    encoder = PretrainedEncoder(tiny_open_clip("clip"))
    assert [kind for kind in ("image", "text", "audio") if encoder.reads_kind(kind)] == ["image", "text"]
