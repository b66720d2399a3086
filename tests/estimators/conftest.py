import numpy as np
import pandas as pd
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """A folder with eight small pictures, dark to bright."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = np.clip(rng.normal(20 + 30 * number, 8, size=(20, 20, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def table(photo_folder):
    """96 rows of pictures (paths), text, a number and a category; the label needs the picture and the text."""
    rng = np.random.default_rng(0)
    shade = rng.integers(8, size=96)
    animal = rng.choice(["cat", "dog"], size=96)
    words = rng.choice(["small", "quiet", "old", "happy"], size=(96, 2))
    X = pd.DataFrame(
        {
            "photo": [str(photo_folder / f"{number}.png") for number in shade],
            "title": [f"a {first} {second} {name}" for (first, second), name in zip(words, animal, strict=True)],
            "weight": rng.normal(10, 3, size=96),
            "colour": rng.choice(["red", "green", "blue"], size=96),
        }
    )
    y = pd.Series(np.where(shade > 3, "bright ", "dark ") + animal.astype(object), name="what")
    return X, y


@pytest.fixture(scope="session")
def numeric_target(table):
    X, y = table
    return X["weight"].to_numpy() + 5 * y.str.contains("dog").to_numpy()


@pytest.fixture
def yes_no():
    """121 rows of three numbers, and a label, "yes" or "no", that the first of them mostly tells."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(121, 3))
    return X, np.where(X[:, 0] + 0.5 * rng.normal(size=121) > 0, "yes", "no")
