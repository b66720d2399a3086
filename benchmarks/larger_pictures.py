"""Pictures larger than the 64 pixels that are read by default: what size, depth and epochs pay, by the number of rows.

Category of an emoji from its picture alone or, with ``--names``, from picture and name. With ``--font``, pictures are
drawn from the font that Debian packages as fonts-noto-color-emoji, which holds them at 136 × 128 pixels; those of the
data set have 64. Grouped folds as in ``emoji.py``; ``--rows`` takes as many of the training rows of each.

    python benchmarks/larger_pictures.py --font NotoColorEmoji.ttf
    python benchmarks/larger_pictures.py --font NotoColorEmoji.ttf --rows 500 --names
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from _paired import compare, print_table
from emoji import shortened
from PIL import Image, ImageDraw, ImageFont
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders import ResNetEncoder
from sklearn_mm.preprocessing import ImageTransformer

FONT_SIZE, SIDE = 109, 136  # the one size that the font has, and the pixels of its glyphs


def ours(seed, names, size=64, max_epochs=20, **settings):
    """Return the default but for the size that pictures are read in, and the settings of their encoder."""
    image = ImageInput("image", transformer=ImageTransformer(size), encoder=ResNetEncoder(**settings))
    inputs = {"image": image} if names else {"image": image, "text": None}
    return MultimodalClassifier(random_state=seed, max_epochs=max_epochs, **inputs)


MODELS = {
    "64 pixels": {},
    "64 pixels, twice the blocks": {"n_blocks": 2},
    "64 pixels, twice the map": {"map_size": 32},
    "64 pixels, twice the epochs": {"max_epochs": 40},
    "96 pixels": {"size": 96},
    "128 pixels": {"size": 128},
    "128 pixels, twice the map": {"size": 128, "map_size": 32},
    "48 pixels": {"size": 48},
}


def drawn(path, font, folder):
    """Return the path of the picture of an emoji that a font holds; its characters are the name of a file."""
    text = "".join(chr(int(code, 16)) for code in Path(path).stem.split("-"))
    image = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(image).text((0, 4), text, font=font, embedded_color=True)
    file = folder / Path(path).name
    image.save(file)
    return str(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--font", help="NotoColorEmoji.ttf")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--rows", type=int, help="training rows, of each fold; all by default")
    parser.add_argument("--names", action="store_true", help="from names too")
    parser.add_argument("--keep", type=int, default=3, help="folds of the five that are run")
    parser.add_argument("--epochs", type=int, help="of every network; fewer for a quick look")
    parser.add_argument("--every", type=int, default=1, help="take one row in so many; more for a quick look")
    arguments = parser.parse_args()

    emoji, chosen = load_emoji(), slice(None, None, arguments.every)
    X, y, groups = emoji.data[chosen], emoji.target.to_numpy()[chosen], emoji.groups[chosen]
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(X, y, groups)
    rng = np.random.default_rng(0)
    splits = [(0, rng.permutation(train)[: arguments.rows], test) for train, test in folds][: arguments.keep]
    models = {name: partial(ours, names=arguments.names, **MODELS[name]) for name in arguments.models}
    if arguments.epochs is not None:
        models = {name: partial(shortened, make, arguments.epochs) for name, make in models.items()}
    accuracy = {"accuracy": lambda model, X_test, y_test: model.score(X_test, y_test)}
    with tempfile.TemporaryDirectory() as name:
        if arguments.font is not None:
            font = ImageFont.truetype(arguments.font, FONT_SIZE)
            X = X.assign(image=[drawn(path, font, Path(name)) for path in X["image"]])
        print_table(compare(models, X, y, splits, accuracy), arguments.models[0], 5)


if __name__ == "__main__":
    main()
