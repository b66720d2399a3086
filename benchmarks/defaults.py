"""Each default of training that is about speed, against what it could be: seconds of an epoch, in turn.

Pictures and names of the emoji with the default network, and generated texts of very different lengths with a recurrent
one. Each variant changes one thing (texts that are not cut are not put together by length either); a ratio above 1 says
that the default is faster.

    python benchmarks/defaults.py
"""

import argparse
import contextlib
import statistics
from unittest import mock

import numpy as np
import pandas as pd
import torch

from sklearn_mm import MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import RNNEncoder
from sklearn_mm.networks import BlockEncoders

PLAIN = mock.patch.object(torch, "channels_last", torch.contiguous_format)
UNTRIMMED = mock.patch.object(BlockEncoders, "trimmed_blocks", return_value=[])
UNGROUPED = mock.patch.object(BlockEncoders, "grouped_blocks", return_value=[])


def not_fused(groups, lr):
    """Return the default optimiser as torch makes it unasked."""
    return torch.optim.AdamW(groups, lr=lr)


EMOJI = {
    "default": ({}, contextlib.nullcontext()),
    "optimiser not fused": ({"optimizer": not_fused}, contextlib.nullcontext()),
    "pictures not channels_last": ({}, PLAIN),
    "texts not cut to the batch's longest": ({}, UNTRIMMED),
    "precision='bfloat16'": ({"precision": "bfloat16"}, contextlib.nullcontext()),
    "compile=True": ({"compile": True}, contextlib.nullcontext()),
}
TEXTS = {
    "default": EMOJI["default"],
    "rows of all lengths together": ({}, UNGROUPED),
    "texts not cut to the batch's longest": EMOJI["texts not cut to the batch's longest"],
}


def make_texts(n_rows, rng):
    """Return texts of some ten to some hundred words."""
    lengths = np.clip(rng.lognormal(3.3, 0.8, size=n_rows), 3, 300).astype(int)
    words = np.array([f"word{number}" for number in range(500)])
    return pd.DataFrame({"text": [" ".join(rng.choice(words, length)) for length in lengths]})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, help="of each table; all 1,870 by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4, help="of a fit, of which the first is not counted")
    parser.add_argument("--without-compile", action="store_true", help="leave out what takes a minute to begin")
    arguments = parser.parse_args()

    X, y = load_emoji(return_X_y=True)
    X, y = X[: arguments.rows], y[: arguments.rows]
    texts = make_texts(len(X), np.random.default_rng(0))
    recurrent = TextInput("text", encoder=RNNEncoder(cell="gru"))
    print(f"{len(X)} rows, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("| variant | seconds per epoch | variant / default |\n|---|---|---|")
    for rows, table, own, variants in [
        ("emoji", X, {"wide": None}, EMOJI),
        ("texts of 3 to 300 words", texts, {"text": recurrent, "wide": None}, TEXTS),
    ]:
        seconds = {name: [] for name in variants if name != "compile=True" or not arguments.without_compile}
        for repeat in range(arguments.repeats):
            for name, values in seconds.items():
                parameters, patched = variants[name]
                with patched:
                    clf = MultimodalClassifier(
                        **own, **parameters, max_epochs=arguments.epochs, random_state=repeat
                    ).fit(table, y)
                values += [row["seconds"] for row in clf.history_[1:]]  # the first epoch loads, and compiles
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        for name, value in medians.items():
            print(f"| {rows}: {name} | {value:.3f} | {value / medians['default']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
