"""A search over fusions and heads on features of a frozen encoder: computed once for all, against once per epoch.

The same candidates, folds and epochs on the emoji data, with a frozen network of some 11 million weights for the
pictures (the shape of ResNet-18, random weights: only its cost matters here). "recomputing" encodes every batch of
every epoch, as a frozen layer in a training loop does. It is measured on the first candidate and two epochs alone and
multiplied, because it would take hours; the others run whole.

    python benchmarks/frozen.py
"""

import argparse
import tempfile
import time
from unittest import mock

import torch
import torch.nn as nn
from sklearn.model_selection import GridSearchCV, ParameterGrid

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.networks import MLPHead
from sklearn_mm.preprocessing import ImageTransformer

GRID = {"fusion": ["concat", "sum", "gated", "lowrank"], "head": ["linear", MLPHead((64,))]}


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width_in, width, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Conv2d(width_in, width, 1, stride, bias=False)

    def forward(self, x):
        return (self.body(x) + self.shortcut(x)).relu()


def make_network():
    """Return a network like ResNet-18: pictures to vectors of 512 numbers."""
    torch.manual_seed(0)
    layers, width = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
    for number, wider in enumerate((64, 128, 256, 512)):
        layers += [Residual(width, wider, 1 + (number > 0)), Residual(wider, wider, 1)]
        width = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def timed(function):
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--size", type=int, default=128, help="side of the pictures")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--fusions", nargs="+", default=GRID["fusion"], help="which are searched over")
    arguments = parser.parse_args()

    X, y = load_emoji(return_X_y=True)
    X, y = X[: arguments.rows], y[: arguments.rows]
    encoder = ModuleEncoder(make_network(), width=512)
    image = ImageInput("image", transformer=ImageTransformer(arguments.size), encoder=encoder)
    whole = {**GRID, "fusion": arguments.fusions}
    n_fits = len(ParameterGrid(whole)) * arguments.folds

    def search(memory, grid=whole):
        settings = {"max_epochs": arguments.epochs, "batch_size": arguments.batch_size, "random_state": 0}
        clf = MultimodalClassifier(image=image, memory=memory, **settings)
        return GridSearchCV(clf, grid, cv=arguments.folds, refit=False).fit(X, y)

    first = {name: values[:1] for name, values in GRID.items()}
    with tempfile.TemporaryDirectory() as folder:
        search(None, {**first, "max_epochs": [1]})  # what is loaded once
        seconds = {"once for all, cold store": timed(lambda: search(folder))}
        seconds["once for all, warm store"] = warm = timed(lambda: search(folder))
        seconds["once per fit (memory=None)"] = timed(lambda: search(None))
        with mock.patch("sklearn_mm.training._trainer.encode_frozen", lambda blocks, *others: blocks):
            few = min(2, arguments.epochs)
            per_fit = timed(lambda: search(None, {**first, "max_epochs": [few]})) / arguments.folds
        seconds["recomputing"] = per_fit * n_fits * arguments.epochs / few

    print(f"{len(X)} rows, {n_fits} fits of {arguments.epochs} epochs, {torch.get_num_threads()} threads")
    print("| features are computed | time of the search | times that of the warm store |\n|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.1f} s | {value / warm:.1f} |")


if __name__ == "__main__":
    main()
