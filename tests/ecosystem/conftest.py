"""A small table of pictures, texts and numbers, and estimators that learn from it in a tenth of a second."""

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone

from sklearn_mm import ImageInput, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.networks import WideLinear
from sklearn_mm.preprocessing import ImageTransformer

N_ROWS = 48


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Paths of four noisy pictures of 10 × 10 pixels, dark to bright."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = [folder / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        pixels = np.clip(rng.normal(30 + 60 * number, 8, size=(10, 10, 3)), 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    return [str(path) for path in paths]


@pytest.fixture(scope="session")
def drawn(pictures):
    """Which picture and which animal each row has."""
    rng = np.random.default_rng(1)
    return rng.integers(4, size=N_ROWS), rng.choice(["cat", "dog"], size=N_ROWS)


@pytest.fixture(scope="session")
def X(pictures, drawn):  # noqa: N802
    """48 rows of a picture (a path), a text and a number."""
    rng = np.random.default_rng(2)
    shade, animal = drawn
    words = rng.choice(["small", "quiet", "old", "happy"], size=(N_ROWS, 2))
    return pd.DataFrame(
        {
            "photo": [pictures[number] for number in shade],
            "title": [f"a {first} {second} {name}" for (first, second), name in zip(words, animal, strict=True)],
            "weight": rng.normal(10, 3, size=N_ROWS),
        }
    )


@pytest.fixture(scope="session")
def y(drawn):
    """Two classes, which the picture tells."""
    return pd.Series(np.where(drawn[0] > 1, "bright", "dark"), name="shade")


@pytest.fixture(scope="session")
def four(y, drawn):
    """Four classes, which take the picture and the text to tell."""
    return y + " " + drawn[1]


@pytest.fixture(scope="session")
def labels(y, drawn):
    """Two labels of zeros and ones: of the picture and of the text."""
    return np.column_stack([y == "bright", drawn[1] == "dog"]).astype(int)


@pytest.fixture(scope="session")
def price(X, drawn):
    """A number above 0, to which text and number contribute."""
    return np.exp(0.1 * X["weight"].to_numpy() + (drawn[1] == "dog"))


def settings(**columns):
    """Parameters of estimators that learn fast: columns by name, unless ``columns`` says otherwise."""
    columns = {"image": "photo", "text": "title", "tabular": "weight", **columns}
    columns["image"] = ImageInput(
        columns["image"], transformer=ImageTransformer(size=8), encoder=CNNEncoder(channels=(4,), norm=None)
    )
    return {**columns, "wide": WideLinear(n_folds=2), "max_epochs": 3, "lr": 2e-2, "random_state": 0}


@pytest.fixture(scope="session")
def fit_once():
    """Do as ``clone(model).fit(X, y, ...)``, once for all tests that ask for the same fit: they may only read it."""
    fitted = {}

    def fit(model, *rows, **more):
        key = joblib.hash((clone(model), rows, more))
        if key not in fitted:
            fitted[key] = clone(model).fit(*rows, **more)
        return fitted[key]

    return fit


@pytest.fixture
def clf():
    """A classifier that is told the columns by their names."""
    return MultimodalClassifier(**settings())


@pytest.fixture
def nameless_clf():
    """A classifier that finds the columns by itself, of arrays too."""
    return MultimodalClassifier(**settings(image="auto", text="auto", tabular="auto"))


@pytest.fixture
def reg():
    """A regressor that is told the columns by their names."""
    return MultimodalRegressor(**settings())


@pytest.fixture
def nameless_reg():
    """A regressor that is told the columns by their positions."""
    return MultimodalRegressor(**settings(image=0, text=1, tabular=2))
