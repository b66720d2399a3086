"""Emoji, category from picture and name: the default beside classical pipelines, its halves and a plain network.

Grouped cross-validation, so that variants of one emoji are never on both sides, repeated with other seeds; differences
are paired by split. With ``--ungrouped``, rows are split at random, four to one, once per seed: that is easier.

    python benchmarks/emoji.py
    python benchmarks/emoji.py --ungrouped
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from _classical import components, gradients, pixels, tfidf
from _paired import compare, print_table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.pipeline import make_pipeline, make_union

from sklearn_mm import ImageInput, MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import CNNEncoder, RNNEncoder


def classical(seed, reads):
    """Return logistic regression on TF-IDF of the names, and on principal components of what is read of pictures."""
    parts = [tfidf("text"), *(components("image", read) for read in reads)]
    return make_pipeline(make_union(*parts), LogisticRegression(C=10, max_iter=1000))


def ours(seed, estimator=MultimodalClassifier, **parameters):
    """Return the estimator as it comes, but for ``parameters``."""
    return estimator(random_state=seed, **parameters)


class WideAlone(MultimodalClassifier):
    """The linear model that the network begins with, alone."""

    def fit(self, X, y):
        super().fit(X, y)
        self.net_.module_.top.share = 0.0
        return self


PLAIN = {
    "image": ImageInput(encoder=CNNEncoder((32, 64), padding="valid", norm=None, pool="flatten"), augment=None),
    "text": TextInput(encoder=RNNEncoder(embedding_dim=128, hidden_size=64, dense_units=64, pool="flatten")),
    "wide": None,
    "head": "linear",
    "optimizer": "adam",
    "lr": 1e-3,
    "lr_schedule": "constant",
    "weight_decay": 0,
    "weight_averaging": None,
    "batch_size": 32,
    "max_epochs": 8,
}
MODELS = {
    "default": ours,
    "default, picture alone": partial(ours, text=None),
    "default, text alone": partial(ours, image=None),
    "default, wide part alone": partial(ours, estimator=WideAlone, max_epochs=1),
    "TF-IDF": partial(classical, reads=[]),
    "TF-IDF + pixels": partial(classical, reads=[pixels]),
    "TF-IDF + pixels + gradients": partial(classical, reads=[pixels, gradients]),
    "convolution + LSTM + concatenation": partial(ours, **PLAIN),
}


def main(models=MODELS, description=__doc__):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(models), choices=list(models))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--ungrouped", action="store_true", help="split rows at random, one in ``folds`` to test with")
    parser.add_argument("--seeds", type=int, default=3, help="cross-validations, each with other folds")
    parser.add_argument("--keep", type=int, help="splits that are run; all by default")
    parser.add_argument("--epochs", type=int, help="of every network; fewer for a quick look")
    parser.add_argument("--every", type=int, default=1, help="take one row in so many; more for a quick look")
    parser.add_argument("--json", type=Path, help="file to write all scores to")
    arguments = parser.parse_args()

    emoji, chosen = load_emoji(), slice(None, None, arguments.every)
    X, y, groups = emoji.data[chosen], emoji.target.to_numpy()[chosen], emoji.groups[chosen]
    splits = []
    for seed in range(arguments.seeds):
        if arguments.ungrouped:
            rows = train_test_split(np.arange(len(X)), test_size=1 / arguments.folds, random_state=seed)
            splits.append((seed, *rows))
        else:
            folds = StratifiedGroupKFold(arguments.folds, shuffle=True, random_state=seed).split(X, y, groups)
            splits += [(seed, train, test) for train, test in folds]
    models = {name: models[name] for name in arguments.models}
    if arguments.epochs is not None:
        models = {name: partial(shortened, make, arguments.epochs) for name, make in models.items()}
    accuracy = {"accuracy": lambda model, X_test, y_test: model.score(X_test, y_test)}
    results = compare(models, X, y, splits[: arguments.keep], accuracy)
    print_table(results, arguments.models[0], arguments.folds, arguments.json)


def shortened(make, n_epochs, seed):
    """Return a model whose training is no longer than that."""
    model = make(seed)
    return model.set_params(max_epochs=n_epochs) if isinstance(model, MultimodalClassifier) else model


if __name__ == "__main__":
    main()
