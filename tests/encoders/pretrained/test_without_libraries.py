"""Folders of libraries that are not installed say how to install them."""

import json
import sys

import pytest

from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.preprocessing import ImageSpec

SPEC = ImageSpec(shape=(32, 32, 3), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
CONFIGS = {
    "timm": ("config.json", {"architecture": "resnet18", "pretrained_cfg": {}}, "model.safetensors", "timm"),
    "open_clip": (
        "open_clip_config.json",
        {"model_cfg": {"vision_cfg": {}, "text_cfg": {}}},
        "open_clip_model.safetensors",
        "open_clip_torch",
    ),
}


@pytest.mark.parametrize("library", CONFIGS)
def test_library_is_missing(library, tmp_path, monkeypatch):
    name, config, weights, package = CONFIGS[library]
    (tmp_path / name).write_text(json.dumps(config))
    (tmp_path / weights).write_bytes(b"")
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"needs the package {package}, .*pip install {package} torchvision"):
        resolve_encoder(PretrainedEncoder(tmp_path), "image").build(SPEC)
