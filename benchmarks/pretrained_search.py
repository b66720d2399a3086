"""A search over fusion, head and linear part on a frozen pretrained encoder, against what its parts take alone.

20 candidates times the folds on names of emojis that MiniLM reads. "features given" is the same search over `Blocks`
whose cache has the encoder's features, less the time in which they are looked up; "one encoding" computes them once.
The search with ``memory=`` should take hardly more than both together, and encode each row once; a second one finds all
in the store, and its first epoch ends within a second where no linear part comes before.

    python benchmarks/pretrained_search.py
"""

import argparse
import tempfile
import time
from unittest import mock

import torch
from embedders import our_input
from sklearn.model_selection import GridSearchCV, ParameterGrid

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.networks import MLPHead
from sklearn_mm.preprocessing import BlockStore
from sklearn_mm.training import _trainer
from sklearn_mm.training._frozen import _FrozenBlock, encode_frozen

GRID = {
    "fusion": ["concat", "sum", "product", "max", "gated"],
    "head": ["linear", MLPHead((64,))],
    "wide": [None, "auto"],
}


def timed(function):
    """Return the seconds of the processor that a call takes, and what it returns."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1870)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=20)
    arguments = parser.parse_args()

    X, y = load_emoji(return_X_y=True)
    X, y = X[["text"]].rename(columns={"text": "cell"})[: arguments.rows], y[: arguments.rows]
    inputs = [("cell", our_input("texts"))]
    inputs_of_blocks = [("cell", TextInput("cell", encoder=inputs[0][1].encoder))]
    settings = {"image": None, "text": None, "tabular": None, "max_epochs": arguments.epochs, "random_state": 0}
    grid = [{name: [value] for name, value in one.items()} for one in ParameterGrid(GRID)][: arguments.candidates]
    encoded = []  # number of rows of each call
    compute = _FrozenBlock._encoded

    def noted(self, rows):
        encoded.append(len(rows))
        return compute(self, rows)

    in_lookups = 0.0

    def look_up(*arguments):
        nonlocal in_lookups
        seconds, blocks = timed(lambda: encode_frozen(*arguments))
        in_lookups += seconds
        return blocks

    def search(X, memory=None):
        clf = MultimodalClassifier(inputs=inputs if memory else inputs_of_blocks, memory=memory, **settings)
        return GridSearchCV(clf, grid, cv=arguments.folds, refit=False).fit(X, y)

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(_FrozenBlock, "_encoded", noted):
        blocks = ModalityTransformer(inputs=inputs, image=None, text=None, tabular=None).fit_transform(X)
        clf = MultimodalClassifier(inputs=inputs_of_blocks, **{**settings, "max_epochs": 1}).fit(blocks[:64], y[:64])
        store = BlockStore(f"{folder}/alone")
        one_encoding, _ = timed(lambda: encode_frozen(blocks, clf.net_, store))
        encode_frozen(blocks, clf.net_)  # into the cache
        encoded.clear()
        with mock.patch.object(_trainer, "encode_frozen", look_up):
            given, _ = timed(lambda: search(blocks))
        given -= in_lookups
        assert not encoded, f"{sum(encoded)} rows were encoded again"
        counts = []
        seconds = {"features given": given, "one encoding": one_encoding}
        for name in ("with memory, cold store", "with memory, warm store"):
            encoded.clear()
            seconds[name], _ = timed(lambda: search(X, f"{folder}/store"))
            counts.append(sum(encoded))
        one_epoch = {**settings, "max_epochs": 1, "wide": None}
        first = MultimodalClassifier(inputs=inputs, memory=f"{folder}/store", **one_epoch)
        seconds["one epoch without a linear part, warm store"], _ = timed(lambda: first.fit(X, y))

    n_rows = X["cell"].nunique()
    print(f"{len(X)} rows ({n_rows} distinct), {len(grid) * arguments.folds} fits of {arguments.epochs} epochs,")
    print(f"{torch.get_num_threads()} threads; rows encoded in the two searches: {counts}\n")
    print("| | seconds | / (features given + one encoding) |\n|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.2f} | {value / (given + one_encoding):.3f} |")


if __name__ == "__main__":
    main()
