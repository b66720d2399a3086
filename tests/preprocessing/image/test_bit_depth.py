import io

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.preprocessing import ImageTransformer, Ragged
from sklearn_mm.preprocessing.image import _picture_decoder
from sklearn_mm.preprocessing.image._bit_depth import (
    FLOAT,
    INTEGER,
    SHALLOW,
    count_levels,
    learn_range,
    value_kind,
    value_statistics,
    values_to_uint8,
)
from sklearn_mm.preprocessing.media import _reader


def greys(n_bits, seed=0, shape=(16, 16)):
    """A picture with all grey levels from none to that of so many bits, spread over the picture."""
    values = np.linspace(0, 2**n_bits - 1, int(np.prod(shape))).round()
    return np.random.default_rng(seed).permutation(values).reshape(shape).astype(np.uint16)


def encoded(array, format):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format)
    return buffer.getvalue()


def statistics(*pictures):
    return np.stack([value_statistics(np.asarray(picture)) for picture in pictures])


WAYS = {
    "uint16": lambda array: array,
    "big-endian": lambda array: array.astype(">u2"),
    "int16": lambda array: array.astype(np.int16),
    "int32": lambda array: array.astype(np.int32),
    "int64": lambda array: array.astype(np.int64),
    "uint32": lambda array: array.astype(np.uint32),
    "one channel": lambda array: array[:, :, None],
    "three channels": lambda array: np.stack([array] * 3, axis=-1),
    "PNG": lambda array: encoded(array, "PNG"),
    "TIFF": lambda array: encoded(array, "TIFF"),
    "signed TIFF": lambda array: encoded(array.astype(np.int32), "TIFF"),
    "float TIFF": lambda array: encoded(array.astype(np.float32), "TIFF"),
    "mode I;16": Image.fromarray,
    "mode I": lambda array: Image.fromarray(array.astype(np.int32)),
    "mode F": lambda array: Image.fromarray(array.astype(np.float32)),
    "float64": lambda array: array.astype(np.float64),
}


class TestColumns:
    @pytest.mark.parametrize("n_bits", [10, 12])
    @pytest.mark.parametrize("way", WAYS)
    def test_grey_levels_survive(self, way, n_bits):
        cells = [WAYS[way](greys(n_bits, seed)) for seed in range(3)]
        transformer = ImageTransformer(16, color="L")
        pictures = transformer.fit_transform(cells)
        assert len(np.unique(pictures)) > 240
        for picture, seed in zip(pictures, range(3), strict=True):
            expected = greys(n_bits, seed) / (2**n_bits - 1) * 255
            assert np.abs(picture[..., 0] - expected).max() <= 1
        np.testing.assert_array_equal(transformer.transform(cells), pictures)

    @pytest.mark.parametrize("way", ["uint16", "PNG", "mode I;16"])
    def test_all_16_bits_are_what_they_were(self, way):
        cells = [WAYS[way](greys(16))]
        expected = (greys(16).astype(int) + 128) // 257
        np.testing.assert_array_equal(ImageTransformer(16, color="L").fit_transform(cells)[0, ..., 0], expected)

    def test_one_range_for_all_rows_and_kept_for_others(self):
        dark, bright = np.full((8, 8), 1000, np.uint16), np.full((8, 8), 3000, np.uint16)
        cells = [dark, bright, greys(12)]
        transformer = ImageTransformer(8)
        pictures = transformer.fit_transform(cells)
        assert transformer.value_range_ == {"integer": (0, 4095)}
        np.testing.assert_array_equal(transformer.transform([dark]), pictures[:1])
        np.testing.assert_array_equal(transformer.transform([bright])[0], pictures[1])
        beyond = transformer.transform([np.full((8, 8), 9999, np.uint16), np.full((8, 8), -5, np.int16)])
        assert beyond.reshape(2, -1).min(axis=1).tolist() == [255, 0]
        np.testing.assert_array_equal(ImageTransformer(8).fit_transform(cells[::-1]), pictures[::-1])

    def test_signed_values_as_of_computed_tomography(self):
        scans = [(greys(12, seed).astype(np.int16) - 1024) for seed in range(3)]
        transformer = ImageTransformer(16, color="L")
        pictures = transformer.fit_transform(scans)
        assert transformer.value_range_ == {"integer": (-1024, 3071)}
        assert pictures.min() == 0
        assert pictures.max() == 255

    def test_floats_from_0_to_1_are_what_they_were(self):
        cells = [np.full((8, 8), 0.1), np.full((8, 8), 0.2)]
        transformer = ImageTransformer(8)
        with pytest.warns(UserWarning, match=r"2 deep cells of the column \(rows 0, 1\) use a small part .* \(0, 1\)"):
            pictures = transformer.fit_transform(cells)
        assert pictures[:, 0, 0, 0].tolist() == [26, 51]
        assert transformer.value_range_ == {"float": (0.0, 1.0)}

    def test_kinds_mix_and_each_has_its_range(self):
        cells = [np.full((8, 8), 100, np.uint8), greys(12, shape=(8, 8)), np.full((8, 8), 0.4)]
        cells.append(np.linspace(0, 1, 64).reshape(8, 8))
        transformer = ImageTransformer(8, color="L")
        pictures = transformer.fit_transform(cells)
        assert transformer.value_range_ == {"integer": (0, 4095), "float": (0.0, 1.0)}
        assert np.unique(pictures[0]).tolist() == [100]
        assert np.unique(pictures[2]).tolist() == [102]
        assert pictures[1].max() == 255

    def test_given_range(self):
        cells = [greys(12), np.full((16, 16), 2048.0), np.full((16, 16), 77, np.uint8)]
        transformer = ImageTransformer(16, color="L", value_range=(1024, 3072))
        pictures = transformer.fit_transform(cells)
        assert transformer.value_range_ == {"integer": (1024, 3072), "float": (1024, 3072)}
        expected = np.clip((greys(12) - 1024.0) / 2048 * 255, 0, 255)
        assert np.abs(pictures[0, ..., 0] - expected).max() <= 0.51
        assert np.unique(pictures[1:]).tolist() == [77, 128]

    @pytest.mark.parametrize("cells", [[greys(12), greys(12, 1)], [encoded(greys(12), "PNG"), None, greys(12)]])
    def test_one_warning_of_a_range_that_is_too_wide(self, cells, recwarn):
        ImageTransformer(16, value_range=(0, 65535)).fit_transform(cells)
        (warning,) = recwarn
        assert "2 deep cells of the column" in str(warning.message)
        assert "value_range=(0, 65535): nearly all of their pixels lie within 17 of 256 levels" in str(warning.message)

    def test_no_warning_where_the_range_fits(self, recwarn):
        for value_range in ("auto", (0, 4095)):
            ImageTransformer(16, value_range=value_range).fit_transform([greys(12), greys(10)])
        ImageTransformer(16).fit_transform([np.zeros((8, 8), np.uint16)])
        assert not list(recwarn)

    @pytest.mark.parametrize("value_range", [(5,), (1, 1), (2, 1), (0, np.inf), ("a", "b"), "wide", 255, None])
    def test_no_range(self, value_range):
        with pytest.raises(ValueError, match="'value_range' parameter of ImageTransformer"):
            ImageTransformer(8, value_range=value_range).fit([greys(12)])

    def test_deep_pictures_that_fit_saw_none_of(self):
        transformer = ImageTransformer(8).fit([np.zeros((8, 8), np.uint8)])
        assert transformer.value_range_ == {}
        assert np.unique(transformer.transform([np.full((8, 8), 65535, np.uint16)])).tolist() == [255]
        with pytest.raises(
            ValueError, match=r"integers from 7 to 7 \(int16\), of which no range is known.*value_range"
        ):
            transformer.transform([np.zeros((8, 8), np.uint8), np.full((8, 8), 7, np.int16)])

    def test_opacity(self):
        colours = np.stack([greys(12, seed) for seed in range(3)], axis=-1)
        opaque = np.dstack([colours, np.full((16, 16), 65535, np.uint16)])
        floats = np.dstack([colours.astype(float), np.ones((16, 16))])
        for cell in (opaque, floats):
            transformer = ImageTransformer(16).fit([cell])
            np.testing.assert_array_equal(transformer.transform([cell]), transformer.transform([cell[..., :3]]))
            cell[..., 3] = 0
            assert transformer.transform([cell]).min() == 255


class TestWays:
    @pytest.fixture
    def paths(self, tmp_path):
        for seed in range(6):
            (tmp_path / f"{seed}.png").write_bytes(encoded(greys(12, seed), "PNG"))
        return [str(tmp_path / f"{seed}.png") for seed in range(6)]

    def test_stores(self, paths, tmp_path, monkeypatch):
        expected = ImageTransformer(8).fit_transform(paths)
        stored = ImageTransformer(8, memory=tmp_path / "store")
        np.testing.assert_array_equal(stored.fit_transform(paths), expected)
        narrow = ImageTransformer(8, value_range=(0, 255), memory=tmp_path / "store").fit_transform(paths)
        assert (np.asarray(narrow) != expected).any()

        def never(*args):
            raise AssertionError("a file was opened that the store knows")

        monkeypatch.setattr(Image, "open", never)
        for rows in ([0, 1, 2, 3, 4, 5], [3, 1]):
            again = clone(stored)
            np.testing.assert_array_equal(again.fit_transform([paths[row] for row in rows]), expected[rows])
            np.testing.assert_array_equal(again.transform(paths), expected)

    def test_unreadable_files_do_not_count(self, paths, tmp_path):
        cut = tmp_path / "cut.png"
        cut.write_bytes(encoded(greys(16, 9, (64, 64)), "PNG")[:5000])
        for memory in (None, tmp_path / "store"):
            transformer = ImageTransformer(8, memory=memory, on_error="ignore").fit([*paths, str(cut)])
            assert transformer.value_range_ == {"integer": (0, 4095)}
            assert transformer.unreadable_rows_.tolist() == [6]

    def test_lists(self):
        pictures = ImageTransformer(16).fit_transform([[greys(12), greys(12, 1)], greys(12, 2)])
        assert isinstance(pictures, Ragged)
        np.testing.assert_array_equal(
            pictures.items, ImageTransformer(16).fit_transform([greys(12, seed) for seed in range(3)])
        )

    def test_loader_that_brings_many(self, monkeypatch):
        """A sample tells the range, whatever the order, and nothing is brought twice."""
        monkeypatch.setattr(_reader, "_LOADED_AT_ONCE", 4)
        calls = []

        def load(seed):
            calls.append(seed)
            return greys(12, int(seed))

        seeds = [str(seed) for seed in range(12)]
        transformer = ImageTransformer(16, loader=load)
        pictures = transformer.fit_transform(seeds)
        assert sorted(calls) == sorted(seeds)
        assert transformer.value_range_ == {"integer": (0, 4095)}
        np.testing.assert_array_equal(ImageTransformer(16, loader=load).fit_transform(seeds[::-1]), pictures[::-1])
        np.testing.assert_array_equal(pictures, ImageTransformer(16).fit_transform(list(map(load, seeds))))

    def test_columns_of_8_bits_are_not_decoded_for_it(self, monkeypatch):
        def never(*args):
            raise AssertionError("the values of an 8-bit picture were looked at")

        monkeypatch.setattr(_picture_decoder, "read_statistics", never)
        ImageTransformer(8).fit([encoded(np.zeros((8, 8), np.uint8), "PNG"), np.zeros((8, 8, 3), np.uint8)])


class TestLearnRange:
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0, 1023, (0, 1023)),
            (0, 4095, (0, 4095)),
            (0, 16383, (0, 16383)),
            (0, 65535, (0, 65535)),
            (100, 4000, (0, 4095)),
            (-1024, 3071, (-1024, 3071)),
            (10000, 10255, (10000, 10255)),
            (3, 243, (0, 255)),
            (7, 7, (0, 65535)),
            (-7, -7, (-7, -6)),
            (0, 2**31 - 1, (0, 2**31 - 1)),
        ],
    )
    def test_integers(self, low, high, expected):
        assert learn_range(statistics([[low, high]]), INTEGER) == expected

    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            (0.0, 1.0, None),
            (0.2, 0.3, None),
            (-1.0, 1.0, (-1, 1)),
            (-2.1, 2.6, (-2.5, 3.0)),
            (0.0, 79.9, (0.0, 80.0)),
            (3.0, 243.0, (0, 255)),
        ],
    )
    def test_floats(self, low, high, expected):
        assert learn_range(statistics([[low, high]]), FLOAT) == expected

    def test_parts_of_a_column_mostly_agree(self):
        rng = np.random.default_rng(0)
        found = statistics(
            *(rng.integers(rng.integers(100, 400), rng.integers(3000, 4000), (32, 32)) for _ in range(99))
        )
        ranges = {learn_range(found[rng.permutation(99)[:66]], INTEGER) for _ in range(50)}
        assert ranges == {(0, 4095)}

    def test_outliers_stretch_only_so_much(self):
        hot = greys(12, shape=(64, 64))
        hot[3, 4] = 65535
        low, high = learn_range(statistics(*[greys(12, shape=(64, 64))] * 150, hot), INTEGER)
        assert low == 0
        assert high < 4 * 4096

    def test_bright_spots_are_no_outliers(self):
        spot = np.full((64, 64), 500)
        spot[8:11, 8:11] = 4000
        assert learn_range(statistics(spot, np.full((64, 64), 500)), INTEGER)[1] >= 4000

    def test_pictures_with_nan_do_not_count(self):
        assert learn_range(statistics([[0.0, 79.9]], [[np.nan, 1e9]]), FLOAT) == (0.0, 80.0)
        assert learn_range(np.full((2, 4), np.nan), INTEGER) is None


def test_value_kind():
    kinds = {np.dtype(np.uint8): SHALLOW, np.dtype(bool): SHALLOW, np.dtype(">u2"): INTEGER, np.dtype(np.int8): INTEGER}
    kinds |= {np.dtype(np.float16): FLOAT, np.dtype(complex): SHALLOW, "L": SHALLOW, "I;16B": INTEGER, "F": FLOAT}
    assert {what: value_kind(what) for what in kinds} == kinds


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.uint64, np.float16, np.float64])
def test_values_to_uint8_rounds(dtype):
    levels = values_to_uint8(np.array([[0, 10, 50, 100, 120]]).astype(dtype), (0, 100))
    assert levels.tolist() == [[0, 26, 128, 255, 255]]


def test_count_levels_leaves_padding_out():
    pictures = np.full((1, 8, 8, 3), 255, np.uint8)
    assert count_levels([pictures], (255, 255, 255)) == 0
    pictures[:, 2:4] = np.arange(10, 18)[None, None, :, None]
    assert count_levels([pictures, pictures], (255, 255, 255)) == 8


def test_a_classifier_tells_12_bit_pictures_apart():
    """At 16 bits both classes are one grey."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    cells = np.empty((60, 1), dtype=object)
    for row, label in enumerate(y):
        cells[row, 0] = (2060 + 80 * label + rng.integers(0, 40, size=(12, 12))).astype(np.uint16)
    image = ImageInput(0, transformer=ImageTransformer(8), encoder="cnn", augment=None)
    clf = MultimodalClassifier(image=image, max_epochs=20, random_state=0)
    assert clf.fit(cells[:40], y[:40]).score(cells[40:], y[40:]) == 1.0
