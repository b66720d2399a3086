"""What an epoch costs with each fusion: pictures of 64 pixels, each with a sentence.

The convolutional network leaves 64 places of a picture, the residual one leaves four; a sentence of some ten words is
some hundred n-grams to the bag that reads it by default, and as many tokens as words to an LSTM. Fusions that look at
tokens take 16 of each block, which stand for all; beside them stands what it would cost to look at all of them.

    OMP_NUM_THREADS=1 python benchmarks/fusion_speed.py
"""

import argparse
import time

import numpy as np
import pandas as pd
import torch

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.fusion import AttentionFusion, BottleneckFusion
from sklearn_mm.fusion._registry import fusions
from sklearn_mm.preprocessing import ImageTransformer

WORDS = "a the one this old new small large red green round flat cat dog horse mouse bird fish lamp chair book spoon"
ENCODERS = {"resnet, bag": ("resnet", "bag"), "cnn, lstm": ("cnn", "lstm")}
FUSIONS = {
    **{name: name for name, _ in fusions.items() if name != "auto"},
    "attention of all tokens": AttentionFusion(max_tokens=None),
    "bottleneck of all tokens": BottleneckFusion(max_tokens=None),
}


def make_rows(n_rows):
    """Return a table of pictures (64 × 64 pixels) and sentences, and a class for each row, all by chance."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS.split(), rng.integers(6, 16))) for _ in range(n_rows)]
    pictures = list(rng.integers(256, size=(n_rows, 64, 64, 3), dtype=np.uint8))
    return pd.DataFrame({"picture": pictures, "text": texts}), np.arange(n_rows) % 2


def cost(blocks, y, fusion, n_epochs):
    """Return the seconds of CPU that an epoch takes."""
    clf = MultimodalClassifier(fusion=fusion, wide=None, max_epochs=n_epochs, random_state=0)
    start = time.process_time()
    clf.fit(blocks, y)
    return (time.process_time() - start) / n_epochs


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--fusions", nargs="+", default=list(FUSIONS), choices=list(FUSIONS), help="beside concat")
    arguments = parser.parse_args()

    X, y = make_rows(arguments.rows)
    names, seconds = list(dict.fromkeys(["concat", *arguments.fusions])), {}
    for label, (image, text) in ENCODERS.items():
        image = ImageInput("picture", transformer=ImageTransformer(size=64), encoder=image)
        reader = ModalityTransformer(image=image, text=TextInput("text", encoder=text), tabular=None)
        blocks = reader.fit_transform(X)
        cost(blocks, y, "concat", 1)  # the first is slower
        for name in names:
            seconds[label, name] = cost(blocks, y, FUSIONS[name], arguments.epochs)

    print(f"Seconds of CPU per epoch over {arguments.rows} rows, {torch.get_num_threads()} thread(s)\n")
    print(f"| fusion | {' | '.join(f'{label} | {label} / concat' for label in ENCODERS)} |")
    print("|---" * (1 + 2 * len(ENCODERS)) + "|")
    for name in names:
        found = [(seconds[label, name], seconds[label, name] / seconds[label, "concat"]) for label in ENCODERS]
        print(f"| {name} | {' | '.join(f'{took:.2f} | {ratio:.2f}' for took, ratio in found)} |")


if __name__ == "__main__":
    main()
