"""Pictures as they come from elsewhere, from one end to the other."""

import base64
import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict

from sklearn_mm import ImageInput, MultimodalClassifier, MultimodalRegressor
from sklearn_mm.preprocessing import ImageTransformer


@pytest.fixture(scope="module")
def pictures():
    """Twenty-four pictures, of which every second one is dark."""
    rng = np.random.default_rng(0)
    shades = np.arange(24) % 2 * 150 + 50
    return (rng.integers(-40, 40, size=(24, 18, 14, 3)) + shades[:, None, None, None]).astype(np.uint8)


@pytest.fixture
def y():
    return np.array(["dark", "light"] * 12)


@pytest.fixture
def clf():
    image = ImageInput(transformer=ImageTransformer((18, 14)), encoder="cnn")
    return MultimodalClassifier(image=image, max_epochs=2, random_state=0, device="cpu")


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("container", [np.asarray, torch.tensor])
@pytest.mark.parametrize("where", ["first", "last"])
def test_one_array_is_a_column_of_pictures(clf, pictures, y, container, where):
    expected = clone(clf).fit(pd.DataFrame({0: list(pictures)}), y).predict_proba(pd.DataFrame({0: list(pictures)}))
    X = container(np.ascontiguousarray(np.moveaxis(pictures, 3, 1)) if where == "first" else pictures)
    clf.fit(X, y)
    assert clf.n_features_in_ == 1
    np.testing.assert_allclose(clf.predict_proba(X), expected, rtol=1e-5)
    np.testing.assert_allclose(clf.predict_proba(X[5:6]), expected[5:6], rtol=1e-4)
    assert cross_val_predict(clf, X, y, cv=2).shape == (24,)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* is expecting 1 features"):
        clf.predict(pd.DataFrame({"a": list(pictures), "b": 1}).to_numpy())


def test_one_array_among_the_tools(clf, pictures, y):
    search = GridSearchCV(clf, {"image__transformer__size": [12, 16]}, cv=2).fit(pictures, y)
    assert search.predict(pictures).shape == (24,)
    grey = MultimodalRegressor(max_epochs=1, device="cpu").fit(pictures[..., 0], np.arange(24.0))
    assert grey.predict(pictures[..., 0]).shape == (24,)
    assert list(grey.specs_) == ["0"]


def test_columns_of_all_libraries_and_kinds(clf, pictures, y):
    contents = list(map(png, pictures))
    records = [{"bytes": content, "path": f"{number}.png"} for number, content in enumerate(contents)]
    texts = [base64.b64encode(content).decode() for content in contents]
    tensors = list(torch.tensor(pictures).permute(0, 3, 1, 2) / 255)
    fitted = clf.fit(pd.DataFrame({"photo": contents}), y)
    expected = fitted.predict_proba(pd.DataFrame({"photo": contents}))
    for cells in (records, texts, [f"data:image/png;base64,{text}" for text in texts]):
        for table in (pd.DataFrame, pl.DataFrame, pa.table):
            X = table({"photo": cells})
            np.testing.assert_allclose(fitted.predict_proba(X), expected, rtol=1e-5)
            assert clone(clf).set_params(max_epochs=1).fit(X, y).transformer_.column_kinds_ == {"photo": "image"}
    np.testing.assert_allclose(fitted.predict_proba(pd.DataFrame({"photo": tensors})), expected, rtol=1e-5)


def test_a_server_answers_alike_in_every_batch(pictures, y):
    contents = list(map(png, pictures))
    X = pd.DataFrame({"photo": contents, "price": np.arange(24.0)})
    image = ImageInput("photo", transformer=ImageTransformer((18, 14), on_error="ignore"))
    clf = MultimodalClassifier(image=image, max_epochs=1, random_state=0, device="cpu").fit(X, y)
    X["photo"] = [b"torn", "gone.png", *contents[2:22], b"", "lost.png"]
    together = clf.predict_proba(X)
    for rows in ([0], [1], [0, 1], [0, 1, 22, 23], [2, 0]):
        np.testing.assert_allclose(clf.predict_proba(X.iloc[rows]), together[rows], rtol=1e-5)
    with pytest.raises(ValueError, match="These are all that are not missing, of which nothing can be learnt"):
        clone(clf).fit(X.iloc[[0, 1, 22, 23]], y[[0, 1, 22, 23]])
