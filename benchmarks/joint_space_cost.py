"""What a joint space costs: a search on frozen encoders against its training alone, and the memory of large batches.

"search": 20 candidates times the folds over names of emoji in two languages, which MiniLM reads. "features given" is
the same search over vectors that were computed before, "one encoding" computes these once; the search over the table
with ``memory=`` should take hardly more than both together. "memory": a step of 1,024 pictures and names from scratch
with ``rows_at_once=128`` (gradient caching) beside one of all rows at once, each in a process of its own, by its
high-water mark (VmHWM).

    python benchmarks/joint_space_cost.py search memory
"""

import argparse
import subprocess
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from _pretrained import as_blocks, embed_texts, text_folder
from sklearn.model_selection import GridSearchCV, ParameterGrid

from sklearn_mm import MultimodalEmbedder, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder

GRID = {"n_components": [8, 16, 32, 64, 128], "projection": ["cca", "linear"], "loss": ["infonce", "siglip"]}


def timed(function):
    """Return the seconds of the processor that a call takes, and what it returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def search_cost(n_rows, n_candidates, n_epochs):
    """Print what a search takes, and what its parts take alone."""
    emoji = load_emoji(languages=["de"]).data[["text", "text_de"]][:n_rows]
    table = emoji.rename(columns={"text": "english", "text_de": "german"})
    grid = [{name: [value] for name, value in one.items()} for one in ParameterGrid(GRID)][:n_candidates]

    def search(X, **parameters):
        embedder = MultimodalEmbedder(max_epochs=n_epochs, random_state=0, **parameters)
        return GridSearchCV(embedder, grid, cv=3, refit=False, error_score="raise").fit(X)

    def read(column):
        return column, TextInput(column, encoder=PretrainedEncoder(str(text_folder())))

    encoding, vectors = timed(lambda: {name: embed_texts(table[name]) for name in table})
    given, _ = timed(lambda: search(as_blocks(vectors)))
    settings = {"inputs": [read(column) for column in table], "text": None, "tabular": None}
    with tempfile.TemporaryDirectory() as folder:
        cold, _ = timed(lambda: search(table, memory=folder, **settings))
        warm, _ = timed(lambda: search(table, memory=folder, **settings))
    print(f"{len(table)} rows, {len(grid)} candidates, 3 folds, {n_epochs} epochs where there are any\n")
    print("| | CPU seconds | / (features given + one encoding) |\n|---|---|---|")
    rows = {"features given": given, "one encoding": encoding, "cold store": cold, "warm store": warm}
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.1f} | {seconds / (given + encoding):.3f} |")


def step(rows_at_once, n_rows):
    """Fit one step, and return by how many MB the high-water mark of memory grew."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (n_rows, 64, 64, 3), dtype=np.uint8)
    X = pd.DataFrame({"image": list(pictures), "text": [f"the name {row} of {row % 7}" for row in range(n_rows)]})
    settings = {"batch_size": n_rows, "max_epochs": 1, "early_stopping": False, "random_state": 0}
    small = X[:64]
    MultimodalEmbedder(**{**settings, "batch_size": 64}).fit(small)  # what is loaded once is not counted
    before = high_water_mark()
    MultimodalEmbedder(rows_at_once=rows_at_once, **settings).fit(X)
    return high_water_mark() - before


def high_water_mark():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


def memory(n_rows):
    """Print what a step of so many rows takes, whole and in parts."""
    grown = {}
    for rows_at_once in (None, 128):
        command = [sys.executable, __file__, "step", "--rows", str(n_rows), "--at-once", str(rows_at_once or n_rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        grown[rows_at_once] = float(done.stdout.split()[-1])
    print(f"\nA step of {n_rows} rows\n\n| rows at once | MB | / all at once |\n|---|---|---|")
    for rows_at_once, megabytes in grown.items():
        print(f"| {rows_at_once or 'all'} | {megabytes:.0f} | {megabytes / grown[None]:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="+", choices=["search", "memory", "step"])
    parser.add_argument("--rows", type=int, help="by default 1,000 of a search, 1,024 of a step")
    parser.add_argument("--at-once", type=int)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    arguments = parser.parse_args()
    if "step" in arguments.what:
        print(step(arguments.at_once, arguments.rows))
    if "search" in arguments.what:
        search_cost(arguments.rows or 1000, arguments.candidates, arguments.epochs)
    if "memory" in arguments.what:
        memory(arguments.rows or 1024)


if __name__ == "__main__":
    main()
