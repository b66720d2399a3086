"""How columns of pictures are read by default, beside what is told: deep pictures, long ones, and mixed ones.

The pictures of the emoji alone. *Deep* are 256 of the 4,096 greys of 12 bits, stored in 16; *long* are four emoji side
by side, of which the first one counts; *mixed* are as many single emoji as long ones. Then what it costs to look at
the headers first.

    python benchmarks/readings.py
"""

import argparse
import time

import numpy as np
from _paired import compare, print_table
from PIL import Image
from sklearn.model_selection import ShuffleSplit

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.cells._items import explode
from sklearn_mm.preprocessing.image._fit_framing import read_headers

READINGS = {
    "default": {},
    "square, crop": {"size": 64, "resize": "crop"},
    "square, pad": {"size": 64, "resize": "pad"},
    "square, stretch": {"size": 64, "resize": "stretch"},
    "range of 16 bits": {"value_range": (0, 65535)},
}


def on_white(path):
    image = Image.open(path).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB").resize((64, 64))


def deep(images, rng):
    return [np.asarray(image.convert("L")).astype(np.uint16) + 1000 for image in images]


def long(images, rng):
    pixels = [np.asarray(image) for image in images]
    others = rng.permutation(len(images)), rng.permutation(len(images)), rng.permutation(len(images))
    return [np.hstack([pixels[i] for i in row]) for row in zip(range(len(images)), *others, strict=True)]


def mixed(images, rng):
    one = rng.permutation(len(images)) % 2
    return [
        np.asarray(image) if alone else strip
        for image, strip, alone in zip(images, long(images, rng), one, strict=True)
    ]


PROBLEMS = {"deep": deep, "long": long, "mixed": mixed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="*", default=list(PROBLEMS), choices=list(PROBLEMS))
    parser.add_argument("--readings", nargs="+", default=list(READINGS), choices=list(READINGS))
    parser.add_argument("--rows", type=int, default=1870)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()

    X, y = load_emoji(return_X_y=True)
    rows, rng = np.random.default_rng(0).permutation(len(X))[: arguments.rows], np.random.default_rng(0)
    paths, y = X["image"].to_numpy()[rows], y.to_numpy()[rows]
    images = [on_white(path) for path in paths]
    splits = [(seed, *split) for seed, split in enumerate(ShuffleSplit(arguments.splits, random_state=0).split(paths))]

    def reading(seed, parameters):
        image = ImageInput("image", transformer=ImageTransformer(**parameters))
        return MultimodalClassifier(image=image, max_epochs=arguments.epochs, random_state=seed)

    accuracy = {"accuracy": lambda model, X_test, y_test: model.score(X_test, y_test)}
    models = {name: lambda seed, name=name: reading(seed, READINGS[name]) for name in arguments.readings}
    for problem in arguments.problems:
        table = X.iloc[rows][[]].assign(image=PROBLEMS[problem](images, rng))
        print(f"\n{problem}")
        print_table(compare(models, table, y, splits, accuracy), arguments.readings[0], n_folds=10)
    print_headers(list(paths))


def print_headers(paths):
    """Print for how many seconds the processor looks at headers, and for how many it reads them and the pictures."""
    items = explode(np.array(paths, dtype=object), "image", "auto")
    transformer = ImageTransformer(n_jobs=1)
    reader = transformer.make_reader(transformer.make_decoder(items))
    for _ in range(3):
        start = time.process_time()
        read_headers(reader, items)
        looked = time.process_time() - start
        start = time.process_time()
        transformer.fit(paths)
        print(f"headers {looked:.3f} s of {time.process_time() - start:.3f} s that fit of ImageTransformer takes")


if __name__ == "__main__":
    main()
