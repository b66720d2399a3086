"""How fast accuracy comes: the default beside a plain network of convolutions, an LSTM and concatenation.

The plain network is trained on the emoji for more and more epochs, each time from the start; its best mean accuracy on
the test rows of the folds and the mean seconds of these fits are the reference. The default is told by ``max_time`` to
be done in a share of these seconds, and once is left to itself.

    python benchmarks/learning_speed.py
"""

import argparse
import time
from itertools import islice

import numpy as np
from emoji import PLAIN, ours
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm.datasets import load_emoji


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, nargs="+", default=[2, 4, 6, 8, 12, 16], help="of the plain network")
    parser.add_argument("--own-epochs", type=int, help="of the default, at most; fewer for a quick look")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.15, 0.2, 0.5, 1.0], help="of its seconds")
    parser.add_argument("--folds", type=int, default=3, help="how many of five are run")
    parser.add_argument("--every", type=int, default=1, help="take one row in so many")
    arguments = parser.parse_args()

    emoji, chosen = load_emoji(), slice(None, None, arguments.every)
    X, y, groups = emoji.data[chosen], emoji.target.to_numpy()[chosen], emoji.groups[chosen]
    ours(0, max_epochs=1).fit(X[:64], y[:64])  # what is loaded once
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(X, y, groups)
    folds = list(islice(folds, arguments.folds))

    def measure(name, **parameters):
        """Return the mean seconds of a fit, and the mean accuracy."""
        found = []
        for train, test in folds:
            start = time.perf_counter()
            clf = ours(0, **parameters).fit(X.iloc[train], y[train])
            found.append((time.perf_counter() - start, clf.score(X.iloc[test], y[test])))
        print(f"{name}:", *(f"{seconds:.1f} s {accuracy:.3f}" for seconds, accuracy in found), flush=True)
        return np.mean(found, axis=0)

    plain = {n: measure(f"plain, {n} epochs", **{**PLAIN, "max_epochs": n}) for n in arguments.epochs}
    rows = {f"plain network, {n} epochs": found for n, found in plain.items()}
    own = {} if arguments.own_epochs is None else {"max_epochs": arguments.own_epochs}
    seconds, accuracy = max(plain.values(), key=lambda found: found[1])
    for share in arguments.shares:
        name = f"default, {share:.0%} of the seconds of its best"
        rows[name] = measure(name, max_time=share * seconds, **own)
    rows["default"] = measure("default", **own)

    print("\n| model | seconds | accuracy | seconds / the best | accuracy − the best |\n|---|---|---|---|---|")
    for name, found in rows.items():
        print(f"| {name} | {found[0]:.1f} | {found[1]:.3f} | {found[0] / seconds:.2f} | {found[1] - accuracy:+.3f} |")


if __name__ == "__main__":
    main()
