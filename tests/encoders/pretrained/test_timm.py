"""Folders of timm: features are those of timm's own functions, and all that is trained is that of other networks."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.encoders.pretrained._checkpoint_formats import open_checkpoint
from sklearn_mm.encoders.pretrained._folders import CheckpointError, weights_hash
from sklearn_mm.preprocessing import ImageSpec
from sklearn_mm.testing._component_checks import yield_encoder_checks
from sklearn_mm.utils._tensors import as_tensors

timm = pytest.importorskip("timm")

SPEC = ImageSpec(shape=(32, 32, 3), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
ARCHITECTURES = {
    "vit_tiny_patch16_224": {"patch_size": 8, "embed_dim": 16, "depth": 3, "num_heads": 2},
    "convnext_atto": {"depths": [1, 1, 2, 1], "dims": [8, 12, 16, 24]},
    "swin_tiny_patch4_window7_224": {"embed_dim": 8, "depths": [1, 1, 1], "num_heads": [1, 2, 2], "window_size": 4},
    "resnet18": {"channels": [8, 12, 16, 24], "layers": [1, 1, 1, 3]},
    "mobilenetv3_small_050": {},
}


def save(folder, name):
    """Write what timm's save_for_hf writes."""
    input_size = [3, 32, 32]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        told = {"input_size": input_size, "fixed_input_size": name.startswith(("vit", "swin"))}
        model = timm.create_model(name, num_classes=5, pretrained_cfg_overlay=told, **ARCHITECTURES[name])
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.data.normal_(std=0.2)
    folder.mkdir()
    kept = ("input_size", "fixed_input_size", "interpolation", "crop_pct", "mean", "std", "classifier", "num_classes")
    told = {key: model.pretrained_cfg[key] for key in kept if key in model.pretrained_cfg}
    config = {
        "architecture": name,
        "num_classes": 5,
        "num_features": model.num_features,
        "pretrained_cfg": told,
        "model_args": ARCHITECTURES[name],
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file({key: value.contiguous() for key, value in model.state_dict().items()}, folder / "model.safetensors")
    return model.eval()


@pytest.fixture(scope="module", params=ARCHITECTURES)
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("timm") / request.param
    return folder, save(folder, request.param)


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("timm") / "vit"
    save(folder, "vit_tiny_patch16_224")
    return folder


def built(folder, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return resolve_encoder(PretrainedEncoder(folder, **settings), "image").build(SPEC)


def features(encoder, rows):
    encoder.eval()
    with torch.no_grad():
        return encoder(encoder.prepare(rows))


def expected_of(model, rows):
    pictures = (rows.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        tokens = model.forward_features(pictures)
        pooled = model.forward_head(tokens, pre_logits=True)
    if tokens.ndim == 4:
        is_last = getattr(model, "output_fmt", "NCHW") == "NHWC"
        tokens = (tokens if is_last else tokens.permute(0, 2, 3, 1)).flatten(1, 2)
    return pooled, tokens


def test_features_are_those_of_timm(saved):
    folder, model = saved
    rows = as_tensors(SPEC.example_rows(6))
    encoder = built(folder)
    pooled, tokens, mask = features(encoder, rows)
    expected = expected_of(model, rows)
    torch.testing.assert_close(pooled, expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tokens, expected[1], rtol=1e-4, atol=1e-5)
    assert mask.all()
    assert encoder.frozen
    assert encoder.out_features == pooled.shape[1]
    single = features(encoder, rows[:1])
    torch.testing.assert_close(single.pooled, expected[0][:1], rtol=1e-4, atol=1e-5)
    again = features(pickle.loads(pickle.dumps(encoder)), rows)
    torch.testing.assert_close(again.pooled, pooled)


def test_last_layers_alone_are_trained(saved):
    folder, model = saved
    rows = as_tensors(SPEC.example_rows(6))
    encoder = built(folder, trainable="last", n_layers=1)
    tensors = encoder.frozen_part(encoder.prepare(rows))
    found, expected = encoder.rest(tensors), expected_of(model, rows)
    torch.testing.assert_close(found.pooled, expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.tokens, expected[1], rtol=1e-3, atol=1e-4)
    found.pooled.square().sum().backward()
    trained = [weight for group in encoder.parameter_groups() for weight in group["params"]]
    assert all(weight.grad is not None for weight in trained)
    whole = sum(weight.numel() for weight in built(folder).parameters())
    assert 0 < sum(weight.numel() for weight in trained) < whole


def test_everything_is_trained_with_rates_that_fall(saved):
    folder, _ = saved
    encoder = built(folder, trainable="all", lr=0.1, layer_decay=0.5)
    rates = {group["lr"] for group in encoder.parameter_groups()}
    assert max(rates) == pytest.approx(0.1)
    assert len(rates) > 2


def test_adapters(vit):
    pytest.importorskip("peft")
    rows = as_tensors(SPEC.example_rows(6))
    encoder = built(vit, trainable="lora", lora_rank=2)
    torch.testing.assert_close(features(encoder, rows).pooled, features(built(vit), rows).pooled, rtol=1e-4, atol=1e-5)
    trained = [name for name, weight in encoder.named_parameters() if weight.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)


@pytest.mark.parametrize("settings", [{}, {"trainable": "all"}], ids=["frozen", "trained"])
def test_shared_checks(settings, vit):
    encoder = PretrainedEncoder(str(vit), **settings)
    for _, check in yield_encoder_checks(encoder, SPEC, as_tensors(SPEC.example_rows(8))):
        check()


def test_layers_of_maps_with_channels_last(tmp_path):
    model = save(tmp_path / "swin", "swin_tiny_patch4_window7_224")
    rows = as_tensors(SPEC.example_rows(3))
    states = []
    model.layers[0].register_forward_hook(lambda module, _, output: states.append(output))
    expected_of(model, rows)
    tokens = features(built(tmp_path / "swin", layers=1, pooling="mean"), rows).tokens
    torch.testing.assert_close(tokens, states[0].flatten(1, 2), rtol=1e-4, atol=1e-5)


def test_reading_is_that_of_the_folder(vit):
    encoder = PretrainedEncoder(vit).for_kind("image")
    assert encoder.reading["size"] == (32, 32)
    assert encoder.reading["mean"] == pytest.approx((0.5, 0.5, 0.5))
    assert encoder.required_reading == ("size", "color")
    assert PretrainedEncoder(vit).reads_kind("image")
    assert not PretrainedEncoder(vit).reads_kind("text")


def test_weights_are_there_once_and_may_be_referred_to(vit):
    first, second = built(vit), built(vit, pooling="max")
    assert first.whole.layers is second.whole.layers
    referring = built(vit, weights="reference")
    dumped = pickle.dumps(referring)
    assert len(dumped) < len(pickle.dumps(first)) - 0.8 * sum(weight.nbytes for weight in first.parameters())
    rows = as_tensors(SPEC.example_rows(3))
    torch.testing.assert_close(features(pickle.loads(dumped), rows).pooled, features(first, rows).pooled)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_weights_are_memory_mapped(vit):
    encoder = built(vit)
    assert str(vit / "model.safetensors") in Path("/proc/self/maps").read_text()
    assert not any(weight.requires_grad for weight in encoder.parameters())


def test_half_precision_is_computed_in_float32(vit, tmp_path):
    folder = tmp_path / "half"
    shutil.copytree(vit, folder)
    state = load_file(folder / "model.safetensors")
    save_file({name: value.half() for name, value in state.items()}, folder / "model.safetensors")
    pooled = features(built(folder), as_tensors(SPEC.example_rows(3))).pooled
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, features(built(vit), as_tensors(SPEC.example_rows(3))).pooled, rtol=0, atol=0.02)
    assert weights_hash(folder) != weights_hash(vit)


def edited(vit, folder, state=None, **config):
    shutil.copytree(vit, folder)
    if config:
        told = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**told, **config}))
    if state:
        tensors = load_file(folder / "model.safetensors")
        state(tensors)
        save_file(tensors, folder / "model.safetensors")
    return folder


def widen(state):
    state["blocks.0.attn.qkv.weight"] = torch.zeros(3, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": lambda state: state.pop("norm.weight")}, r"1 of the \d+ weights .* are missing: norm\.weight"),
        ({"state": widen}, r"1 weights have other shapes .*: blocks\.0\.attn\.qkv\.weight \(3, 3\) for \(48, 16\)"),
        ({"state": lambda state: state.update(extra=torch.zeros(2))}, r"1 weights are none of a .*: extra\."),
        ({"architecture": "vit_tiny_patch16_225"}, r"timm has no architecture 'vit_tiny_patch16_225'\. Did you mean"),
        ({"model_args": {"checkpoint_path": "x.bin"}}, r"model_args of config\.json has \['checkpoint_path'\]"),
        ({"model_args": {"embed_dim": "wide"}}, r"timm ends in"),
        ({"model_args": ["embed_dim"]}, r"are no JSON objects"),
    ],
    ids=["missing", "shape", "surplus", "architecture", "elsewhere", "settings", "list"],
)
def test_folders_that_are_not_whole_are_errors(changes, message, vit, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        built(edited(vit, tmp_path / "edited", **changes))


def test_blocks_of_other_kinds_are_errors(vit):
    with pytest.raises(ValueError, match="reads image, and the block is of kind 'audio'"):
        open_checkpoint(vit).load("audio")
