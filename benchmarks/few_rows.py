"""Few rows: the default beside the best classical pipeline, and what a block of pure noise costs.

Emoji, 50, 200 and 1,000 rows to train with, a third of all groups to test, other draws of both in each repeat. *Noise*
adds a column of random pictures to the table, or of names that belong to other rows.

    python benchmarks/few_rows.py
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from _classical import gradients, pixels
from _paired import compare, print_table
from emoji import classical, ours
from sklearn.model_selection import GroupShuffleSplit

from sklearn_mm.datasets import load_emoji


def with_noise(X, what, rng):
    """Return the table with a column more that says nothing: random pictures, or the names of other rows."""
    if what == "pictures":
        return X.assign(noise=list(rng.integers(256, size=(len(X), 32, 32, 3), dtype=np.uint8)))
    return X.assign(noise=rng.permutation(X["text"].to_numpy()))


MODELS = {
    "default": ours,
    "TF-IDF": partial(classical, reads=[]),
    "TF-IDF + pixels": partial(classical, reads=[pixels]),
    "TF-IDF + pixels + gradients": partial(classical, reads=[pixels, gradients]),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--test-rows", type=int, help="of each split; a third of the emoji by default")
    parser.add_argument("--noise", choices=["pictures", "names"], nargs="*", default=[], help="columns to add")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--epochs", type=int, help="of every network; fewer for a quick look")
    parser.add_argument("--json", type=Path, help="file to write all scores to, its name preceded by the rows")
    arguments = parser.parse_args()

    emoji = load_emoji()
    X, y, rng = emoji.data, emoji.target.to_numpy(), np.random.default_rng(0)
    accuracy = {"accuracy": lambda model, X_test, y_test: model.score(X_test, y_test)}
    default = ours if arguments.epochs is None else partial(ours, max_epochs=arguments.epochs)
    models = {name: default if MODELS[name] is ours else MODELS[name] for name in arguments.models}
    for what in arguments.noise:
        models[f"default + {what} of noise"] = partial(Noisy, default, noise=with_noise(X, what, rng)["noise"])
    shuffled = GroupShuffleSplit(arguments.repeats, test_size=1 / 3, random_state=0)
    for n_rows in arguments.rows:
        splits = [
            (seed, rng.choice(train, n_rows, replace=False), test[: arguments.test_rows])
            for seed, (train, test) in enumerate(shuffled.split(X, y, emoji.groups))
        ]
        print(f"\n{n_rows} rows")
        path = arguments.json and arguments.json.with_name(f"{n_rows}_{arguments.json.name}")
        print_table(compare(models, X, y, splits, accuracy), arguments.models[0], n_folds=3, path=path)


class Noisy:
    """The default estimator, which sees a column of noise too."""

    def __init__(self, make, seed, noise):
        self.model, self.noise = make(seed), noise

    def fit(self, X, y):
        self.model.fit(X.assign(noise=self.noise.loc[X.index]), y)
        return self

    def score(self, X, y):
        return self.model.score(X.assign(noise=self.noise.loc[X.index]), y)


if __name__ == "__main__":
    main()
