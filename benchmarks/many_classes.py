"""The linear part of the network by rows and classes, beside TF-IDF or scaling and logistic regression.

*Texts* are headlines of 5 to 14 words as frequent as in a language, a quarter of them from twenty of their class.
*Numbers* are ten, around a centre of their class. As many rows again (2,000 at most) are there to test with. The time
is that of the processor, with reading, the choice of the penalty in five folds and all that is said out of fold; that
of the reference is of one fit, or with ``--search`` of the choice of C among five values in five folds, some 26 fits.

    OMP_NUM_THREADS=1 python benchmarks/many_classes.py
    OMP_NUM_THREADS=1 python benchmarks/many_classes.py --search --texts 1000x10 1000x500 10000x41 --numbers 2000x1000
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mm import ModalityTransformer
from sklearn_mm.networks import CrossEntropyLoss, WideLinear
from sklearn_mm.training._dataset import BlockDataset

TEXTS = ["1000x2", "1000x10", "1000x100", "1000x500", "2000x1000", "10000x2", "10000x41", "10000x200", "100000x2"]
NUMBERS = ["1000x2", "1000x100", "1000x500", "2000x1000", "10000x100", "10000x1000", "100000x10"]
STRENGTHS = [0.1, 1, 10, 100, 1000]


def make_classes(n_rows, n_classes, rng):
    """Return classes, each as often as the others."""
    return rng.permutation(np.arange(n_rows) % n_classes)


def make_texts(classes, rng, n_words=5000):
    """Return headlines of Zipf's words, a quarter of them of the twenty words that their class is fond of."""
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    words = sorted({"".join(rng.choice(syllables, rng.integers(1, 4))) for _ in range(2 * n_words)})
    words = rng.permutation(words)[:n_words]
    frequency = 1 / np.arange(1, len(words) + 1)
    liked = rng.integers(len(words), size=(classes.max() + 1, 20))
    lengths = rng.integers(5, 15, size=len(classes))
    which = rng.choice(len(words), lengths.sum(), p=frequency / frequency.sum())
    own = liked[np.repeat(classes, lengths), rng.integers(20, size=len(which))]
    which = np.where(rng.random(len(which)) < 0.25, own, which)
    return pd.DataFrame({"text": [" ".join(words[row]) for row in np.split(which, lengths.cumsum()[:-1])]})


def make_numbers(classes, rng):
    """Return ten numbers around the centre of each class."""
    centres = rng.normal(size=(classes.max() + 1, 10))
    return pd.DataFrame(centres[classes] + 0.3 * rng.normal(size=(len(classes), 10))).add_prefix("number ")


def linear_part(X, y, X_test):
    """Return what the linear part predicts, fitted as the estimator fits it before the first epoch."""
    transformer = ModalityTransformer(text="auto" if "text" in X else None, image=None)
    blocks = transformer.fit_transform(X)
    loss = CrossEntropyLoss().build(np.unique(y))
    target = torch.from_numpy(loss.encode(y))
    wide = WideLinear().build(blocks.specs, loss, target.numpy())
    wide.fit(BlockDataset(blocks, target, torch.ones(target.shape)), loss, torch.Generator().manual_seed(0))
    return loss.predict_proba(wide.predict(BlockDataset(transformer.transform(X_test))).sum(1).numpy()).argmax(1)


def logistic(X, y, X_test, search):
    """Return what logistic regression predicts."""
    column, first = ("text", TfidfVectorizer()) if "text" in X else (list(X), StandardScaler())
    model = make_pipeline(first, LogisticRegression(C=10, max_iter=200))
    if search:
        # by folds of any rows, as those by classes refuse classes of fewer than five rows
        model = GridSearchCV(model, {"logisticregression__C": STRENGTHS}, cv=KFold(5, shuffle=True, random_state=0))
    return model.fit(X[column], y).predict(X_test[column])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", nargs="*", default=TEXTS, help="rows x classes")
    parser.add_argument("--numbers", nargs="*", default=NUMBERS, help="rows x classes")
    parser.add_argument("--search", action="store_true", help="choose C among five values in five folds")
    arguments = parser.parse_args()

    reference = "search" if arguments.search else "one fit"
    print(
        f"| columns | rows | classes | linear part, s | {reference}, s | linear part / {reference} | accuracy | of it |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, make, sizes in (("texts", make_texts, arguments.texts), ("numbers", make_numbers, arguments.numbers)):
        for n_rows, n_classes in (map(int, size.split("x")) for size in sizes):
            rng = np.random.default_rng(0)
            classes = np.concatenate([make_classes(n, n_classes, rng) for n in (n_rows, min(n_rows, 2000))])
            X = make(classes, rng)
            rows = X[:n_rows], classes[:n_rows], X[n_rows:]
            found = []
            for predict in (linear_part, lambda *rows: logistic(*rows, arguments.search)):
                start = time.process_time()
                accuracy = np.mean(predict(*rows) == classes[n_rows:])
                found.append((time.process_time() - start, accuracy))
            (ours, right), (theirs, theirs_right) = found
            cells = f"{ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} | {right:.3f} | {theirs_right:.3f}"
            print(f"| {name} | {n_rows:,} | {n_classes:,} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
