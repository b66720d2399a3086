"""Zero-shot on a GPU that is pretended."""

import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import ZeroShotClassifier

LABELS = ["red apples", "a quiet cat", "white snow"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (6, 32, 32, 3)).astype(np.uint8)
    return pd.DataFrame({"photo": list(pictures), "title": ["a cat", "white snow falls", "the old dog"] * 2})


@pytest.fixture(scope="module")
def folder(tiny_model):
    return tiny_model("clip")  # before there seems to be a GPU


@pytest.fixture(scope="module")
def expected(folder, rows):
    return ZeroShotClassifier(folder, LABELS, device="cpu").fit(rows).predict_proba(rows)


def test_a_gpu_says_what_the_cpu_says(folder, rows, expected, gpu, tmp_path):
    clf = ZeroShotClassifier(folder, LABELS).fit(rows)
    np.testing.assert_allclose(clf.predict_proba(rows), expected, atol=1e-5)
    assert gpu.n_on_it > 100
    assert {weight.device for weight in clf.network_.parameters()} == {gpu.device}
    np.testing.assert_allclose(clf.set_params(memory=tmp_path).predict_proba(rows), expected, atol=1e-5)
    loaded = pickle.loads(pickle.dumps(clf))
    assert {weight.device.type for weight in loaded.network_.parameters()} == {"cpu"}
    assert {weight.device for weight in clf.network_.parameters()} == {gpu.device}
    np.testing.assert_allclose(loaded.set_params(device="cpu").predict_proba(rows), expected, atol=1e-5)
