"""Pictures that are decoded once and then come from a store: the same ones, in all ways that columns come."""

import errno
import os
import pickle
import threading
import tracemalloc
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import PIL
import pytest
from PIL import Image, ImageFile
from sklearn.base import clone

from sklearn_mm.preprocessing import BlockStore, ImageTransformer, Ragged, StoredRows
from sklearn_mm.preprocessing.image import _picture_decoder
from sklearn_mm.preprocessing.image._decode import decode
from sklearn_mm.preprocessing.media._threads import n_decoding_threads
from sklearn_mm.storage._segment_folder import SegmentFolder


@pytest.fixture
def folder(tmp_path):
    """A folder of twelve pictures, 0.png to 11.png."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(12):
        pixels = rng.integers(256, size=(*rng.integers(5, 40, size=2), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def paths(folder):
    return [str(folder / f"{number}.png") for number in range(12)]


@pytest.fixture
def memory(tmp_path):
    return str(tmp_path / "store")


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that are decoded, as they are."""
    names, lock = [], threading.Lock()

    def note(cell, *args, **kwargs):
        if isinstance(cell, (str, os.PathLike, bytes, bytearray, memoryview)):
            with lock:
                names.append("bytes" if isinstance(cell, (bytes, bytearray, memoryview)) else Path(cell).stem)
        return decode(cell, *args, **kwargs)

    monkeypatch.setattr(_picture_decoder, "decode", note)
    return names


def drain(names):
    taken = sorted(names)
    names.clear()
    return taken


def test_the_same_pictures_decoded_once(paths, memory, decoded):
    plain, stored = ImageTransformer(8), ImageTransformer(8, memory=memory)
    expected = plain.fit_transform(paths)
    drain(decoded)
    pictures = stored.fit_transform(paths)
    assert isinstance(pictures, StoredRows)
    np.testing.assert_array_equal(pictures, expected)
    assert len(drain(decoded)) == 12
    assert stored.spec_ == plain.spec_
    for rows in (range(12), [3, 1, 3], [11]):  # folds, subsets, other orders
        np.testing.assert_array_equal(stored.transform([paths[row] for row in rows]), expected[list(rows)])
    np.testing.assert_array_equal(clone(stored).fit_transform(paths), expected)
    assert drain(decoded) == []


def test_a_table_that_grew_costs_what_is_new(paths, memory, decoded):
    transformer = ImageTransformer(8, memory=memory)
    transformer.fit(paths[:5])
    drain(decoded)
    np.testing.assert_array_equal(transformer.transform(paths[::-1]), ImageTransformer(8).fit_transform(paths[::-1]))
    assert drain(decoded)[:14] == sorted(["10", "11", *"56789", *map(str, range(12))])[:14]


def test_duplicates_and_missing_cells(paths, memory, decoded):
    cells = [paths[0], None, paths[0], "", paths[1], paths[0], float("nan")]
    pictures, present = ImageTransformer(8, memory=memory).fit_read(cells)
    assert drain(decoded) == ["0", "1"]
    expected, expected_present = ImageTransformer(8).fit_read(cells)
    np.testing.assert_array_equal(pictures, expected)
    assert present.tolist() == expected_present.tolist()
    pictures, present = ImageTransformer(8, memory=memory).fit(paths).read([None, ""])
    assert not present.any()
    assert not np.asarray(pictures).any()


def test_all_kinds_of_cells(folder, paths, memory):
    array = np.random.default_rng(1).integers(256, size=(9, 12, 3), dtype=np.uint8)
    cells = [
        Path(paths[0]),
        Path(paths[1]).read_bytes(),
        Image.open(paths[2]),
        array,
        array[..., 0],
        array / 255,
        "3.png",
    ]
    expected = ImageTransformer(8, root=folder).fit_transform(cells)
    for _ in range(2):
        np.testing.assert_array_equal(ImageTransformer(8, root=folder, memory=memory).fit_transform(cells), expected)


def test_contents_in_memory_are_known_by_their_bytes(paths, memory, decoded):
    contents = [Path(path).read_bytes() for path in paths]
    transformer = ImageTransformer(8, memory=memory).fit(contents)
    assert drain(decoded) == ["bytes"] * 12
    transformer.transform([bytearray(contents[3]), bytes(contents[2])])
    assert drain(decoded) == []
    transformer.transform([contents[0] + b"\0"])
    assert drain(decoded) == ["bytes"]


@pytest.mark.parametrize(
    "params",
    [
        *[{"size": (8, 9)}, {"resize": "pad"}, {"crop": (0, 0, 4, 4)}, {"rotate": 10}, {"color": "L"}],
        {"resize": "pad", "background": "black"},
    ],
    ids=str,
)
def test_settings_that_change_pixels_are_kept_apart(paths, memory, params):
    ImageTransformer(8, memory=memory).fit(paths)
    ImageTransformer(8, memory=memory, resize="pad").fit(paths)
    pictures = ImageTransformer(**{"size": 8, **params}, memory=memory).fit_transform(paths)
    np.testing.assert_array_equal(pictures, ImageTransformer(**{"size": 8, **params}).fit_transform(paths))


def test_settings_that_change_no_pixel_are_not(paths, folder, memory, decoded):
    ImageTransformer(8, memory=memory).fit(paths)
    drain(decoded)
    others = {"mean": 0.5, "std": "dataset", "on_error": "ignore", "n_jobs": 1, "root": folder, "lists": True}
    ImageTransformer((8, 8), memory=BlockStore(memory, max_bytes=10**9), **others).fit([f"{n}.png" for n in range(12)])
    assert drain(decoded) == []


def test_another_pillow_decodes_anew(paths, memory, decoded, monkeypatch):
    transformer = ImageTransformer(8, memory=memory).fit(paths[:1])
    monkeypatch.setattr(PIL, "__version__", "99.0")
    transformer.transform(paths[:1])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    transformer.transform(paths[:1])
    assert len(drain(decoded)) == 3


def test_statistics_of_the_data_set(paths, memory):
    plain = ImageTransformer(8, mean="dataset", std="dataset").fit([*paths, None])
    stored = ImageTransformer(8, mean="dataset", std="dataset", memory=memory).fit([*paths, None])
    assert stored.spec_ == plain.spec_


class TestChanges:
    def test_of_a_file_of_the_same_size(self, paths, memory):
        transformer = ImageTransformer(8, memory=memory)
        before = np.asarray(transformer.fit_transform(paths[:2]))
        status, content = os.stat(paths[0]), Path(paths[0]).read_bytes()
        Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(paths[0])
        Path(paths[0]).write_bytes(Path(paths[0]).read_bytes().ljust(len(content), b"\0"))
        assert os.stat(paths[0]).st_size == status.st_size
        after = np.asarray(transformer.transform(paths[:2]))
        assert before[0].any()
        assert not after[0].any()
        np.testing.assert_array_equal(after[1], before[1])

    def test_of_a_file_whose_time_was_set_back(self, paths, memory):
        transformer = ImageTransformer(8, memory=memory).fit(paths)
        status, size = os.stat(paths[0]), os.stat(paths[0]).st_size
        Path(paths[0]).write_bytes(Path(paths[1]).read_bytes().ljust(size, b"\0")[:size])
        os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns))
        try:
            expected = ImageTransformer(8).fit_transform(paths[:2])
        except ValueError:  # cut too short to be read
            with pytest.raises(ValueError, match="cannot read"):
                transformer.transform(paths[:2])
        else:
            np.testing.assert_array_equal(transformer.transform(paths[:2]), expected)

    def test_of_a_file_that_is_gone(self, paths, memory):
        transformer = ImageTransformer(8, memory=memory).fit(paths)
        os.remove(paths[3])
        with pytest.raises(ValueError, match=r"cannot read 1 of 12 .*row 3(.|\n)*no such file"):
            transformer.transform(paths)

    def test_while_it_is_decoded(self, paths, memory, monkeypatch):
        """What was decoded then may be either version, and is not kept as that of the earlier stamp."""
        open_ = Image.open

        def change_then_open(source, *args, **kwargs):
            Path(source).write_bytes(Path(paths[1]).read_bytes())
            return open_(source, *args, **kwargs)

        monkeypatch.setattr(Image, "open", change_then_open)
        status, content = os.stat(paths[0]), Path(paths[0]).read_bytes()
        transformer = ImageTransformer(8, resize="stretch", memory=memory, n_jobs=1)
        changed = np.asarray(transformer.fit_transform(paths[:1]))
        monkeypatch.undo()
        np.testing.assert_array_equal(changed, ImageTransformer(8, resize="stretch").fit_transform(paths[1:2]))
        assert BlockStore(memory).n_bytes == 0
        Path(paths[0]).write_bytes(content)
        os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns))
        expected = ImageTransformer(8, resize="stretch").fit_transform(paths[:1])
        np.testing.assert_array_equal(transformer.transform(paths[:1]), expected)


class TestUnreadable:
    @pytest.fixture
    def cells(self, paths, tmp_path):
        (tmp_path / "letter.jpg").write_text("Dear reader")
        letter, gone = str(tmp_path / "letter.jpg"), str(tmp_path / "gone.png")
        return [paths[0], letter, paths[1], None, gone, letter, paths[2], letter]

    def test_every_cell_is_told_of_though_each_content_is_tried_once(self, cells, memory, decoded):
        with pytest.raises(ValueError, match=r"cannot read 4 of 8 cells of the column \(rows 1, 4, 5, 7\)") as plain:
            ImageTransformer(8).fit(cells)
        drain(decoded)
        with pytest.raises(ValueError, match="cannot read") as stored:
            ImageTransformer(8, memory=memory).fit(cells)
        assert str(stored.value) == str(plain.value)
        assert drain(decoded) == ["0", "1", "2", "gone", "letter"]

    def test_they_are_not_kept(self, cells, memory, decoded, tmp_path):
        plain = ImageTransformer(8, on_error="ignore")
        stored = ImageTransformer(8, on_error="ignore", memory=memory)
        for _ in range(2):
            expected, present = plain.fit_read(cells)
            drain(decoded)
            pictures, stored_present = stored.fit_read(cells)
            np.testing.assert_array_equal(pictures, expected)
            assert stored_present.tolist() == present.tolist()
            assert stored.unreadable_rows_.tolist() == plain.unreadable_rows_.tolist()
        assert drain(decoded) == ["gone", "letter"]
        Image.new("RGB", (8, 8), "red").save(tmp_path / "gone.png")
        assert stored.read(cells)[1].tolist() == [True, False, True, False, True, False, True, False]

    def test_all(self, cells, memory):
        with pytest.raises(ValueError, match="These are all that are not missing"):
            ImageTransformer(8, on_error="ignore", memory=memory).fit([cells[1], None])


class TestLists:
    def test_pictures_of_lists_are_found_one_by_one(self, paths, memory, decoded):
        cells = [paths[:2], paths[2], [], [paths[1], None, paths[5]], None]
        expected, present = ImageTransformer(8).fit_read(cells)
        drain(decoded)
        transformer = ImageTransformer(8, memory=memory)
        pictures, stored_present = transformer.fit_read(cells)
        assert drain(decoded) == ["0", "1", "2", "5"]
        assert isinstance(pictures, Ragged)
        assert isinstance(pictures.items, StoredRows)
        np.testing.assert_array_equal(pictures.items, expected.items)
        assert pictures.counts.tolist() == expected.counts.tolist()
        assert stored_present.tolist() == present.tolist()
        pictures = transformer.transform([[paths[5], paths[0]]])
        np.testing.assert_array_equal(pictures.items, expected.items[[4, 0]])
        assert drain(decoded) == []

    def test_unreadable_items_are_left_out(self, paths, memory):
        cells = [["gone.png", paths[0]], ["gone.png"], paths[1]]
        expected, _ = ImageTransformer(8, on_error="ignore").fit_read(cells)
        pictures, present = ImageTransformer(8, on_error="ignore", memory=memory).fit_read(cells)
        np.testing.assert_array_equal(pictures.items, expected.items)
        assert present.tolist() == [True, False, True]


class TestLoader:
    def test_what_it_returns_counts(self, paths, memory, decoded, monkeypatch):
        monkeypatch.setattr("sklearn_mm.preprocessing.media._reader._LOADED_AT_ONCE", 5)
        contents = {number: Path(path).read_bytes() for number, path in enumerate(paths)}
        contents[12] = None
        calls = []

        def loader(cell):
            calls.append(cell)
            return contents[cell]

        cells = [*range(13), 3, None, 3]
        plain = ImageTransformer(8, loader=loader)
        stored = ImageTransformer(8, loader=loader, memory=memory)
        expected, present = plain.fit_read(cells)
        drain(decoded)
        calls.clear()
        for n_decoded in (12, 0):
            pictures, stored_present = stored.fit_read(cells)
            np.testing.assert_array_equal(pictures, expected)
            assert stored_present.tolist() == present.tolist()
            assert len(drain(decoded)) == n_decoded
        assert len(calls) == 2 * 15
        contents[3] = contents[4]
        expected[[3, 13, 15]] = expected[4]
        np.testing.assert_array_equal(stored.transform(cells), expected)
        assert stored.content_keys(cells) is None

    def test_what_it_raises(self, paths, memory, monkeypatch):
        monkeypatch.setattr("sklearn_mm.preprocessing.media._reader._LOADED_AT_ONCE", 2)

        def loader(cell):
            if cell % 3 == 1:
                raise ValueError(f"no {cell}")
            return b"garbled" if cell == 5 else Path(paths[cell]).read_bytes()

        with pytest.raises(ValueError, match="cannot read 5 of 12") as plain:
            ImageTransformer(8, loader=loader).fit([*range(12)])
        with pytest.raises(ValueError, match="cannot read 5 of 12") as stored:
            ImageTransformer(8, loader=loader, memory=memory).fit([*range(12)])
        assert str(stored.value) == str(plain.value)
        with pytest.raises(TypeError, match="loader of ImageTransformer must return paths"):
            ImageTransformer(8, loader=lambda cell: 5, memory=memory).fit([1])

    def test_nothing_but_missing_cells(self, paths, memory):
        transformer = ImageTransformer(8, loader=lambda cell: paths[cell], memory=memory).fit([1])
        assert transformer.read([None, None])[1].tolist() == [False, False]


def test_content_keys_tell_pictures_that_were_read_otherwise_apart(paths):
    cells = [paths[0], paths[1], None]
    keys = ImageTransformer(8).fit(paths).content_keys(cells)
    assert (keys == ImageTransformer((8, 8), on_error="warn").fit(paths).content_keys(cells)).all()
    others = ImageTransformer(8, crop=(0, 0, 5, 5)).fit(paths).content_keys(cells)
    assert (keys == others).tolist() == [False, False, True]


@pytest.mark.parametrize("kind", [str, Path, joblib.Memory, BlockStore])
def test_kinds_of_memory(paths, tmp_path, decoded, kind):
    memory = kind(tmp_path / "store", verbose=0) if kind is joblib.Memory else kind(tmp_path / "store")
    transformer = ImageTransformer(8, memory=memory)
    for copied in (transformer, clone(transformer), pickle.loads(pickle.dumps(transformer))):
        copied.fit(paths)
    assert len(drain(decoded)) == 12


def test_invalid_memory(paths):
    with pytest.raises(ValueError, match="The 'memory' parameter of ImageTransformer must be"):
        ImageTransformer(8, memory=3).fit(paths)


def test_a_full_disk_gives_the_same_pictures(paths, memory, monkeypatch, decoded):
    expected = ImageTransformer(8).fit_transform(paths)
    ImageTransformer(8, memory=memory).fit(paths[:4])
    drain(decoded)

    def no_room(self, keys, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentFolder, "add", no_room)
    transformer = ImageTransformer(8, memory=memory)
    with pytest.warns(UserWarning, match="No space left on device"):
        pictures = transformer.fit_transform(paths)
    np.testing.assert_array_equal(pictures, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pictures[[9, 1]])), expected[[9, 1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer.transform(paths)
    assert len(drain(decoded)) == 16


def test_no_more_is_in_memory_than_is_made_at_a_time(tmp_path, memory, monkeypatch):
    monkeypatch.setattr("sklearn_mm.storage._fetch._AT_ONCE", 10**6)
    Image.fromarray(np.random.default_rng(0).integers(256, size=(40, 40, 3), dtype=np.uint8)).save(tmp_path / "a.bmp")
    for number in range(600):
        os.link(tmp_path / "a.bmp", tmp_path / f"{number}.bmp")
    cells = pd.Series([str(tmp_path / f"{number}.bmp") for number in range(600)])
    transformer = ImageTransformer(128, memory=memory, mean="dataset", std="dataset").fit([str(tmp_path / "a.bmp")])
    tracemalloc.start()
    try:
        pictures = transformer.fit_transform(cells)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pictures.shape == (600, 128, 128, 3)
    assert len({rows.tobytes() for rows in pictures}) == 1
    assert peak < 6e6 < 600 * 128 * 128 * 3 / 4


def test_a_process_of_joblib_decodes_with_its_share_of_the_cores():
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        inside = joblib.Parallel(n_jobs=2)(joblib.delayed(n_decoding_threads)(n_jobs) for n_jobs in (-1, 3))
    assert inside == [1, 3]  # a number that the user gave holds
    assert n_decoding_threads(-1) == joblib.cpu_count()
