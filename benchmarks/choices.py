"""What "auto" could stand for: each registered fusion and encoder in the place of the default, all else as it comes.

Emoji, on the splits of `emoji.py`.

    python benchmarks/choices.py --keep 5
"""

from functools import partial

from emoji import main, ours

from sklearn_mm import ImageInput, TextInput
from sklearn_mm.encoders._registry import names_from_scratch
from sklearn_mm.fusion._registry import fusions


def choices():
    """Return what makes each model, by a name for what is set instead of the default."""
    default = fusions.resolve("auto")
    found = {"default": {}}
    for name, _ in fusions.items():
        if type(fusions.resolve(name)) is not type(default):
            found[f"fusion {name}"] = {"fusion": name}
    for name in names_from_scratch("image"):
        found[f"pictures by {name}"] = {"image": ImageInput(encoder=name)}
    for name in names_from_scratch("text"):
        found[f"texts by {name}"] = {"text": TextInput(encoder=name)}
    return {name: partial(ours, **parameters) for name, parameters in found.items()}


if __name__ == "__main__":
    main(choices(), __doc__)
