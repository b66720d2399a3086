"""Emoji by their names and names by emoji, from scratch: `MultimodalEmbedder` beside canonical correlations (CCA).

The classical way is CCA with ridges of principal components of pixels (32 × 32) and of TF-IDF of the names (words and
characters); its settings are those that are best in three folds of the training rows. The embedder has its defaults,
and no pretrained weights. Groups of emoji are on one side of a split, one in four to test with; what is measured is
mean recall at 1, 5 and 10, both ways.

    python benchmarks/emoji_retrieval.py --languages en de fr zh
"""

import argparse
import time
from functools import partial

import numpy as np
from _classical import pixels, tfidf
from retrieval import fit_cca, recalls, unit
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.model_selection import GroupShuffleSplit, KFold

from sklearn_mm import MultimodalEmbedder
from sklearn_mm.datasets import load_emoji

RIDGES, WIDTHS, POWERS = (0.03, 0.1, 0.3, 1, 3, 10), (32, 64, 128), (0.5, 1)
N_PICTURES, N_NAMES = 300, 600  # components


def fit_classical(train, column):
    """Return what gives vectors of pictures and of names, by CCA whose settings are those best in folds."""
    read = tfidf(column)
    of_names = read.fit_transform(train)
    svd = TruncatedSVD(min(N_NAMES, len(train) - 1), random_state=0).fit(of_names)
    seen = pixels(list(train["image"]))
    pca = PCA(min(N_PICTURES, len(train) - 1), random_state=0).fit(seen)
    x, y = unit(pca.transform(seen)), unit(svd.transform(of_names))[:, np.newaxis]
    grid = [
        (first, second, width, power) for first in RIDGES for second in RIDGES for width in WIDTHS for power in POWERS
    ]
    scores = np.zeros(len(grid))
    for kept, others in KFold(3, shuffle=True, random_state=0).split(x):
        fit = fit_cca(x[kept], y[kept])
        for place, settings in enumerate(grid):
            first, second = fit(*settings)
            scores[place] += recalls(first(x[others]), second(y[others])).mean()
    first, second = fit_cca(x, y)(*grid[int(scores.argmax())])

    def embed(rows):
        pictures = first(unit(pca.transform(pixels(list(rows["image"])))))
        return pictures, second(unit(svd.transform(read.transform(rows)))[:, np.newaxis])

    return embed


def fit_embedder(train, column, seed=0, **parameters):
    """Return what gives vectors of pictures and of names, by ``MultimodalEmbedder``."""
    embedder = MultimodalEmbedder(random_state=seed, **parameters).fit(train)

    def embed(rows):
        pictures = embedder.transform(rows[["image"]], blocks="image")
        return pictures, embedder.transform(rows[[column]], blocks=column)[:, np.newaxis]

    return embed


MODELS = {"pixels and TF-IDF, CCA": fit_classical, "embedder": fit_embedder}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", default=["en"])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", type=int, help="only so many emoji")
    parser.add_argument("--epochs", type=int, help="fewer for a quick look")
    arguments = parser.parse_args()

    emoji = load_emoji(languages=[language for language in arguments.languages if language != "en"])
    columns = {language: "text" if language == "en" else f"text_{language}" for language in arguments.languages}
    models = {name: MODELS[name] for name in arguments.models}
    if arguments.epochs is not None and "embedder" in models:
        models["embedder"] = partial(fit_embedder, max_epochs=arguments.epochs)
    print("| names | model | mean recall at 1, 5, 10 | by split | CPU s per fit |\n|---|---|---|---|---|")
    for language, column in columns.items():
        X = emoji.data[["image", column]][: arguments.rows]
        X, groups = X[X[column].notna()], emoji.groups[: arguments.rows][X[column].notna()]
        for name, fit in models.items():
            scores, seconds = [], []
            for seed in arguments.seeds:
                train, test = next(GroupShuffleSplit(1, test_size=0.25, random_state=seed).split(X, groups=groups))
                start = time.process_time()
                embed = fit(X.iloc[train], column)
                seconds.append(time.process_time() - start)
                scores.append(recalls(*embed(X.iloc[test])).mean())
            by_split = ", ".join(f"{score:.3f}" for score in scores)
            print(f"| {language} | {name} | {np.mean(scores):.3f} | {by_split} | {np.mean(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    main()
