"""Which fusions learn what no modality tells alone, on generated pictures and texts.

A picture is bright on the left or on the right, a text is about an animal or about a thing, each at random; the class
is whether exactly one of the two is so. Either modality alone tells nothing. Every registered fusion gets the same
encoders and budget, once with the usual head, which has a hidden layer that can join the blocks by itself, and once
with a linear head, so that joining them is left to the fusion: what only adds up then stays at chance, 0.5.

    OMP_NUM_THREADS=1 python benchmarks/fusion_xor.py
"""

import argparse
import time

import numpy as np
import pandas as pd

from sklearn_mm import ImageInput, MultimodalClassifier, TextInput
from sklearn_mm.encoders import CNNEncoder, RNNEncoder
from sklearn_mm.fusion._registry import fusions
from sklearn_mm.preprocessing import ImageTransformer

WORDS = (["cat", "dog", "horse", "mouse", "bird", "fish"], ["lamp", "chair", "book", "spoon", "clock", "shoe"])
FILLERS = ["a", "the", "one", "this", "old", "new", "small", "large"]

PICTURE = ImageInput(
    "picture",
    transformer=ImageTransformer(size=8),
    encoder=CNNEncoder(channels=(16,), pool="flatten"),
    augment=None,  # a mirror image has the other class
)
TEXT = TextInput("text", encoder=RNNEncoder(embedding_dim=16, hidden_size=16, cell="gru"))


def make_rows(n_rows, seed):
    """Return a table of pictures (8 × 8 pixels) and texts (three words), and their classes."""
    rng = np.random.default_rng(seed)
    right, thing = rng.integers(2, size=(2, n_rows))
    pictures = rng.normal(110, 40, size=(n_rows, 8, 8, 3))
    for row, side in enumerate(right):
        pictures[row, :, 4 * side : 4 * side + 4] += 40
    texts = [" ".join([*rng.choice(FILLERS, 2, replace=False), rng.choice(WORDS[kind])]) for kind in thing]
    X = pd.DataFrame({"picture": list(pictures.clip(0, 255).astype(np.uint8)), "text": texts})
    return X, (right != thing).astype(int)


def accuracy(train, test, seed, **params):
    """Return the accuracy on the test rows after training, and the seconds of both."""
    params = {"image": PICTURE, "text": TEXT, **params}
    start = time.perf_counter()
    clf = MultimodalClassifier(tabular=None, wide=None, batch_size=32, random_state=seed, **params).fit(*train)
    return clf.score(*test), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=1)
    arguments = parser.parse_args()

    settings = {
        "picture alone": {"text": None},
        "text alone": {"image": None},
        **{name: {"fusion": name} for name, _ in fusions.items() if name != "auto"},
    }
    print(
        f"Accuracy after {arguments.epochs} epochs over {arguments.rows} rows, lowest of {arguments.repeats} run(s)\n"
    )
    print("| fusion | linear head | head with a hidden layer | seconds |\n|---|---|---|---|")
    for name, params in settings.items():
        scores, seconds = {"linear": [], "mlp": []}, 0.0
        for repeat in range(arguments.repeats):
            train, test = make_rows(arguments.rows, 2 * repeat), make_rows(arguments.test_rows, 2 * repeat + 1)
            for head, found in scores.items():
                score, took = accuracy(train, test, repeat, head=head, max_epochs=arguments.epochs, **params)
                found.append(score)
                seconds += took
        print(f"| {name} | {min(scores['linear']):.3f} | {min(scores['mlp']):.3f} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
