"""The examples run, on real data, and the plain model has the layers that it should have."""

import ast
import importlib.util
import os
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import datasets

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run_example(monkeypatch, tmp_path):
    """Return what runs an example and returns the names that it ends with.

    Every line is executed, but on less than readers see: ``every`` takes one emoji in so many, and ``smaller`` replaces
    parts of the source, all of which have to be in there.
    """
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (the extra plot)").use("Agg")

    def run(name, *, every=1, smaller=(), options=()):
        if every > 1:
            monkeypatch.setattr(datasets, "load_emoji", few_emoji(every, tmp_path))
        source = (EXAMPLES / name).read_text("utf-8")
        for old, new in dict(smaller).items():
            assert old in source, f"{name} has no {old!r} any more, which its test makes smaller"
            source = source.replace(old, new)
        path = tmp_path / Path(name).name
        path.write_text(source, "utf-8")
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, options)])
        return runpy.run_path(str(path))

    yield run
    sys.modules["matplotlib.pyplot"].close("all")


def few_emoji(every, folder):
    """Return what loads one emoji in so many, whose pictures it copies to a folder of their own."""
    load_emoji = datasets.load_emoji

    def load_few(return_X_y=False, **kwargs):
        emoji = load_emoji(**kwargs)
        rows = np.arange(len(emoji.data)) % every == 0
        rows |= emoji.data["image"].str.endswith("1f481-200d-2640-fe0f.png").to_numpy()  # one that is a query
        data, target = emoji.data[rows].reset_index(drop=True), emoji.target[rows].reset_index(drop=True)
        data["image"] = [shutil.copy(path, folder) for path in data["image"]]
        emoji.update(data=data, target=target, groups=emoji.groups[rows], image_dir=os.fspath(folder))
        return (data, target) if return_X_y else emoji

    return load_few


@pytest.fixture
def run_pretrained(run_example):
    """Return what runs an example with pretrained weights; it skips where what the example needs is not installed."""

    def run(name, *, extra="transformers", **smaller):
        pytest.importorskip(extra, reason=f"{extra} is not installed (the extras pretrained and lora)")
        for package in sorted(imported(EXAMPLES / "pretrained" / name)):
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"the package {package} is not installed (tests/weights.txt)")
        return run_example(f"pretrained/{name}", **smaller)

    return run


def imported(path):
    """Return the top-level packages that a script imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The least populated class")  # of so few rows
def test_main_job(run_example, tmp_path, capsys):
    results = tmp_path / "results"
    options = ["--results", results, "--epochs", "1", "--every", "24"]
    run_example("plot_emoji.py", smaller={"StratifiedGroupKFold(3": "StratifiedGroupKFold(2"}, options=options)
    assert "Grid search" in capsys.readouterr().out
    assert len(pd.read_csv(results / "models.csv")) == 4
    assert len(pd.read_csv(results / "search.csv")) == 8
    assert (results / "predictions.png").stat().st_size > 10_000


@pytest.mark.slow
def test_convolutions_lstm_and_concatenation_layer_by_layer(run_example):
    model = run_example("plot_convolutional_lstm.py", every=15)["model"]
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
def test_frozen_is_better_than_from_scratch(run_pretrained, capsys):
    example = run_pretrained("plot_frozen.py", every=3)
    assert example["accuracy"]["pretrained"] > example["accuracy"]["from scratch"] + 0.1
    assert len(example["unseen"]) > 30
    assert "pretrained: accuracy 0." in capsys.readouterr().out


@pytest.mark.slow
def test_frozen_last_layers_and_adapters(run_pretrained):
    fewer = {"train_size=100, test_size=200": "train_size=60, test_size=80", "max_epochs=4": "max_epochs=3"}
    table = run_pretrained("plot_tuned.py", extra="peft", smaller=fewer)["table"]
    assert list(table.index) == ["none", "last", "lora"]
    assert (table["accuracy"] > 0.6).all()  # 0.47 are of the most frequent category
    n_weights = table["weights that learn"]
    assert 0 == n_weights["none"] < n_weights["lora"] < n_weights["last"]


@pytest.mark.slow
def test_module_of_ones_own(run_pretrained):
    fewer = {"train[:900], test[:300]": "train[:300], test[:100]", "X_test[:200]": "X_test[:40]"}
    example = run_pretrained("plot_own_module.py", smaller={**fewer, "choice(200,": "choice(40,"})
    assert example["accuracy"] > 0.6
    assert example["vectors"]["test"].shape == (40, 1280)


@pytest.mark.slow
def test_function_of_ones_own_in_other_languages(run_pretrained):
    accuracy = run_pretrained("plot_own_function.py", every=2)["accuracy"]
    assert accuracy.idxmax() == "English"
    assert (accuracy > 0.65).all()


@pytest.mark.slow
def test_zero_shot_by_a_few_words_for_each_category(run_pretrained):
    example = run_pretrained("plot_zero_shot.py", every=6)
    assert example["zero_shot"].score(example["blocks"], example["y"]) > 0.55


@pytest.mark.slow
def test_few_rows_and_zero_shot(run_pretrained):
    fewer = {"shuffled[:600], shuffled[600:]": "shuffled[:200], shuffled[200:]", "(1, 5, 10)": "(1, 5)"}
    table = run_pretrained("plot_few_shot.py", every=3, smaller={**fewer, "range(2)": "range(1)"})["table"]
    assert list(table.index) == [1, 5]
    assert (table["and zero-shot in the mean"] > table["logistic regression"]).all()


@pytest.mark.slow
def test_copies_leak_between_random_folds_and_not_between_grouped_ones(run_example):
    fewer = {"data), 400": "data), 150", "RandomForestClassifier(": "RandomForestClassifier(30, "}
    example = run_example("search/plot_duplicates.py", smaller=fewer)
    accuracy = example["accuracy"]
    assert accuracy["random folds"] > accuracy["originals alone"] + 0.2
    assert abs(accuracy["grouped folds"] - accuracy["originals alone"]) < 0.08
    assert example["shared"] > 0.98 * len(example["chosen"])


@pytest.mark.slow
def test_a_single_frame_does_not_tell_which_way_it_moves(run_example):
    accuracy = run_example("inputs/plot_video.py")["accuracy"]
    assert accuracy[1] < 0.6
    assert accuracy[4] > 0.9


@pytest.mark.slow
def test_digits_are_told_better_seen_and_heard(run_example):
    fewer = {"max_epochs=6": "max_epochs=4, batch_size=64"}
    scores = run_example("inputs/plot_seen_and_heard.py", smaller=fewer)["scores"]
    assert scores["both"] > 0.05 + max(scores["picture"], scores["sound"])


@pytest.mark.slow
def test_a_picture_a_sound_and_a_text_all_count(run_example):
    fewer = {
        "[:400]": "[:250]",
        "size=400": "size=250",
        "test_size=100": "test_size=60",
        "max_epochs=12": "max_epochs=6",
    }
    r2 = run_example("inputs/plot_picture_sound_text.py", smaller=fewer)["r2"]
    assert all(value < r2["all three"] - 0.2 for name, value in r2.items() if name != "all three")


@pytest.mark.slow
def test_pictures_without_names_are_found_by_words(run_example):
    example = run_example("search/plot_search_by_words.py", every=15)
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
def test_clusters_of_rows_are_nearer_to_categories_than_those_of_pixels_and_names(run_example):
    fewer = {"make_pipeline(MultimodalEmbedder(random": "make_pipeline(MultimodalEmbedder(max_epochs=2, random"}
    example = run_example("search/plot_clusters.py", every=15, smaller=fewer)
    table = example["table"]
    assert {"joint space", "pixels", "TF-IDF of names"} <= set(table.index)
    assert example["dense"].shape == example["found"].shape == example["y"].shape
    if all(map(importlib.util.find_spec, example["packages"])):
        best = table.loc["joint space of frozen encoders"]
        assert (best > table.loc[["pixels", "TF-IDF of names"]]).all(axis=None)


@pytest.mark.slow
def test_pictures_tell_what_cannot_be_read(run_example):
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed (the extra generate)")
    fewer = {"numbers[15:], 800": "numbers[15:], 600", "150, places": "40, places", "width=64": "width=32"}
    fewer |= {"lr=4e-3": "lr=4e-3, batch_size=32", "max_epochs=12": "max_epochs=10"}
    scores = run_example("text_out/plot_translate.py", smaller=fewer)["scores"]
    (readable, masked), (readable_with, masked_with) = scores["text alone"], scores["text and picture"]
    assert masked_with > masked + 15
    assert readable_with > readable - 3


@pytest.mark.slow
def test_headlines_are_copied(run_example):
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed (the extra generate)")
    fewer = {
        "make_reports(800": "make_reports(300",
        "make_reports(150": "make_reports(30",
        "batch_size=32": "batch_size=16",
    }
    fewer |= {"max_epochs=10": "max_epochs=8 if parameters else 1"}  # one that does not copy learns nothing for long
    scores = run_example("text_out/plot_summary.py", smaller=fewer)["scores"]
    assert scores["generator that copies"] > 2 * scores["first sentence (lead-1)"]


@pytest.mark.slow
def test_captions_are_right_more_often_than_those_of_like_pictures(run_example):
    pytest.importorskip("sacrebleu", reason="sacrebleu is not installed (the extra generate)")
    fewer = {"ImageTransformer(size=64)": "ImageTransformer(size=16)", "max_epochs=30": "max_epochs=10, lr=3e-3"}
    example = run_example("text_out/plot_captions.py", smaller=fewer)
    assert np.mean(example["names"] == example["truth"]) > 0.05
    assert not np.any(example["people"]["alike"].iloc[example["test"]] == example["truth"])


@pytest.mark.slow
def test_sentiment_is_in_sentence_and_smiley_together(run_example):
    fewer = {"make_posts(720": "make_posts(180", "make_posts(360": "make_posts(180", "size=32": "size=16"}
    fewer |= {"max_epochs=8": "max_epochs=8, batch_size=32"}
    found = run_example("training/plot_sentiment.py", smaller=fewer)["found"]
    assert found["both"] > 0.2 + max(found["smiley alone"], found["sentence alone"])
    assert found["both"] > found["both, a third of the smileys missing"] > found["sentence alone"]
