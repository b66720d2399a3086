"""How fast accuracy comes: the default beside a plain network of convolutions, an LSTM and concatenation.

The plain network is trained on the emoji for more and more epochs, each time from the start; its best accuracy on the
test rows and the seconds of that `fit` are the reference. The default is told by ``max_time`` to be done in a share of
these seconds, and once is left to itself.

    python benchmarks/learning_speed.py
"""

import argparse
import time

import numpy as np
from emoji import PLAIN, ours
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm.datasets import load_emoji


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 4, 6, 8, 12], help="of the plain network")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.2, 0.5, 1.0], help="of its seconds")
    parser.add_argument("--folds", type=int, default=3, help="how many of five are run")
    arguments = parser.parse_args()

    emoji = load_emoji()
    X, y = emoji.data, emoji.target.to_numpy()
    ours(0, max_epochs=1).fit(X[:64], y[:64])  # what is loaded once
    rows = {}
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(X, y, emoji.groups)
    for _, (train, test) in zip(range(arguments.folds), folds, strict=False):

        def measure(train=train, test=test, **parameters):
            start = time.perf_counter()
            clf = ours(0, **parameters).fit(X.iloc[train], y[train])
            return time.perf_counter() - start, clf.score(X.iloc[test], y[test])

        plain = [measure(**{**PLAIN, "max_epochs": n_epochs}) for n_epochs in arguments.epochs]
        seconds, accuracy = max(plain, key=lambda found: found[1])
        rows.setdefault("plain network, its best", []).append((seconds, accuracy, 1, 0))
        limits = {f"default, {share:.0%} of these seconds": {"max_time": share * seconds} for share in arguments.shares}
        for name, parameters in {**limits, "default": {}}.items():
            ours_seconds, ours_accuracy = measure(**parameters)
            found = ours_seconds, ours_accuracy, ours_seconds / seconds, ours_accuracy - accuracy
            rows.setdefault(name, []).append(found)
            print(name, *(f"{value:.3f}" for value in found), flush=True)

    print("| model | seconds | accuracy | seconds / plain | accuracy − plain |\n|---|---|---|---|---|")
    for name, values in rows.items():
        seconds, accuracy, share, gap = np.mean(values, axis=0)
        print(f"| {name} | {seconds:.1f} | {accuracy:.3f} | {share:.2f} | {gap:+.3f} |")


if __name__ == "__main__":
    main()
