"""Tables alone: the default estimators beside boosted trees and regularised linear models, paired by fold and seed.

Four sets that ship with scikit-learn, and four generated ones: *steps* (the target jumps at thresholds of single
numbers, some of them heavy-tailed), *interactions* (Friedman's function of ten numbers), *categories* (effects of
categories, of pairs of them, and of the slope of a number in each; cells missing), and *rules* (classes by conjunctions
of thresholds and categories, a tenth of the labels wrong). Figures are R² or accuracy, times 100. Beside ours stand
``HistGradientBoosting`` with the categories declared, and ``RidgeCV`` or ``LogisticRegressionCV`` behind imputation,
scaling and one-hot encoding. ``--methods`` adds ours with other settings.

``--islp`` takes nine real tables instead, of 263 to 8,645 rows: those of the book An Introduction to Statistical
Learning, as its package for Python has them (``pip download --no-deps ISLP``, and unpack the wheel; they are not part
of the project). The trees of the default were chosen with Bikeshare, and looked at with some others.

    OMP_NUM_THREADS=1 python benchmarks/tables.py
    OMP_NUM_THREADS=1 python benchmarks/tables.py --islp ISLP/data
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _paired import difference
from scipy import stats
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine, make_friedman1
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_mm import MultimodalClassifier, MultimodalRegressor, TabularInput
from sklearn_mm.encoders import MLPEncoder


def steps(n_rows=1000):
    """Return ten numbers, four of them heavy-tailed, and a target that jumps at thresholds of six."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(n_rows, 10))
    quantiles = stats.norm.cdf(numbers)
    numbers[:, :4] = np.exp(2 * numbers[:, :4])
    y = rng.normal(0, 0.5, n_rows)
    for column in range(6):
        for threshold in rng.uniform(0.1, 0.9, 3):
            y += rng.normal() * (quantiles[:, column] > threshold)
    return pd.DataFrame(numbers).add_prefix("x"), y


def interactions(n_rows=1000):
    """Return ten uniform numbers and Friedman's first function of five of them, with noise."""
    numbers, y = make_friedman1(n_rows, n_features=10, noise=1.0, random_state=0)
    return pd.DataFrame(numbers).add_prefix("x"), y


def categories(n_rows=1500):
    """Return four columns of categories and three numbers with cells missing, and a target that both make."""
    rng = np.random.default_rng(1)
    sizes = (4, 8, 20, 50)
    codes = [rng.integers(size, size=n_rows) for size in sizes]
    numbers = rng.normal(size=(n_rows, 3))
    y = rng.normal(0, 0.7, n_rows) + sum(rng.normal(size=size)[code] for size, code in zip(sizes, codes, strict=True))
    y += rng.normal(size=sizes[:2])[codes[0], codes[1]] + rng.normal(size=sizes[1])[codes[1]] * numbers[:, 0]
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    X = pd.DataFrame(numbers).add_prefix("x")
    for place, code in enumerate(codes):
        levels = pd.Series([f"level {level}" for level in code]).mask(rng.random(n_rows) < 0.03)
        X[f"c{place}"] = levels.astype("category")
    return X, y


def rules(n_rows=1500):
    """Return six numbers and two columns of categories, and three classes by rules with exceptions."""
    rng = np.random.default_rng(2)
    numbers = rng.normal(size=(n_rows, 6))
    codes = rng.integers(6, size=(n_rows, 2))
    y = np.where((numbers[:, 0] > 0.3) & (numbers[:, 1] < 0.5), 1, 0)
    y = np.where((codes[:, 0] < 2) & (numbers[:, 2] > 0), 2, y)
    y = np.where((numbers[:, 3] > 1) & (codes[:, 1] == codes[:, 0]), 1, y)
    wrong = rng.random(n_rows) < 0.1
    y[wrong] = rng.integers(3, size=wrong.sum())
    X = pd.DataFrame(numbers).add_prefix("x")
    for place in range(2):
        X[f"c{place}"] = pd.Series([f"level {level}" for level in codes[:, place]]).astype("category")
    return X, np.array(["no", "perhaps", "yes"])[y]


def _shipped(load):
    return lambda: load(return_X_y=True, as_frame=True)


SETS = {
    "diabetes": (_shipped(load_diabetes), "R²"),
    "breast cancer": (_shipped(load_breast_cancer), "accuracy"),
    "wine": (_shipped(load_wine), "accuracy"),
    "digits": (_shipped(load_digits), "accuracy"),
    "steps": (steps, "R²"),
    "interactions": (interactions, "R²"),
    "categories": (categories, "R²"),
    "rules": (rules, "accuracy"),
}


def boosting(metric, seed):
    """Return boosted trees with scikit-learn's defaults."""
    kind = HistGradientBoostingRegressor if metric == "R²" else HistGradientBoostingClassifier
    return kind(categorical_features="from_dtype", random_state=seed)


def linear(metric, seed):
    """Return a linear model whose penalty is found by cross-validation."""
    encode = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()),
            make_column_selector(dtype_include="number"),
        ),
        (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
    )
    if metric == "R²":
        return make_pipeline(encode, RidgeCV(np.logspace(-2, 4, 25)))
    options = {"l1_ratios": (0,), "use_legacy_attributes": False} if _has_l1_ratios() else {}
    search = LogisticRegressionCV(Cs=np.logspace(-3, 2, 8), scoring="neg_log_loss", max_iter=1000, **options)
    return make_pipeline(encode, search)


def _has_l1_ratios():
    """Whether this is scikit-learn 1.8 or newer, which warns where the new names are left out."""
    return "use_legacy_attributes" in LogisticRegressionCV().get_params()


def ours(metric, seed, encoder="auto", **params):
    """Return the estimator as it comes, or with other settings."""
    kind = MultimodalRegressor if metric == "R²" else MultimodalClassifier
    return kind(tabular=TabularInput(encoder=encoder), random_state=seed, **params)


# The target of each of the tables of the book, its metric, and the columns that would give it away, or name the row.
ISLP = {
    "Auto": ("mpg", "R²", ["name"]),
    "Bikeshare": ("bikers", "R²", ["casual", "registered"]),
    "Boston": ("medv", "R²", []),
    "Carseats": ("Sales", "R²", []),
    "College": ("Outstate", "R²", []),
    "Credit": ("Balance", "R²", ["ID"]),
    "Hitters": ("Salary", "R²", []),
    "OJ": ("Purchase", "accuracy", []),
    "Wage": ("wage", "R²", ["logwage"]),
}


def read_islp(path, target, dropped):
    """Return a table of the book, its words as categories, and the target of the rows that have one."""
    X = pd.read_csv(path, na_values="?").dropna(subset=[target]).reset_index(drop=True)
    X = X.drop(columns=[name for name in X if name in dropped or name.startswith("Unnamed")])
    y = X.pop(target)
    words = X.select_dtypes(exclude="number").columns
    return X.astype(dict.fromkeys(words, "category")), y


METHODS = {
    "boosting": boosting,
    "linear": linear,
    "ours": ours,
    "ensemble": partial(ours, head="ensemble"),
    "32 bins": partial(ours, encoder=MLPEncoder(n_bins=32)),
    "no bins": partial(ours, encoder=MLPEncoder(n_bins=None)),
    "dropout 0.3": partial(ours, encoder=MLPEncoder(dropout=0.3)),
    "no wide part": partial(ours, wide=None),
    "no wide part, no bins": partial(ours, encoder=MLPEncoder(n_bins=None), wide=None),
}
OTHERS = ("boosting", "linear")


def scores(name, methods, n_folds, seeds, n_kept, n_epochs):
    """Yield method, seed, fold, score times 100 and seconds of fitting, on the same folds for all methods."""
    load, metric = SETS[name]
    X, y = load()
    y = np.asarray(y)
    folds, score = (KFold, r2_score) if metric == "R²" else (StratifiedKFold, accuracy_score)
    for seed in seeds:
        splits = list(folds(n_folds, shuffle=True, random_state=seed).split(X, y))
        for fold, (train, test) in enumerate(splits[:n_kept]):
            for method in methods:
                model = METHODS[method](metric, seed)
                if n_epochs is not None and method not in OTHERS:
                    model.set_params(max_epochs=n_epochs)
                start = time.perf_counter()
                model.fit(X.iloc[train], y[train])
                seconds = time.perf_counter() - start
                yield method, seed, fold, 100 * score(y[test], model.predict(X.iloc[test])), seconds


def table(results, methods, n_folds):
    """Yield the rows of a Markdown table: means, differences to the better of the others, and means over the sets."""
    mine = [method for method in methods if method not in OTHERS]
    means, gaps, widths = [], [], []
    for name, found in results.items():
        mean = {method: np.mean(found[method]["scores"]) for method in methods}
        best = max(OTHERS, key=mean.get)
        means.append(list(mean.values()))
        found_gaps = [difference(found[method]["scores"], found[best]["scores"], n_folds) for method in mine]
        gaps.append([gap for gap, _ in found_gaps])
        widths.append([width for _, width in found_gaps])
        yield _row(f"{name} ({SETS[name][1]})", means[-1], found_gaps)
    # The sets are independent of each other, so that the variances of their differences add up.
    widths = np.sqrt(np.sum(np.square(widths), axis=0)) / len(widths)
    yield _row("mean", np.mean(means, axis=0), zip(np.mean(gaps, axis=0), widths, strict=True))
    seconds = np.mean([[np.mean(found[method]["seconds"]) for method in methods] for found in results.values()], axis=0)
    yield "| seconds per fit | " + " | ".join(f"{value:.1f}" for value in seconds) + " |" + " |" * len(mine)


def _row(label, values, found_gaps):
    cells = [f"{value:.1f}" for value in values] + [f"{gap:+.1f} ± {width:.1f}" for gap, width in found_gaps]
    return f"| {label} | {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *ISLP], help="all by default, of one kind")
    parser.add_argument("--islp", type=Path, help="the folder with the tables of the book")
    parser.add_argument("--folds", type=int, default=5, help="folds of each cross-validation")
    parser.add_argument("--keep", type=int, default=None, help="folds of each that are run; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="cross-validations, each in another order of the rows")
    parser.add_argument("--methods", nargs="*", default=[], choices=list(METHODS)[3:], help="settings to run beside")
    parser.add_argument("--epochs", type=int, help="of every network; fewer for a quick look")
    parser.add_argument("--json", type=Path, help="file to write all scores to")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    names = arguments.sets or list(SETS if arguments.islp is None else ISLP)
    if arguments.islp is not None:
        for name, (target, metric, dropped) in ISLP.items():
            SETS[name] = partial(read_islp, arguments.islp / f"{name}.csv", target, dropped), metric
    if not SETS.keys() >= set(names):
        parser.error("--islp has to say where the tables of the book are")
    methods = [*OTHERS, "ours", *arguments.methods]
    results = {}
    for name in names:
        results[name] = {method: {"scores": [], "seconds": []} for method in methods}
        runs = scores(name, methods, arguments.folds, range(arguments.seeds), arguments.keep, arguments.epochs)
        for method, seed, fold, score, seconds in runs:
            results[name][method]["scores"].append(score)
            results[name][method]["seconds"].append(seconds)
            print(f"{name} {seed} {fold} {method}: {score:.1f} {seconds:.1f} s", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    header = methods + [f"{method} − better of the others" for method in methods if method not in OTHERS]
    print(f"\n| set | {' | '.join(header)} |\n|{'---|' * (len(header) + 1)}")
    print("\n".join(table(results, methods, arguments.folds)))


if __name__ == "__main__":
    main()
