"""What ImageTransformer learns of a column of pictures before it reads them, and what it warns of."""

import copy
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from sklearn.base import clone

from sklearn_mm.preprocessing import ImageTransformer, Ragged, StoredRows
from sklearn_mm.preprocessing.cells._items import explode
from sklearn_mm.preprocessing.image._fit_framing import read_headers
from sklearn_mm.preprocessing.image._picture_decoder import PictureDecoder
from sklearn_mm.preprocessing.media import _reader
from sklearn_mm.utils._object_arrays import object_array


def strip(width, height, seed=0):
    """A picture whose left end is black and whose right end is white."""
    values = np.random.default_rng(seed).integers(60, 200, size=(height, width, 3), dtype=np.uint8)
    values[:, : width // 8], values[:, -width // 8 :] = 0, 255
    return values


def encoded(array, format="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format, **options)
    return buffer.getvalue()


def ends(picture):
    return picture[picture.shape[0] // 2, [1, -2], 0].tolist()


@pytest.fixture
def paths(tmp_path):
    for seed in range(6):
        (tmp_path / f"{seed}.png").write_bytes(encoded(strip(240, 60, seed)))
    return [str(tmp_path / f"{seed}.png") for seed in range(6)]


class TestLearnt:
    def test_panoramas_are_whole(self, paths):
        transformer = ImageTransformer()
        pictures = transformer.fit_transform(paths)
        assert (transformer.size_, transformer.resize_, transformer.spec_.shape) == ((32, 128), "crop", (32, 128, 3))
        assert [ends(picture) for picture in pictures] == [[0, 255]] * 6
        assert transformer.transform([strip(80, 80), None]).shape == (2, 32, 128, 3)

    def test_odd_ones_are_padded_and_not_cut(self, paths):
        transformer = ImageTransformer(background=(90, 0, 90)).fit(paths)
        square, near = transformer.transform([strip(80, 80), strip(240, 80)])
        assert ends(square) == [90, 90]
        assert ends(square[:, 48:80]) == [0, 255]
        assert not (near == (90, 0, 90)).all(axis=-1).any()

    def test_mixed_columns_are_padded(self, paths):
        transformer = ImageTransformer(background=(90, 0, 90))
        pictures = transformer.fit_transform([*paths[:4], strip(60, 60), strip(60, 60), None])
        assert (transformer.size_, transformer.resize_) == ((32, 128), "pad")
        assert ends(pictures[4]) == [90, 90]

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
    def test_squares_are_read_as_ever(self, format, tmp_path):
        rng = np.random.default_rng(0)
        cells = [encoded(rng.integers(256, size=(side, side, 3), dtype=np.uint8), format) for side in (9, 72, 300)]
        transformer = ImageTransformer()
        pictures = transformer.fit_transform(cells)
        assert (transformer.size_, transformer.resize_) == ((64, 64), "crop")
        np.testing.assert_array_equal(pictures, ImageTransformer(64, resize="crop").fit_transform(cells))

    def test_lying_pictures_count_as_they_stand(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        for format in ("PNG", "JPEG", "TIFF"):
            content = encoded(strip(240, 60), format, exif=exif)
            assert ImageTransformer().fit([content] * 3).size_ == (128, 32)

    def test_box_and_turn_count(self, paths):
        assert ImageTransformer(crop=(0, 0, 60, 60)).fit(paths).size_ == (64, 64)
        assert ImageTransformer(rotate=90).fit(paths).size_ == (128, 32)

    def test_nothing_there(self):
        for cells in ([None, ""], [None, "gone.png", strip(9, 9)]):
            assert ImageTransformer(on_error="ignore").fit(cells).size_ == (64, 64)

    def test_order_does_not_count(self, paths):
        cells = [*paths, strip(60, 60), strip(30, 60), strip(60, 40)]
        pictures = ImageTransformer().fit_transform(cells)
        np.testing.assert_array_equal(ImageTransformer().fit_transform(cells[::-1]), pictures[::-1])

    def test_copies(self, paths):
        transformer = ImageTransformer().fit(paths)
        for same in (copy.copy(transformer), copy.deepcopy(transformer), pickle.loads(pickle.dumps(transformer))):
            np.testing.assert_array_equal(same.transform(paths), transformer.transform(paths))
            assert (same.size_, same.resize_, same.value_range_) == ((32, 128), "crop", {})
        assert clone(transformer).get_params()["size"] == "auto"
        assert not hasattr(clone(transformer), "size_")


class TestWays:
    def test_lists(self, paths):
        transformer = ImageTransformer()
        pictures = transformer.fit_transform([paths[:3], paths[3], [], paths[4:]])
        assert isinstance(pictures, Ragged)
        np.testing.assert_array_equal(pictures.items, ImageTransformer().fit_transform(paths))

    def test_stores(self, paths, tmp_path, monkeypatch):
        expected, stored = ImageTransformer().fit_transform(paths), ImageTransformer(memory=tmp_path / "store")
        np.testing.assert_array_equal(stored.fit_transform(paths), expected)

        def never(*args):
            raise AssertionError("a file was opened that the store knows")

        monkeypatch.setattr(Image, "open", never)
        pictures = clone(stored).fit_transform(paths[::-1])
        assert isinstance(pictures, StoredRows)
        np.testing.assert_array_equal(pictures, expected[::-1])

    def test_nothing_is_decoded_for_it(self, paths, monkeypatch):
        loaded = []
        original = PngImageFile.load_end
        monkeypatch.setattr(PngImageFile, "load_end", lambda image: loaded.append(image) or original(image))
        reader = ImageTransformer().make_reader(PictureDecoder())
        assert read_headers(reader, explode(object_array(paths), None, "auto")).tolist() == [[240, 60, 0]] * 6
        assert loaded == []

    def test_a_loader_brings_nothing_twice(self, monkeypatch):
        monkeypatch.setattr(_reader, "_LOADED_AT_ONCE", 4)
        calls = []

        def load(seed):
            calls.append(seed)
            return strip(240, 60, int(seed))

        seeds = [str(seed) for seed in range(12)]
        pictures = ImageTransformer(loader=load).fit_transform(seeds)
        assert sorted(calls) == sorted(seeds)
        np.testing.assert_array_equal(ImageTransformer(loader=load).fit_transform(seeds[::-1]), pictures[::-1])
        np.testing.assert_array_equal(pictures, ImageTransformer().fit_transform(list(map(load, seeds))))

    def test_a_loader_that_fails_is_reported_once(self, tmp_path):
        def load(cell):
            if cell == "b":
                raise OSError("no answer")
            return strip(240, 60)

        for memory in (None, tmp_path / "store"):
            with pytest.warns(UserWarning, match=r"1 of 3 cells of the column \(row 1\)") as caught:
                ImageTransformer(loader=load, memory=memory, on_error="warn").fit(["a", "b", "c"])
            assert len(caught) == 1


class TestWarnings:
    def test_crop_that_cuts_off_more_than_half(self, paths, recwarn):
        ImageTransformer(64, resize="crop").fit(pd.Series([*paths, strip(60, 60)], name="scan"))
        (warning,) = recwarn
        message = str(warning.message)
        assert 'ImageTransformer: resize="crop" to 64 x 64 pixels cuts off more than half of 6 of 7 cells of' in message
        assert "column 'scan' (rows 0, 1, 2, 3, 4, ...), at the median 75% of their area" in message

    def test_crop_of_a_known_column_in_a_store(self, paths, tmp_path):
        transformer = ImageTransformer(64, resize="crop", memory=tmp_path / "store")
        for _ in range(2):
            with pytest.warns(UserWarning, match="cuts off more than half of 6 of 6 cells"):
                clone(transformer).fit(paths)

    def test_items_of_lists(self, paths):
        with pytest.warns(UserWarning, match=r"6 of 7 items of the lists in the column \(rows 0, 2\)"):
            ImageTransformer(64, resize="crop").fit([paths[:4], strip(9, 9), paths[4:]])

    @pytest.mark.parametrize(
        "parameters",
        [{}, {"size": 64}, {"resize": "crop"}, {"size": 64, "resize": "pad"}, {"resize": "stretch"}],
        ids=str,
    )
    def test_no_warning_where_little_is_lost(self, parameters, paths, recwarn):
        ImageTransformer(**parameters).fit(paths)
        ImageTransformer(64, resize="crop").fit([strip(60, 40), strip(40, 60)])
        assert not list(recwarn)
