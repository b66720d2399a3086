"""One to fifty rows of each class: the default on frozen features beside logistic regression on the same.

Three sets: emoji (EfficientNet-lite0 of the picture, all-MiniLM-L6-v2 of the name), digits of scikit-learn
(EfficientNet-lite0), and spoken digits (Whisper), for which ``--sounds`` has WAV files named ``digit_speaker_take.wav``
and ``--whisper`` a transformers folder. Both see nothing but the embeddings. Logistic regression has the C that is best
in five folds, or 1 where a class has fewer rows, and sees the embeddings as they are or each scaled to variance one.

    python benchmarks/few_shot.py
    python benchmarks/few_shot.py --sets spoken --sounds spoken_digits --whisper whisper
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _pretrained import as_blocks, embed_pictures, embed_sounds, embed_texts
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mm import MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import ImageTransformer

N_TEST = 600


def read_emoji(arguments):
    emoji, chosen = load_emoji(), slice(None, None, arguments.every)
    X, y = emoji.data[chosen], emoji.target.to_numpy()[chosen]
    pixels = ImageTransformer(size=128).fit_transform(list(X["image"]))
    return [embed_texts(X["text"]), embed_pictures(pixels)], y


def read_digits(arguments):
    digits, chosen = load_digits(), slice(None, None, arguments.every)
    grey = (digits.images[chosen] * 15.9).astype(np.uint8)
    pixels = ImageTransformer(size=64).fit_transform(list(np.repeat(grey[..., np.newaxis], 3, axis=3)))
    return [embed_pictures(pixels)], digits.target[chosen]


def read_spoken(arguments):
    if arguments.sounds is None or arguments.whisper is None:
        print("skipped: spoken digits want --sounds and --whisper.")
        sys.exit(0)
    files = sorted(arguments.sounds.rglob("*.wav"))[:: arguments.every]
    return [embed_sounds(files, arguments.whisper)], np.array([int(file.name.split("_")[0]) for file in files])


SETS = {"emoji": read_emoji, "digits": read_digits, "spoken": read_spoken}


def logistic(n_rows):
    """Return logistic regression for so many rows of each class."""
    if n_rows < 5:
        return LogisticRegression(max_iter=300)
    return LogisticRegressionCV(Cs=np.logspace(-3, 3, 7), cv=5, max_iter=300)


def draw(y, n_rows, seed):
    """Return row numbers to train with, ``n_rows`` of each class, and to test with."""
    rng = np.random.default_rng(seed)
    train = np.concatenate([rng.permutation(np.flatnonzero(y == label))[:n_rows] for label in np.unique(y)])
    return train, rng.permutation(np.setdiff1d(np.arange(len(y)), train))[:N_TEST]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=["emoji", "digits"], choices=list(SETS))
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 5, 10, 50], help="of each class")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--every", type=int, default=1, help="take one row in so many; more for a quick look")
    parser.add_argument("--sounds", type=Path, help="folder of spoken digits")
    parser.add_argument("--whisper", type=Path, help="transformers folder")
    arguments = parser.parse_args()

    print("| set | rows of a class | default | logistic regression | scaled | default − better |\n" + "|---" * 6 + "|")
    for name in arguments.sets:
        embeddings, y = SETS[name](arguments)
        blocks = as_blocks({f"embedding {place}": vectors for place, vectors in enumerate(embeddings)})
        vectors = np.hstack(embeddings)
        for n_rows in arguments.rows:
            scores = []
            for seed in range(arguments.seeds):
                train, test = draw(y, n_rows, seed)
                models = [logistic(n_rows), make_pipeline(StandardScaler(), logistic(n_rows))]
                ours = MultimodalClassifier(random_state=seed).fit(blocks[train], y[train])
                others = [model.fit(vectors[train], y[train]).score(vectors[test], y[test]) for model in models]
                scores.append([ours.score(blocks[test], y[test]), *others])
            own, plain, scaled = np.mean(scores, 0)
            cells = [*(f"{score:.3f}" for score in (own, plain, scaled)), f"{own - max(plain, scaled):+.3f}"]
            print(f"| {name} | {n_rows} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
