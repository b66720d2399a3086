"""The parameters of ImageTransformer: what they do, and which values are refused."""

import io

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


class TestCropFraction:
    def framed_by_hand(self, picture, resize):
        """Scale to a shorter side of 16, or to a square of it, and cut out the inner 12 x 12."""
        scaled = picture.resize((24, 16) if resize == "crop" else (16, 16), Image.Resampling.BICUBIC)
        left = (scaled.width - 12) // 2
        return np.asarray(scaled.crop((left, 2, left + 12, 14)))

    @pytest.mark.parametrize("reducing_gap", [2.0, None])
    @pytest.mark.parametrize("resize", ["crop", "stretch"])
    def test_the_centre_is_kept(self, resize, reducing_gap):
        picture = Image.fromarray(np.random.default_rng(0).integers(256, size=(30, 45, 3), dtype=np.uint8))
        transformer = ImageTransformer(12, resize=resize, crop_fraction=0.75, reducing_gap=reducing_gap)
        (got,) = transformer.fit_transform([picture])
        np.testing.assert_allclose(got.astype(int), self.framed_by_hand(picture, resize), atol=1)

    def test_padded_pictures_are_kept_whole(self):
        picture = np.random.default_rng(0).integers(256, size=(30, 45, 3), dtype=np.uint8)
        whole, inner = (
            ImageTransformer(12, resize="pad", crop_fraction=share).fit_transform([picture]) for share in (1.0, 0.5)
        )
        np.testing.assert_array_equal(whole, inner)

    def test_it_also_acts_where_auto_crops(self):
        square = np.random.default_rng(0).integers(256, size=(32, 32, 3), dtype=np.uint8)
        (inner,) = ImageTransformer(16, crop_fraction=0.5).fit_transform([square])
        np.testing.assert_array_equal(inner, square[8:24, 8:24])

    def test_pictures_are_not_reduced_to_less_than_is_cut_out_of(self):
        """A large JPEG is decoded at a scale that suits the whole, and not the part that is shown."""
        file = io.BytesIO()
        yy, xx = np.mgrid[:512, :512]
        Image.fromarray((((yy // 2 + xx // 2) % 2) * 255).astype(np.uint8)).save(file, "jpeg", quality=100)
        (inner,) = ImageTransformer(64, color="L", crop_fraction=0.125).fit_transform([file.getvalue()])
        assert inner.std() > 120

    @pytest.mark.parametrize("share", [0, -0.5, 1.01, "all", None])
    def test_refused(self, share):
        with pytest.raises(ValueError, match="'crop_fraction' parameter of ImageTransformer must be a float in"):
            ImageTransformer(crop_fraction=share).fit(make_images(2))

    def test_stored_pictures_are_found_by_it(self, tmp_path):
        picture = np.random.default_rng(0).integers(256, size=(20, 20, 3), dtype=np.uint8)
        first, second = (
            np.asarray(ImageTransformer(13, crop_fraction=share, memory=tmp_path).fit_transform([picture]))
            for share in (1, 0.5)
        )
        assert (first != second).any()

    def test_the_warning_of_cut_pictures_counts_it(self):
        wide = np.zeros((10, 40, 3), dtype=np.uint8)
        with pytest.warns(UserWarning, match="at the median 94% of their area"):
            ImageTransformer(8, resize="crop", crop_fraction=0.5).fit([wide])


@pytest.mark.filterwarnings("ignore:.*cuts off more than half")
class TestReducingGap:
    def jpeg(self):
        file = io.BytesIO()
        rng = np.random.default_rng(0)
        Image.fromarray(rng.integers(256, size=(300, 451, 3), dtype=np.uint8)).save(file, "jpeg")
        return file

    @pytest.mark.parametrize(("resize", "size"), [("crop", (45, 30)), ("stretch", (30, 30)), ("pad", (30, 20))])
    def test_none_decodes_in_full_and_scales_once(self, resize, size):
        file = self.jpeg()
        (got,) = ImageTransformer(30, resize=resize, reducing_gap=None).fit_transform([file.getvalue()])
        scaled = np.asarray(Image.open(file).resize(size, Image.Resampling.BICUBIC))
        shown = got[5:25] if resize == "pad" else got
        left = (scaled.shape[1] - 30) // 2
        np.testing.assert_array_equal(shown, scaled[:, left : left + 30])

    def test_of_a_long_strip_only_the_part_is_scaled(self, monkeypatch):
        sizes, resize = [], Image.Image.resize

        def noting(image, size, *args, **kwargs):
            sizes.append(size)
            return resize(image, size, *args, **kwargs)

        monkeypatch.setattr(Image.Image, "resize", noting)
        strip = np.zeros((2, 40_000, 3), dtype=np.uint8)
        strip[:, 20_000:] = 255
        (got,) = ImageTransformer(64, resize="crop", reducing_gap=None, n_jobs=1).fit([strip]).transform([strip])
        assert set(sizes) == {(64, 64)}
        assert (got[:, :16].max(), got[:, 48:].min()) == (0, 255)

    def test_turned_pictures_are_not_reduced_either(self):
        file = self.jpeg()
        (got,) = ImageTransformer(30, resize="stretch", rotate=90, reducing_gap=None).fit_transform([file.getvalue()])
        turned = Image.open(file).rotate(90, Image.Resampling.BICUBIC, expand=True)
        np.testing.assert_array_equal(got, np.asarray(turned.resize((30, 30), Image.Resampling.BICUBIC)))

    def test_larger_is_nearer_to_none(self):
        content = self.jpeg().getvalue()
        small, large, none = (
            ImageTransformer(30, resize="stretch", reducing_gap=gap).fit_transform([content]).astype(int)
            for gap in (1, 4.0, None)
        )
        assert 0 < abs(large - none).mean() < abs(small - none).mean()

    @pytest.mark.parametrize("gap", [0.5, 0, "none"])
    def test_refused(self, gap):
        with pytest.raises(ValueError, match="'reducing_gap' parameter of ImageTransformer must be a float in"):
            ImageTransformer(reducing_gap=gap).fit(make_images(2))
