"""The examples run, on real data, and the plain model has the layers that it should have."""

import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_main_job(tmp_path):
    command = [sys.executable, EXAMPLES / "plot_emoji.py", "--results", tmp_path, "--epochs", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Grid search" in done.stdout
    assert len(pd.read_csv(tmp_path / "models.csv")) == 4
    assert len(pd.read_csv(tmp_path / "search.csv")) == 8
    assert (tmp_path / "predictions.png").stat().st_size > 10_000


@pytest.mark.slow
def test_convolutions_lstm_and_concatenation_layer_by_layer():
    model = runpy.run_path(str(EXAMPLES / "plot_convolutional_lstm.py"))["model"]
    network = model.net_.module_
    spec = model.specs_["text"]
    image, text = network.encoders["image"], network.encoders["text"]

    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    assert image.fixed_length
    assert text.fixed_length
    assert [count(layer) for layer in image.modules() if type(layer).__name__ == "Conv2d"] == [
        3 * 3 * 3 * 32 + 32,
        3 * 3 * 32 * 64 + 64,
    ]
    assert image.out_features == 14 * 14 * 64  # 64 - 2 = 62, / 2 = 31, - 2 = 29, / 2 = 14
    assert count(image) == 896 + 18_496
    lstm = 4 * (128 * 64 + 64 * 64 + 2 * 64)  # torch has two bias vectors where Keras has one
    dense = 64 * 64 + 64
    assert count(text) == spec.vocab_size * 128 + lstm + dense
    assert text.out_features == spec.shape[0] * 64
    assert count(network.top.fusion) == 0
    assert network.top.fusion.out_features == 12_544 + 64 * spec.shape[0]
    assert count(network.top.head) == network.top.fusion.out_features * 9 + 9
    assert [epoch["epoch"] for epoch in model.history_] == [1, 2]
