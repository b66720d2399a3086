"""Films: rating and genres from poster, texts, numbers and categories, beside classical pipelines on the same folds.

The data are not part of the project: ``--folder`` has ``films.csv``, whose column ``image`` names posters in it,
with the columns of the pipelines below, ``imdb_rating`` and ``genres`` ("|" between them). Five folds of
``KFold(shuffle=True)``, repeated with other seeds.

    python benchmarks/films.py --folder films
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from _paired import compare, print_table
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import average_precision_score, f1_score, r2_score
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sklearn_mm import MultimodalClassifier, MultimodalRegressor

NUMBERS = ["year", "runtime_min", "metascore"]
N_GENRES = 12


def features():
    """Return TF-IDF of title and people, one-hot categories and scaled numbers, votes as logarithms."""
    scaled = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    return make_column_transformer(
        (TfidfVectorizer(sublinear_tf=True), "title"),
        (TfidfVectorizer(sublinear_tf=True, token_pattern=r"[^,]+"), "people"),
        (OneHotEncoder(handle_unknown="ignore", min_frequency=3), ["language", "country", "rated"]),
        (scaled, NUMBERS),
        (make_pipeline(FunctionTransformer(np.log1p), scaled), ["imdb_votes"]),
    )


def read_people(X):
    """Return the table without missing texts, and with all people of a film in one column."""
    texts = X[["title", "director", "writer", "actors", "language", "country", "rated"]].fillna("").astype(str)
    people = texts["director"] + "," + texts["writer"] + "," + texts["actors"]
    return X.assign(**texts, people=people)


def classical(seed, last):
    return make_pipeline(FunctionTransformer(read_people), features(), last)


def trees(seed):
    return classical(seed, ExtraTreesRegressor(300, min_samples_leaf=2, random_state=seed, n_jobs=-1))


def ours(seed, estimator, **parameters):
    """Return the estimator as it comes, but for ``parameters``."""
    return estimator(random_state=seed, **parameters)


RATING = {
    "default": partial(ours, estimator=MultimodalRegressor),
    "default, no posters": partial(ours, estimator=MultimodalRegressor, image=None),
    "no wide part": partial(ours, estimator=MultimodalRegressor, wide=None),
    "TF-IDF + one-hot → Ridge": partial(classical, last=Ridge(3)),
    "TF-IDF + one-hot → ExtraTrees": trees,
}
GENRES = {
    "default": partial(ours, estimator=MultimodalClassifier),
    "default, balanced": partial(ours, estimator=MultimodalClassifier, class_weight="balanced"),
    "default, no posters": partial(ours, estimator=MultimodalClassifier, image=None),
    "TF-IDF + one-hot → balanced LogisticRegression": partial(
        classical, last=OneVsRestClassifier(LogisticRegression(class_weight="balanced", max_iter=1000))
    ),
}


def macro_precision(model, X, y):
    return average_precision_score(y, model.predict_proba(X), average="macro")


METRICS = {
    "rating": {"R²": lambda model, X, y: r2_score(y, model.predict(X))},
    "genres": {
        "macro average precision": macro_precision,
        "macro F1": lambda model, X, y: f1_score(y, model.predict(X), average="macro", zero_division=0),
    },
}


def load(folder, task):
    """Return the table, with paths of posters, and the target of a task."""
    films = pd.read_csv(folder / "films.csv")
    films["image"] = [str(folder / name) for name in films["image"]]
    X = films.drop(columns=["genres", "imdb_rating"])
    if task == "rating":
        rated = films["imdb_rating"].notna().to_numpy()
        return X[rated], films["imdb_rating"].to_numpy()[rated]
    genres = films["genres"].fillna("").str.get_dummies("|")
    return X, genres[genres.sum().sort_values(ascending=False).index[:N_GENRES]].to_numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where films.csv and the posters are")
    parser.add_argument("--task", choices=list(METRICS), default="rating")
    parser.add_argument("--models", nargs="+", help="names of rows of the table; all by default")
    parser.add_argument("--seeds", type=int, default=3, help="cross-validations, each with other folds")
    parser.add_argument("--keep", type=int, help="splits that are run; all by default")
    parser.add_argument("--epochs", type=int, help="of every network; fewer for a quick look")
    parser.add_argument("--json", type=Path, help="file to write all scores to")
    arguments = parser.parse_args()

    X, y = load(arguments.folder, arguments.task)
    models = RATING if arguments.task == "rating" else GENRES
    models = {name: models[name] for name in arguments.models or models}
    if arguments.epochs is not None:
        models = {
            name: partial(make, max_epochs=arguments.epochs) if getattr(make, "func", None) is ours else make
            for name, make in models.items()
        }
    splits = [
        (seed, train, test)
        for seed in range(arguments.seeds)
        for train, test in KFold(5, shuffle=True, random_state=seed).split(X)
    ]
    results = compare(models, X, y, splits[: arguments.keep], METRICS[arguments.task])
    print_table(results, next(iter(models)), 5, arguments.json)


if __name__ == "__main__":
    main()
