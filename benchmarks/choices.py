"""What "auto" could stand for: each registered fusion and encoder in the place of the default, all else as it comes.

Emoji, grouped cross-validation; differences are paired by split.

    python benchmarks/choices.py
"""

import argparse
from functools import partial
from pathlib import Path

from _paired import compare, print_table
from emoji import ours, shortened
from sklearn.model_selection import StratifiedGroupKFold

from sklearn_mm import ImageInput, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.encoders._registry import image_encoders, text_encoders
from sklearn_mm.fusion._registry import fusions


def choices():
    """Return what is set instead of the default, by a name for it."""
    default = fusions.resolve("auto")
    found = {"default": {}}
    for name, _ in fusions.items():
        if type(fusions.resolve(name)) is not type(default):
            found[f"fusion {name}"] = {"fusion": name}
    for name, _ in image_encoders.items():
        found[f"pictures by {name}"] = {"image": ImageInput(encoder=name)}
    for name, _ in text_encoders.items():
        found[f"texts by {name}"] = {"text": TextInput(encoder=name)}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=["fusion", "pictures", "texts"], help="beginnings of names")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--keep", type=int, help="splits that are run; all by default")
    parser.add_argument("--epochs", type=int, help="of every network; fewer for a quick look")
    parser.add_argument("--json", type=Path, help="file to write all scores to")
    arguments = parser.parse_args()

    emoji = load_emoji()
    X, y = emoji.data, emoji.target.to_numpy()
    folds = StratifiedGroupKFold(arguments.folds, shuffle=True, random_state=0)
    splits = [(0, train, test) for train, test in folds.split(X, y, emoji.groups)][: arguments.keep]
    models = {
        name: partial(ours, **parameters)
        for name, parameters in choices().items()
        if name.startswith(("default", *arguments.only))
    }
    if arguments.epochs is not None:
        models = {name: partial(shortened, make, arguments.epochs) for name, make in models.items()}
    accuracy = {"accuracy": lambda model, X_test, y_test: model.score(X_test, y_test)}
    print_table(compare(models, X, y, splits, accuracy), "default", arguments.folds, arguments.json)


if __name__ == "__main__":
    main()
