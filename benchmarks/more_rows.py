"""From 500 to 100,000 rows of texts, numbers and categories: the default beside what is built by hand, with its cost.

Products are generated: a name (brand, adjective, kind, size), a description, two categories, four numbers, and a price
that all of them make, with noise; ``--task tercile`` asks for its third instead. With ``--reviews`` it is the rating of
women's clothing (see ``clothing.py``). The others see TF-IDF of the texts, one-hot categories and scaled numbers
(``linear``); numbers, codes, and what linear models say of each text out of fold (``boosting``); or numbers, codes and
64 principal components of the TF-IDF of each text (``tabm``: ``pip install tabm``, 16 members of width 256, until three
epochs in turn gain nothing). Each fit has a process of its own; seconds are the processor's, memory is its peak.

    python benchmarks/more_rows.py
    python benchmarks/more_rows.py --reviews WomensClothingE-CommerceReviews.parquet.brotli --rows 500 2000 8000 18788
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from clothing import OutOfFold
from embedders import peak_megabytes
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from sklearn_mm import MultimodalClassifier, MultimodalRegressor

N_TEST = 4000
UNITS = {"ml": 1.0, "l": 1000.0, "g": 1.0, "kg": 1000.0}


def words(rng, n_words, n_syllables):
    """Return made-up words, all different."""
    syllables = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]
    found = {}
    while len(found) < n_words:
        found["".join(rng.choice(syllables, n_syllables))] = None
    return np.array(list(found))


def make_products(n_rows):
    """Return a table of products and the logarithms of their prices."""
    rng = np.random.default_rng(0)
    brands, kinds, adjectives, others = (words(rng, *size) for size in ((400, 3), (120, 2), (60, 3), (1500, 3)))
    worth = {name: rng.normal(0, 0.4, size) for name, size in (("brand", 400), ("kind", 120), ("adjective", 60))}
    quality = rng.standard_t(3, 1500) * 0.12  # of single words of descriptions
    of_pair = rng.normal(0, 0.3, (8, 30))
    zipf = 1 / np.arange(1, 401)

    brand = rng.choice(400, n_rows, p=zipf / zipf.sum())
    kind, adjective = rng.integers(120, size=n_rows), rng.integers(60, size=n_rows)
    unit = rng.choice(list(UNITS), n_rows)
    size = np.round(rng.lognormal(1, 0.7, n_rows) * np.where(np.isin(unit, ["l", "kg"]), 1, 100), 1)
    lengths = rng.integers(6, 25, n_rows)
    described = rng.integers(1500, size=(n_rows, 24))
    counts = np.arange(24) < lengths[:, np.newaxis]
    department, material = kind % 8, rng.integers(30, size=n_rows)
    weight, n_ratings = rng.lognormal(0, 1, n_rows), rng.poisson(rng.lognormal(2, 1, n_rows))
    stars, year = rng.uniform(1, 5, n_rows), rng.integers(2005, 2026, n_rows)
    price = (
        worth["brand"][brand]
        + worth["kind"][kind]
        + worth["adjective"][adjective]
        + 0.35 * np.log(size * np.vectorize(UNITS.get)(unit))
        + np.tanh((quality[described] * counts).sum(1))
        + of_pair[department, material]
        + 0.4 * (stars > 3.5) * (n_ratings > 7)
        + 0.2 * np.log(weight) * (department < 3)
        - 0.3 * (year < 2012)
        + rng.normal(0, 0.35, n_rows)
    )
    sizes = [f"{amount:g} {of}" for amount, of in zip(size, unit, strict=True)]
    names = [" ".join(parts) for parts in zip(brands[brand], adjectives[adjective], kinds[kind], sizes, strict=True)]
    texts = [" ".join(others[row[:length]]) for row, length in zip(described, lengths, strict=True)]
    columns = {"name": names, "description": texts, "weight": weight, "ratings": n_ratings, "stars": stars}
    categories = {"department": [f"d{code}" for code in department], "material": [f"m{code}" for code in material]}
    return pd.DataFrame({**columns, "year": year, **categories}), price


def read_reviews(path):
    """Return the reviews, texts without gaps, and their ratings."""
    reviews = pd.read_parquet(path)
    texts = {name: reviews[name].fillna("") for name in ("Title", "Review Text")}
    order = np.random.default_rng(0).permutation(len(reviews))
    y = reviews["Rating"].to_numpy(dtype=float)[order]
    return reviews.drop(columns="Rating").assign(**texts).iloc[order].reset_index(drop=True), y


def columns_of(X):
    """Return the names of texts, categories and numbers."""
    numbers = list(X.select_dtypes("number"))
    rest = [name for name in X if name not in numbers]
    texts = [name for name in rest if X[name].nunique() > 100]
    return texts, [name for name in rest if name not in texts], numbers


def tfidf():
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)


def linear(X, classes):
    """Return TF-IDF, one-hot categories and scaled numbers → LogisticRegression or Ridge."""
    texts, categories, numbers = columns_of(X)
    encode = make_column_transformer(
        *((tfidf(), text) for text in texts),
        (OneHotEncoder(handle_unknown="ignore"), categories),
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    )
    return make_pipeline(encode, LogisticRegression(C=2, max_iter=300) if classes else Ridge(2))


def coded():
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)


def boosting(X, classes):
    """Return boosted trees on numbers, codes and what a linear model says of each text out of fold."""
    texts, categories, numbers = columns_of(X)
    last = LogisticRegression(C=2, max_iter=300) if classes else Ridge(2)
    encode = make_column_transformer(
        *((OutOfFold(make_pipeline(tfidf(), last)), text) for text in texts),
        (coded(), categories),
        ("passthrough", numbers),
    )
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return make_pipeline(encode, kind(random_state=0))


class TabMOfComponents:
    """TabM on numbers, codes, and principal components of TF-IDF of each text."""

    def __init__(self, X, classes):
        texts, categories, numbers = columns_of(X)
        components = make_pipeline(tfidf(), TruncatedSVD(64, random_state=0), StandardScaler())
        scaled = make_pipeline(SimpleImputer(), StandardScaler())
        self.numbers = make_column_transformer(*((components, text) for text in texts), (scaled, numbers))
        self.codes = make_column_transformer((coded(), categories))
        self.classes = classes

    def fit(self, X, y):
        import torch
        from tabm import TabM

        torch.manual_seed(0)
        numbers = torch.from_numpy(self.numbers.fit_transform(X)).float()
        codes = self.codes.fit_transform(X)
        self.center, self.spread = (0, 1) if self.classes else (y.mean(), y.std())
        target = torch.as_tensor((y - self.center) / self.spread, dtype=None if self.classes else torch.float32)
        sizes = [int(column.max()) + 2 for column in codes.T]  # one more for what is not known
        self.model = TabM.make(
            n_num_features=numbers.shape[1],
            cat_cardinalities=sizes,
            d_out=int(y.max()) + 1 if self.classes else 1,
            k=16,
            d_block=256,
        )
        self.unknown = torch.tensor(sizes) - 1
        rows = numbers, self._as_codes(codes), target
        order = torch.randperm(len(y))
        held_out, kept = order[: len(y) // 10], order[len(y) // 10 :]
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, weight_decay=3e-4)
        best, weights, n_in_vain = np.inf, self.model.state_dict(), 0
        while n_in_vain < 3:
            self.model.train()
            for batch in kept[torch.randperm(len(kept))].split(256):
                optimizer.zero_grad()
                self._loss(*(values[batch] for values in rows)).backward()
                optimizer.step()
            self.model.eval()
            with torch.no_grad():
                loss = self._loss(*(values[held_out] for values in rows)).item()
            n_in_vain = 0 if loss < best else n_in_vain + 1
            if loss < best:
                best, weights = loss, {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(weights)
        return self

    def predict(self, X):
        import torch

        numbers = torch.from_numpy(self.numbers.transform(X)).float()
        with torch.no_grad():
            outputs = self.model(numbers, self._as_codes(self.codes.transform(X)))
        if self.classes:
            return outputs.softmax(2).mean(1).argmax(1).numpy()
        return outputs.mean(1)[:, 0].numpy() * self.spread + self.center

    def _as_codes(self, codes):
        import torch

        codes = torch.from_numpy(codes)
        return torch.where(codes.isnan(), self.unknown, codes.nan_to_num()).long()

    def _loss(self, numbers, codes, target):
        from torch.nn import functional as F

        outputs, target = self.model(numbers, codes).flatten(0, 1), target.repeat_interleave(16)
        return F.cross_entropy(outputs, target) if self.classes else F.mse_loss(outputs[:, 0], target)


def default(X, classes, **parameters):
    """Return the estimator as it comes, but for ``parameters``."""
    return (MultimodalClassifier if classes else MultimodalRegressor)(random_state=0, **parameters)


MAKERS = {
    "default": default,
    "no linear part": partial(default, wide=None),
    "linear": linear,
    "boosting": boosting,
    "tabm": TabMOfComponents,
}


def work(name, n_rows, arguments):
    """Fit one model, and print its score, seconds of the processor and megabytes."""
    X, y = read_reviews(arguments.reviews) if arguments.reviews else make_products(max(100_000, n_rows) + N_TEST)
    n_test = min(N_TEST, len(y) // 2)
    if n_rows > len(y) - n_test:
        sys.exit(f"There are {len(y) - n_test} rows to train with, fewer than {n_rows}; say so by --rows.")
    classes = arguments.task == "tercile"
    if classes:
        y = np.searchsorted(np.quantile(y, [1 / 3, 2 / 3]), y)
    X, y, X_test, y_test = X[:n_rows], y[:n_rows], X[-n_test:], y[-n_test:]
    start = time.process_time()
    model = MAKERS[name](X, classes).fit(X, y)
    fitted = time.process_time()
    predicted = model.predict(X_test)
    wrong = (predicted != y_test).mean() if classes else np.square(predicted - y_test).mean() / y_test.var()
    print(json.dumps([1 - wrong, fitted - start, time.process_time() - fitted, peak_megabytes()]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000, 8000, 30_000, 100_000])
    parser.add_argument("--models", nargs="+", default=list(MAKERS), choices=list(MAKERS))
    parser.add_argument("--task", choices=["price", "tercile"], default="price")
    parser.add_argument("--reviews", type=Path, help="the reviews, as parquet, instead of products")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker[0], int(arguments.worker[1]), arguments)
        return
    if importlib.util.find_spec("tabm") is None:
        print("left out: tabm, which is not installed (pip install tabm).")
        arguments.models = [name for name in arguments.models if name != "tabm"]
    score = "accuracy" if arguments.task == "tercile" else "R²"
    print(f"| rows | model | {score} | fit, s | predict, s | default / it (fit) | MB |\n" + "|---" * 7 + "|")
    for n_rows in arguments.rows:
        seconds_of_default = None
        for name in arguments.models:
            command = [sys.executable, *sys.argv, "--worker", name, str(n_rows)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            right, seconds, predicting, megabytes = json.loads(done.stdout.splitlines()[-1])
            seconds_of_default = seconds if name == "default" else seconds_of_default
            ratio = "" if seconds_of_default is None else f"{seconds_of_default / seconds:.1f}"
            figures = f"{right:.3f} | {seconds:.1f} | {predicting:.1f} | {ratio} | {megabytes}"
            print(f"| {n_rows} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
