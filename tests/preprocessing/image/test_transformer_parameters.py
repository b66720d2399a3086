"""The parameters of ImageTransformer: what they do, and which values are refused."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.image._framing import INTERPOLATIONS


def make_images(n, seed=0):
    """Small pictures of different sizes."""
    rng = np.random.default_rng(seed)
    return [
        Image.fromarray(rng.integers(256, size=(*rng.integers(5, 40, size=2), 3), dtype=np.uint8)) for _ in range(n)
    ]


class TestStatistics:
    @pytest.mark.parametrize("color", ["RGB", "L"])
    def test_dataset(self, color):
        cells = [*make_images(100), None]
        transformer = ImageTransformer(64, resize="stretch", color=color, mean="dataset", std="dataset")
        pictures, present = transformer.fit_read(cells)
        pixels = pictures[present].reshape(-1, len(color)) / 255
        np.testing.assert_allclose(transformer.mean_, pixels.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(transformer.std_, pixels.std(axis=0), rtol=1e-12)
        assert transformer.spec_.mean == tuple(transformer.mean_)
        assert transformer.spec_.std == tuple(transformer.std_)
        assert isinstance(transformer.spec_.mean[0], float)

    def test_dataset_does_not_change_in_transform(self):
        transformer = ImageTransformer(8, mean="dataset").fit(make_images(5))
        mean = transformer.mean_.copy()
        transformer.transform(make_images(5, seed=1))
        np.testing.assert_array_equal(transformer.mean_, mean)

    def test_unreadable_rows_do_not_count(self):
        transformer = ImageTransformer(8, mean="dataset", on_error="ignore")
        transformer.fit([np.full((4, 4), 255, np.uint8), "gone.png"])
        assert transformer.mean_.tolist() == [1.0] * 3

    def test_constant_channel(self):
        transformer = ImageTransformer(8, std="dataset").fit([np.full((4, 4), 77, np.uint8)])
        assert transformer.std_.tolist() == [1.0] * 3

    @pytest.mark.parametrize("what", ["mean", "std"])
    def test_dataset_of_nothing(self, what):
        with pytest.raises(ValueError, match=r"cannot compute .* column 'x': all of its 2 cells are missing"):
            ImageTransformer(8, **{what: "dataset"}).fit(pd.Series([None, None], name="x"))

    @pytest.mark.parametrize(
        ("mean", "expected"), [(0.5, [0.5] * 3), ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]), (np.zeros(3), [0, 0, 0])]
    )
    def test_numbers(self, mean, expected):
        transformer = ImageTransformer(8, mean=mean, std=1).fit(make_images(2))
        assert transformer.mean_.tolist() == expected
        assert transformer.spec_.std == (1.0, 1.0, 1.0)
        assert transformer.mean_.shape == (3,)


class TestParameters:
    @pytest.mark.parametrize(
        "parameters",
        [
            {"size": 0},
            {"size": -3},
            {"size": 6.5},
            {"size": "64"},
            {"size": None},
            {"size": (8, 0)},
            {"size": (8,)},
            {"size": (8, 8, 3)},
            {"size": (8, 8.5)},
            {"resize": "squash"},
            {"resize": None},
            {"crop": 5},
            {"crop": (1, 2, 3)},
            {"crop": (5, 0, 5, 9)},
            {"crop": (-1, 0, 5, 9)},
            {"crop": (0, 9, 5, 2)},
            {"crop": (0, 0, 0.5, 0.5)},
            {"rotate": "left"},
            {"rotate": np.nan},
            {"rotate": np.inf},
            {"color": "RGBA"},
            {"color": "grey"},
            {"background": "no such color"},
            {"background": 256},
            {"background": -1},
            {"background": (1, 2)},
            {"background": (1, 2, 300)},
            {"background": None},
            {"mean": "imagnet"},
            {"mean": None},
            {"mean": (0.5, 0.5)},
            {"mean": (123.7, 116.3, 103.5)},
            {"mean": np.nan},
            {"mean": [[0.5, 0.5, 0.5]]},
            {"std": 0},
            {"std": (0.2, 0.2, -0.2)},
            {"std": np.inf},
            {"std": [0.1, "a", 0.1]},
            {"root": 3},
            {"loader": "requests"},
            {"on_error": "skip"},
            {"n_jobs": 1.5},
        ],
        ids=str,
    )
    def test_refused(self, parameters):
        transformer = ImageTransformer(**parameters)
        with pytest.raises(ValueError, match=next(iter(parameters)) if "std" not in parameters else "std|float"):
            transformer.fit(make_images(2))

    @pytest.mark.parametrize(
        ("background", "color", "level"),
        [
            ("white", "RGB", [255, 255, 255]),
            ("#0a141e", "RGB", [10, 20, 30]),
            ("rgb(10, 20, 30)", "RGB", [10, 20, 30]),
            ((10, 20, 30), "RGB", [10, 20, 30]),
            (np.array([10, 20, 30]).tolist(), "RGB", [10, 20, 30]),
            (7, "RGB", [7, 7, 7]),
            (np.int64(7), "L", [7]),
            ("red", "L", [76]),
        ],
    )
    def test_background(self, background, color, level):
        cells = [Image.new("RGBA", (4, 4), (0, 255, 0, 0))]
        pictures = ImageTransformer(2, background=background, color=color).fit_transform(cells)
        assert pictures[0, 0, 0].tolist() == level

    @pytest.mark.parametrize("size", [8, np.int64(8), (8, 8), [8, 8], (np.int32(8), 8)], ids=repr)
    def test_size(self, size):
        transformer = ImageTransformer(size).fit(make_images(2))
        assert transformer.spec_.shape == (8, 8, 3)
        assert all(type(length) is int for length in transformer.spec_.shape)

    def test_crop_rotate_and_resize(self):
        image = Image.new("RGB", (30, 20), "red")
        image.paste("lime", (10, 5, 20, 15))
        image.paste("blue", (10, 5, 20, 7))  # the upper edge of the part becomes the left one
        transformer = ImageTransformer((10, 20), crop=[10, 5, 20, 15], rotate=90, resize="pad", background="black")
        picture = transformer.fit_transform([image])[0]
        assert not picture[:, :5].any()
        assert not picture[:, 15:].any()
        assert (picture[:, 5] == (0, 0, 255)).all()
        assert (picture[:, 9:15] == (0, 255, 0)).all()


@pytest.mark.parametrize("interpolation", sorted(INTERPOLATIONS))
def test_pixels_are_scaled_by_the_filter(interpolation):
    picture = Image.fromarray(np.random.default_rng(0).integers(256, size=(20, 20, 3), dtype=np.uint8))
    (got,) = ImageTransformer(13, interpolation=interpolation).fit_transform([picture])
    expected = picture.resize((13, 13), Image.Resampling[interpolation.upper()])
    np.testing.assert_array_equal(got, np.asarray(expected))
    assert ImageTransformer(13, interpolation=interpolation, rotate=10).fit_transform([picture]).shape == (1, 13, 13, 3)


def test_the_filter_is_bicubic_by_default():
    picture = np.random.default_rng(0).integers(256, size=(20, 20, 3), dtype=np.uint8)
    plain, told = (ImageTransformer(13, **told).fit_transform([picture]) for told in ({}, {"interpolation": "bicubic"}))
    np.testing.assert_array_equal(plain, told)


def test_unknown_filter():
    with pytest.raises(ValueError, match="'interpolation' parameter of ImageTransformer must be a str among"):
        ImageTransformer(interpolation="cubic").fit([np.zeros((8, 8, 3), dtype=np.uint8)])


def test_stored_pictures_are_found_by_their_filter(tmp_path):
    picture = np.random.default_rng(0).integers(256, size=(20, 20, 3), dtype=np.uint8)
    first, second = (
        np.asarray(ImageTransformer(13, interpolation=name, memory=tmp_path).fit_transform([picture]))
        for name in ("bicubic", "nearest")
    )
    assert (first != second).any()
