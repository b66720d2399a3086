"""The examples run, on real data, and the plain model has the layers that it should have."""

import ast
import importlib.util
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import datasets

EXAMPLES = Path(__file__).parents[1] / "examples"
PRETRAINED = EXAMPLES / "pretrained"


def run_pretrained(name, extra="transformers"):
    """Return the names that an example with pretrained weights ends with; skip where what it needs is not installed."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra plot)").use("Agg")
    pytest.importorskip(extra, reason=f"{extra} is not installed (the extras pretrained and lora)")
    path = PRETRAINED / name
    for package in sorted(imported(path)):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed (tests/weights.txt)")
    try:
        return runpy.run_path(str(path))
    finally:
        sys.modules["matplotlib.pyplot"].close("all")


def imported(path):
    """Return the top-level packages that a script imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


@pytest.mark.slow
def test_main_job(tmp_path):
    command = [sys.executable, EXAMPLES / "plot_emoji.py", "--results", tmp_path, "--epochs", "1", "--every", "4"]
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


@pytest.mark.slow
def test_frozen_is_better_than_from_scratch(capsys):
    example = run_pretrained("plot_frozen.py")
    assert example["accuracy"]["pretrained"] > example["accuracy"]["from scratch"] + 0.1
    assert len(example["unseen"]) > 30
    assert "pretrained: accuracy 0." in capsys.readouterr().out


@pytest.mark.slow
def test_frozen_last_layers_and_adapters():
    table = run_pretrained("plot_tuned.py", extra="peft")["table"]
    assert list(table.index) == ["none", "last", "lora"]
    assert (table["accuracy"] > 0.6).all()  # 0.47 are of the most frequent category
    n_weights = table["weights that learn"]
    assert 0 == n_weights["none"] < n_weights["lora"] < n_weights["last"]


@pytest.mark.slow
def test_module_of_ones_own():
    example = run_pretrained("plot_own_module.py")
    assert example["accuracy"] > 0.6
    assert example["vectors"]["test"].shape == (200, 1280)


@pytest.mark.slow
def test_function_of_ones_own_in_other_languages():
    accuracy = run_pretrained("plot_own_function.py")["accuracy"]
    assert accuracy.idxmax() == "English"
    assert (accuracy > 0.65).all()


@pytest.mark.slow
def test_zero_shot_by_a_few_words_for_each_category():
    example = run_pretrained("plot_zero_shot.py")
    assert example["zero_shot"].score(example["blocks"], example["y"]) > 0.55


@pytest.mark.slow
def test_few_rows_and_zero_shot():
    table = run_pretrained("plot_few_shot.py")["table"]
    assert list(table.index) == [1, 5, 10]
    assert (table["and zero-shot in the mean"] > table["logistic regression"]).all()


@pytest.mark.slow
def test_copies_leak_between_random_folds_and_not_between_grouped_ones():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra plot)").use("Agg")
    example = runpy.run_path(str(EXAMPLES / "search" / "plot_duplicates.py"))
    accuracy = example["accuracy"]
    assert accuracy["random folds"] > accuracy["originals alone"] + 0.2
    assert abs(accuracy["grouped folds"] - accuracy["originals alone"]) < 0.08
    assert example["shared"] > 0.98 * len(example["chosen"])
    sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.slow
def test_a_single_frame_does_not_tell_which_way_it_moves():
    accuracy = run_example("plot_video.py", "inputs")["accuracy"]
    assert accuracy[1] < 0.6
    assert accuracy[4] > 0.9


@pytest.mark.slow
def test_digits_are_told_better_seen_and_heard():
    scores = run_example("plot_seen_and_heard.py", "inputs")["scores"]
    assert scores["both"] > 0.05 + max(scores["picture"], scores["sound"])


@pytest.fixture
def few_emoji(monkeypatch, tmp_path):
    """Let examples load a fifteenth of the emoji, in a folder of their own, so that they take seconds."""
    load_emoji = datasets.load_emoji

    def load_few(return_X_y=False):
        emoji = load_emoji()
        rows = np.arange(len(emoji.data)) % 15 == 0
        rows |= emoji.data["image"].str.endswith("1f481-200d-2640-fe0f.png").to_numpy()  # one that is a query
        data, target = emoji.data[rows].reset_index(drop=True), emoji.target[rows].reset_index(drop=True)
        data["image"] = [shutil.copy(path, tmp_path) for path in data["image"]]
        emoji.update(data=data, target=target, groups=emoji.groups[rows], image_dir=os.fspath(tmp_path))
        return (data, target) if return_X_y else emoji

    monkeypatch.setattr(datasets, "load_emoji", load_few)


def run_example(name, folder="search"):
    """Return the names that an example ends with."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra plot)").use("Agg")
    try:
        return runpy.run_path(str(EXAMPLES / folder / name))
    finally:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.mark.slow
def test_pictures_without_names_are_found_by_words(few_emoji):
    example = run_example("plot_search_by_words.py")
    n_nameless = len(example["nameless"])
    assert len(example["folder"]) == len(example["named"]) + n_nameless
    assert example["share"]["from nothing"] > 1.2 * 10 / n_nameless
    if all(map(importlib.util.find_spec, example["packages"])):
        assert example["share"]["frozen encoders"] > 1.5 * 10 / n_nameless


def test_search_by_words_takes_fifteen_lines():
    source = (EXAMPLES / "search" / "plot_search_by_words.py").read_text("utf-8")
    code = source.split('"""')[2].partition("# %%")[0]
    assert "RetrievalDisplay.from_estimator(" in code
    assert len([line for line in code.splitlines() if line.strip()]) <= 15


@pytest.mark.slow
def test_clusters_of_rows_are_nearer_to_categories_than_those_of_pixels_and_names(few_emoji):
    example = run_example("plot_clusters.py")
    table = example["table"]
    assert {"joint space", "pixels", "TF-IDF of names"} <= set(table.index)
    assert example["dense"].shape == example["found"].shape == example["y"].shape
    if all(map(importlib.util.find_spec, example["packages"])):
        best = table.loc["joint space of frozen encoders"]
        assert (best > table.loc[["pixels", "TF-IDF of names"]]).all(axis=None)


@pytest.mark.slow
def test_pictures_tell_what_cannot_be_read():
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed (the extra generate)")
    scores = run_example("plot_translate.py", "text_out")["scores"]
    (readable, masked), (readable_with, masked_with) = scores["text alone"], scores["text and picture"]
    assert masked_with > masked + 15
    assert readable_with > readable - 3


@pytest.mark.slow
def test_headlines_are_copied():
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed (the extra generate)")
    scores = run_example("plot_summary.py", "text_out")["scores"]
    assert scores["generator that copies"] > 2 * scores["first sentence (lead-1)"]


@pytest.mark.slow
def test_captions_are_right_more_often_than_those_of_like_pictures():
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed (the extra generate)")
    example = run_example("plot_captions.py", "text_out")
    assert np.mean(example["names"] == example["truth"]) > 0.05
    assert not np.any(example["people"]["alike"].iloc[example["test"]] == example["truth"])


@pytest.mark.slow
def test_sentiment_is_in_sentence_and_smiley_together():
    found = run_example("plot_sentiment.py", "training")["found"]
    assert found["both"] > 0.2 + max(found["smiley alone"], found["sentence alone"])
    assert found["both"] > found["both, a third of the smileys missing"] > found["sentence alone"]
