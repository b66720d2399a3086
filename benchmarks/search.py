"""A grid search over 12 candidates and 3 folds of the emoji: as a skorch user writes it, and as sklearn-mm does it.

The first way is a Pipeline of a transformer that decodes pictures and numbers words, and a `NeuralNetClassifier` with
skorch's own data loader; the second a `MultimodalClassifier` with ``memory=``. Both train the same layers for the same
epochs on the same folds. *decode* is the time inside of the transformers, *train* that of the epochs, *predict* that of
scoring, and *fit and score* all that the fits and scores take, each summed over the processes; *total* is what one
waits for. What a search must take is its training, by the number of processes, and one decoding of all rows:
"total / (train + one decode)" is 1 if it takes no more. "busy / (train + one decode)" is the same without the time in
which a process has no fit to do: the last ones wait for each other, and without ``psutil`` joblib collects garbage
after each.

    OMP_NUM_THREADS=1 python benchmarks/search.py
"""

import argparse
import tempfile
import time
from collections import Counter

import numpy as np
import torch
import torch.nn as nn
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder
from skorch import NeuralNetClassifier

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import BagEncoder, CNNEncoder
from sklearn_mm.networks import MLPHead
from sklearn_mm.preprocessing import ImageTransformer, TextTransformer

SIZE, CHANNELS, WIDTH, LENGTH = 32, (32, 64), 64, 16
GRID = {"lr": [5e-4, 1e-3, 2e-3, 4e-3], "hidden": [32, 64, 128]}


class ReadRows(TransformerMixin, BaseEstimator):
    """Decode pictures and number words, as one does by hand."""

    def fit(self, X, y=None):
        """Number the words of the training rows."""
        counts = Counter(word for text in X["text"].fillna("") for word in text.lower().split())
        self.ids_ = {word: number for number, word in enumerate(counts, start=2)}
        return self

    def transform(self, X):
        """Return pictures and words as arrays."""
        start = time.perf_counter()
        pictures = np.empty((len(X), 3, SIZE, SIZE), dtype=np.float32)
        words = np.zeros((len(X), LENGTH), dtype=np.int64)
        for row, (path, text) in enumerate(zip(X["image"], X["text"].fillna(""), strict=True)):
            image = Image.open(path).convert("RGBA")
            opaque = Image.new("RGB", image.size, "white")
            opaque.paste(image, mask=image.getchannel("A"))
            pictures[row] = np.asarray(opaque.resize((SIZE, SIZE)), dtype=np.float32).transpose(2, 0, 1) / 127.5 - 1
            ids = [self.ids_.get(word, 1) for word in text.lower().split()][:LENGTH]
            words[row, : len(ids)] = ids
        self.seconds_ = [*getattr(self, "seconds_", []), time.perf_counter() - start]
        return {"picture": pictures, "words": words}


class Network(nn.Module):
    """The layers that `CNNEncoder`, `BagEncoder`, concatenation and `MLPHead` make."""

    def __init__(self, n_words=6000, hidden=64, n_classes=10):
        super().__init__()
        layers, width = [], 3
        for channels in CHANNELS:
            convolution = nn.Conv2d(width, channels, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(channels), nn.MaxPool2d(2), nn.ReLU()]
            width = channels
        self.picture = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.words = nn.Embedding(n_words, WIDTH, padding_idx=0)
        self.head = nn.Sequential(nn.Linear(width + WIDTH, hidden), nn.ReLU(), nn.Linear(hidden, n_classes))

    def forward(self, picture, words):
        """Map a batch to logits."""
        there = (words != 0).unsqueeze(2)
        vector = (self.words(words) * there).sum(1) / there.sum(1).clamp(min=1)
        return self.head(torch.cat([self.picture(picture), vector], 1))


def by_hand(epochs, n_classes):
    """Return a pipeline, its grid, and what measures it when it is fitted."""
    net = NeuralNetClassifier(
        Network,
        module__n_classes=n_classes,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        max_epochs=epochs,
        batch_size=64,
        train_split=None,
        verbose=0,
        iterator_train__shuffle=True,
    )

    def measure(pipeline, X, y):
        start = time.perf_counter()
        accuracy = pipeline.score(X, y)
        decode = pipeline[0].seconds_  # of the training rows, then of these
        predict = time.perf_counter() - start - decode[-1]
        train = sum(pipeline[-1].history[:, "dur"])
        return {"accuracy": accuracy, "decode": sum(decode), "train": train, "predict": predict}

    grid = {"neuralnetclassifier__lr": GRID["lr"], "neuralnetclassifier__module__hidden": GRID["hidden"]}
    return make_pipeline(ReadRows(), net), grid, measure


def ours(epochs, memory):
    """Return an estimator, its grid, and what measures it when it is fitted."""
    clf = MultimodalClassifier(
        image=ImageInput("image", transformer=ImageTransformer(SIZE), encoder=CNNEncoder(CHANNELS), augment=None),
        text=TextInput("text", transformer=TextTransformer("word"), encoder=BagEncoder(WIDTH, token_dropout=0)),
        wide=None,
        memory=memory,
        max_epochs=epochs,
        batch_size=64,
        lr_schedule="constant",
        weight_averaging=None,
    )

    def measure(clf, X, y):
        start = time.perf_counter()
        accuracy = clf.score(X, y)
        predict, train = time.perf_counter() - start, sum(row["seconds"] for row in clf.history_)
        return {"accuracy": accuracy, "train": train, "predict": predict}

    return clf, {"lr": GRID["lr"], "head": [MLPHead((hidden,), dropout=0) for hidden in GRID["hidden"]]}, measure


def searched(model, grid, measure, X, y, n_jobs):
    """Return what was measured in a search, summed over its fits (of accuracy the best mean), and its total."""
    start = time.perf_counter()
    search = GridSearchCV(model, grid, scoring=measure, cv=3, refit=False, n_jobs=n_jobs).fit(X, y)
    total, results = time.perf_counter() - start, search.cv_results_
    sums = {
        name: sum(results[f"split{split}_test_{name}"].sum() for split in range(3))
        for name in ("decode", "train", "predict")
        if f"mean_test_{name}" in results
    }
    sums["fit and score"] = 3 * (results["mean_fit_time"] + results["mean_score_time"]).sum()
    return {**sums, "total": total, "accuracy": results["mean_test_accuracy"].max()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rows", type=int, help="of the emoji; all by default")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="processes")
    parser.add_argument("--lr", type=float, nargs="+", default=GRID["lr"], help="learning rates that are searched over")
    arguments = parser.parse_args()
    GRID["lr"] = arguments.lr

    emoji = load_emoji()
    X, y = emoji.data[: arguments.rows], LabelEncoder().fit_transform(emoji.target[: arguments.rows])
    hand, n_classes, rows = "skorch, by hand", int(y.max()) + 1, []
    for n_jobs in arguments.jobs:
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as memory:
            clf, grid, measure = ours(1, first)
            few = {name: values[:1] for name, values in grid.items()}
            searched(clf, few, measure, X[:60], y[:60], n_jobs)  # what each process loads once
            decode = one_decoding(X)
            found = searched(*ours(arguments.epochs, memory), X, y, n_jobs)
            rows.append(("sklearn-mm", n_jobs, {"decode": decode, **found}, decode))
            found = searched(*ours(arguments.epochs, memory), X, y, n_jobs)
            rows.append(("sklearn-mm, asked again", n_jobs, {"decode": 0.0, **found}, 0.0))
        rows.append((hand, n_jobs, searched(*by_hand(arguments.epochs, n_classes), X, y, n_jobs), 0.0))

    totals = {n_jobs: found["total"] for name, n_jobs, found, _ in rows if name == hand}
    print(f"{len(X)} rows, {np.prod([*map(len, GRID.values())]) * 3} fits of {arguments.epochs} epochs")
    parts = ["decode", "train", "predict", "fit and score", "total"]
    ratios = ["total / (train + one decode)", "busy / (train + one decode)", "total / by hand"]
    header = ["way", *parts, *ratios, "accuracy"]
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for name, n_jobs, found, one_decode in rows:
        least, busy = found["train"] / n_jobs + one_decode, found["fit and score"] / n_jobs
        cells = [f"{found[part]:.1f} s" for part in parts]
        cells += [f"{ratio:.3f}" for ratio in (found["total"] / least, busy / least, found["total"] / totals[n_jobs])]
        way = name if n_jobs == 1 else f"{name}, {n_jobs} processes"
        print(f"| {way} | {' | '.join(cells)} | {found['accuracy']:.3f} |")


def one_decoding(X):
    """Return the seconds that reading all rows takes once."""
    with tempfile.TemporaryDirectory() as memory:
        clf = ours(1, memory)[0]
        start = time.perf_counter()
        ModalityTransformer(image=clf.image, text=clf.text, memory=memory).fit_transform(X)
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
