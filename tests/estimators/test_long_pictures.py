"""Pictures that are no squares, from the table to the prediction."""

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import ImageInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.preprocessing import ImageTransformer


def strips(n, height=15, width=60, seed=0):
    """Strips whose left end says what they are: the middle square, all that a crop leaves, does not."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    cells = np.empty(n, dtype=object)
    for row, label in enumerate(y):
        cells[row] = rng.integers(90, 160, size=(height, width, 3), dtype=np.uint8)
        cells[row][:, : width // 6] = 220 if label else 30
    return cells, y


@pytest.mark.parametrize("encoder", ["cnn", "resnet", "vit"])
@pytest.mark.parametrize(("height", "width", "size"), [(15, 60, (32, 128)), (60, 40, (80, 56)), (4, 200, (16, 256))])
def test_every_encoder_takes_every_size(encoder, height, width, size):
    cells, y = strips(24, height, width)
    clf = MultimodalClassifier(image=ImageInput("strip", encoder=encoder), max_epochs=1, random_state=0)
    clf.fit(pd.DataFrame({"strip": cells}), y)
    assert clf.transformer_.specs_["strip"].shape == (*size, 3)
    assert clf.predict_proba(pd.DataFrame({"strip": cells[:3]})).shape == (3, 2)


def test_what_a_square_would_cut_off_is_learnt():
    cells, y = strips(80)
    X = pd.DataFrame({"strip": cells})

    def accuracy(transformer):
        image = ImageInput("strip", transformer=transformer, encoder=CNNEncoder(channels=(8, 8)), augment=None)
        clf = MultimodalClassifier(image=image, wide=None, max_epochs=8, lr=0.01, random_state=0)
        return clf.fit(X[:50], y[:50]).score(X[50:], y[50:])

    assert accuracy(ImageTransformer()) == 1
    with pytest.warns(UserWarning, match="cuts off more than half of 50 of 50"):
        assert accuracy(ImageTransformer(64, resize="crop")) < 0.8


def test_shared_columns_have_one_size_that_both_decide():
    X = pd.DataFrame({"front": strips(6)[0], "back": strips(6, 60, 15)[0]})
    separate = ModalityTransformer().fit(X)
    assert [spec.shape[:2] for spec in separate.specs_.values()] == [(32, 128), (128, 32)]
    shared = ModalityTransformer(image=ImageInput(["front", "back"], shared=True)).fit(X)
    assert {spec.shape[:2] for spec in shared.specs_.values()} == {(64, 64)}
    assert shared.transformers_["front"].resize_ == "pad"
    y = np.arange(6) % 2
    MultimodalClassifier(image=ImageInput(["front", "back"], shared=True), max_epochs=1).fit(X, y).predict(X)
    with pytest.raises(ValueError, match=r"'front' and 'back' were not read alike.*shared=True"):
        MultimodalClassifier(image=ImageInput(shared=True), max_epochs=1).fit(separate.transform(X), y)


def test_content_keys_tell_what_was_learnt():
    """Or features that a frozen encoder made of a picture in one size would be served for another."""
    long, square = strips(6)[0], strips(6, 60, 60)[0]
    cells = pd.DataFrame({"strip": long})
    transformer = ModalityTransformer()
    fitted = transformer.fit_transform(cells).content_keys
    np.testing.assert_array_equal(fitted, transformer.transform(cells).content_keys)
    other = ModalityTransformer(image="strip").fit(pd.DataFrame({"strip": [*square, *square]}))
    assert not (fitted == other.transform(cells).content_keys).any()
    deep = pd.DataFrame({"strip": [np.full((8, 8), 4000, np.uint16), np.full((8, 8), 4, np.uint16)]})
    narrow, wide = deep, pd.DataFrame({"strip": [*deep["strip"], np.full((8, 8), 40000, np.uint16)]})
    keys = [ModalityTransformer(image="strip").fit(X).transform(deep).content_keys for X in (narrow, wide)]
    assert not (keys[0] == keys[1]).any()
