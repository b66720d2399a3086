import functools
import io
import json
import pickle
import socket
import threading
import tracemalloc
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags

from sklearn_mm.preprocessing import ImageSpec, ImageTransformer


class OfACloudClient(Exception):  # noqa: N818
    """Derived from nothing that Python raises, as those of botocore are."""


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def make_images(n, seed=0):
    """Small pictures of different sizes."""
    rng = np.random.default_rng(seed)
    return [
        Image.fromarray(rng.integers(256, size=(*rng.integers(5, 40, size=2), 3), dtype=np.uint8)) for _ in range(n)
    ]


@pytest.fixture
def folder(tmp_path):
    """A folder of twelve readable pictures, 0.png to 11.png."""
    for number, image in enumerate(make_images(12)):
        image.save(tmp_path / f"{number}.png")
    return tmp_path


@pytest.fixture
def paths(folder):
    return [str(folder / f"{number}.png") for number in range(12)]


@pytest.fixture
def broken(tmp_path):
    """Unreadable cells and the cause that is to be named."""
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "letter.jpg").write_text("Dear reader")
    (tmp_path / "cut.png").write_bytes(png(make_images(1)[0])[:150])
    (tmp_path / "album").mkdir()
    return {
        str(tmp_path / "nowhere.png"): "no such file",
        tmp_path / "empty.png": "empty",
        str(tmp_path / "letter.jpg"): "no picture",
        str(tmp_path / "cut.png"): "truncated",
        tmp_path / "album": "directory",
        "https://a.b/c.png": "URL",
        b"nonsense": "no picture",
        b"": "empty",
    }


class TestResult:
    def test_shape_spec_and_attributes(self, paths):
        transformer = ImageTransformer((10, 20))
        pictures = transformer.fit_transform(paths)
        assert type(pictures) is np.ndarray
        assert pictures.shape == (12, 10, 20, 3)
        assert pictures.dtype == np.uint8
        assert pictures.flags.owndata
        assert transformer.spec_ == ImageSpec(shape=(10, 20, 3), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
        assert transformer.unreadable_rows_.tolist() == []
        np.testing.assert_array_equal(transformer.transform(paths), pictures)
        np.testing.assert_array_equal(transformer.fit(paths).transform(paths), pictures)

    def test_grey(self, paths):
        transformer = ImageTransformer(16, color="L")
        assert transformer.fit_transform(paths).shape == (12, 16, 16, 1)
        assert transformer.spec_ == ImageSpec(shape=(16, 16, 1), mean=(0.449,), std=(0.226,))

    def test_kinds_of_columns(self, paths):
        pl = pytest.importorskip("polars")
        pa = pytest.importorskip("pyarrow")
        expected = ImageTransformer(8).fit_transform(paths)
        for X in (
            pd.Series(paths, index=range(50, 62)),
            pd.Series(paths, dtype=pd.ArrowDtype(pa.string())),
            pd.DataFrame({"photo": paths}),
            np.array(paths),
            np.array(paths, dtype=object)[:, None],
            pl.Series("photo", paths),
            pl.DataFrame({"photo": paths}),
            pa.table({"photo": paths}),
        ):
            np.testing.assert_array_equal(ImageTransformer(8).fit_transform(X), expected)

    def test_kinds_of_cells_mix_and_may_change_after_fit(self, paths):
        opened = [Image.open(path) for path in paths]
        cells = [
            paths[0], Path(paths[1]), Path(paths[2]).read_bytes(), opened[3], np.asarray(opened[4]),
            np.asarray(opened[5]) / 255, bytearray(Path(paths[6]).read_bytes()), opened[7].convert("RGBA"), *paths[8:],
        ]  # fmt: skip
        transformer = ImageTransformer(8)
        expected = transformer.fit_transform(paths)
        np.testing.assert_array_equal(transformer.transform(cells), expected)
        np.testing.assert_array_equal(transformer.transform(pd.DataFrame({"x": cells})), expected)
        np.testing.assert_array_equal(ImageTransformer(8).fit(cells).transform(paths), expected)

    def test_array_of_pictures(self):
        X = np.random.default_rng(0).integers(256, size=(5, 8, 8, 3), dtype=np.uint8)
        np.testing.assert_array_equal(ImageTransformer(8).fit_transform(X), X)
        np.testing.assert_array_equal(ImageTransformer(8, color="L").fit_transform(X[..., 0])[..., 0], X[..., 0])

    @pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT, "", " "], ids=repr)
    def test_missing(self, paths, nothing):
        cells = [paths[0], nothing, *paths[1:3]]
        transformer = ImageTransformer(8)
        for pictures, present in (transformer.fit_read(cells), transformer.read(cells)):
            assert present.dtype == bool
            assert present.tolist() == [True, False, True, True]
            assert not pictures[1].any()
            np.testing.assert_array_equal(pictures[present], transformer.transform(paths[:3]))

    def test_all_missing(self):
        pictures, present = ImageTransformer(8).fit_read([None, np.nan])
        assert pictures.shape == (2, 8, 8, 3)
        assert not pictures.any()
        assert not present.any()

    def test_rows_do_not_influence_each_other(self, paths):
        transformer = ImageTransformer(8)
        pictures = transformer.fit_transform([*paths, None])
        rows = [7, 2, 2, 12, 0]
        np.testing.assert_array_equal(transformer.transform([[*paths, None][row] for row in rows]), pictures[rows])
        for row in (0, 12):
            np.testing.assert_array_equal(transformer.transform([[*paths, None][row]]), pictures[[row]])

    def test_no_rows(self, paths):
        with pytest.raises(ValueError, match=r"ImageTransformer needs at least one row"):
            ImageTransformer().fit([])
        pictures, present = ImageTransformer(8).fit(paths).read([])
        assert pictures.shape == (0, 8, 8, 3)
        assert present.shape == (0,)

    def test_not_fitted(self, paths):
        with pytest.raises(NotFittedError):
            ImageTransformer().transform(paths)

    def test_two_columns(self, paths):
        with pytest.raises(ValueError, match=r"ImageTransformer reads one column, got 2: \['a', 'b'\]"):
            ImageTransformer().fit(pd.DataFrame({"a": paths, "b": paths}))

    def test_each_cell_is_decoded_once(self, paths, monkeypatch):
        read_to_the_end = []
        original = PngImageFile.load_end  # once per file, when its pixels are there

        def spy(image):
            read_to_the_end.append(image.filename)
            return original(image)

        monkeypatch.setattr(PngImageFile, "load_end", spy)
        transformer = ImageTransformer(mean="dataset", std="dataset")
        for read in (transformer.fit, transformer.fit_transform, transformer.transform):
            read_to_the_end.clear()
            read(paths)
            assert sorted(read_to_the_end) == sorted(paths)

    def test_only_one_copy_of_the_pictures_is_made(self):
        cells = make_images(60)
        transformer = ImageTransformer(256, mean="dataset", std="dataset")
        transformer.fit(cells[:2])
        for read in (transformer.fit_transform, transformer.transform):
            tracemalloc.start()
            pictures = read(cells)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            # 2**20 pixels at a time become 8-byte integers for the statistics.
            assert peak < 1.1 * pictures.nbytes + 12 * 2**20

    def test_parameters_of_fit_are_those_of_transform(self, paths):
        transformer = ImageTransformer(8, color="L")
        pictures = transformer.fit_transform(paths)
        transformer.set_params(size=9, color="RGB", resize="pad")
        np.testing.assert_array_equal(transformer.transform(paths), pictures)


class TestThreads:
    @pytest.mark.parametrize("n_jobs", [2, 5, -1, None])
    def test_result_does_not_depend_on_their_number(self, paths, broken, n_jobs):
        cells = [*paths, None, *broken] * 8
        alone = ImageTransformer(8, on_error="ignore", n_jobs=1)
        several = ImageTransformer(8, on_error="ignore", n_jobs=n_jobs)
        for expected, actual in zip(alone.fit_read(cells), several.fit_read(cells), strict=True):
            np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(several.unreadable_rows_, alone.unreadable_rows_)
        messages = []
        for transformer in (alone, several):
            with pytest.raises(ValueError, match="cannot read 64 of") as caught:
                transformer.set_params(on_error="raise").fit(cells)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]

    def test_several_threads_decode(self, paths):
        threads = set()
        meeting = threading.Barrier(2, timeout=20)

        def loader(cell):
            threads.add(threading.get_ident())
            meeting.wait()  # passes only while two threads are here
            return cell

        ImageTransformer(8, n_jobs=2, loader=loader).fit(paths)
        assert len(threads) == 2

    def test_joblib_context(self, paths):
        threads = set()
        transformer = ImageTransformer(8, n_jobs=None, loader=lambda cell: threads.add(threading.get_ident()) or cell)
        transformer.fit(paths)
        assert threads == {threading.get_ident()}
        threads.clear()
        with joblib.parallel_config(n_jobs=2):
            transformer.fit(paths)
        assert threads - {threading.get_ident()}

    def test_one_lazy_pil_image_in_many_rows(self):
        image = make_images(1)[0].resize((300, 300))
        expected = ImageTransformer(16, n_jobs=1).fit_transform([image])[0]
        for _ in range(5):
            lazy = Image.open(io.BytesIO(png(image)))
            pictures = ImageTransformer(16, n_jobs=4).fit_transform([lazy] * 40)
            np.testing.assert_array_equal(pictures, np.broadcast_to(expected, pictures.shape))

    def test_no_jobs(self, paths):
        with pytest.raises(ValueError, match="n_jobs"):
            ImageTransformer(n_jobs=0).fit(paths)


class TestUnreadable:
    def test_every_cause_is_named(self, paths, broken):
        for cell, cause in broken.items():
            with pytest.raises(ValueError, match=rf"(?s)cannot read 1 of 13 cells.*\(row.? 12\).*row 12: .*{cause}"):
                ImageTransformer(8).fit([*paths, cell])

    def test_error_counts_and_names_the_first_five(self, paths):
        cells = pd.Series(paths[:3] + [f"gone/{number}.png" for number in range(7)] + paths[3:], name="photo")
        with pytest.raises(ValueError) as caught:
            ImageTransformer(8).fit(cells)
        message = str(caught.value)
        assert message.startswith(
            "ImageTransformer cannot read 7 of 19 cells of column 'photo' (rows 3, 4, 5, 6, 7, ...):\n"
            "  row 3: 'gone/0.png': no such file"
        )
        assert "row 7: 'gone/4.png'" in message
        assert "gone/5.png" not in message
        assert message.endswith('drop these rows, or pass on_error="warn" to read them as missing.')
        transformer = ImageTransformer(8).fit(paths)
        with pytest.raises(ValueError, match=r"7 of 19 cells of column 'photo'"):
            transformer.transform(cells)

    def test_nameless_column(self):
        with pytest.raises(ValueError, match=r"1 of 1 cells of the column \(row 0\)"):
            ImageTransformer().fit([b"nonsense"])

    def test_warn_and_ignore(self, paths, broken):
        bad = list(broken)
        cells = [None, *bad[:4], *paths, *bad[4:]]
        rows = [*range(1, 5), *range(17, 17 + len(bad) - 4)]
        expected = ImageTransformer(8).fit_transform(paths)
        for on_error in ("warn", "ignore"):
            transformer = ImageTransformer(8, on_error=on_error)
            for read in (transformer.fit_read, transformer.read):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    pictures, present = read(cells)
                assert len(caught) == (on_error == "warn")
                for warning in caught:
                    assert warning.category is UserWarning
                    assert f"cannot read {len(bad)} of {len(cells)} cells" in str(warning.message)
                assert np.flatnonzero(present).tolist() == list(range(5, 17))
                np.testing.assert_array_equal(pictures[present], expected)
                assert not pictures[~present].any()
            assert transformer.unreadable_rows_.tolist() == rows
            assert transformer.unreadable_rows_.dtype.kind == "i"

    @pytest.mark.filterwarnings("ignore:ImageTransformer cannot read")
    def test_transform_changes_no_attribute(self, paths):
        transformer = ImageTransformer(8, on_error="warn", mean="dataset").fit([*paths, "gone.png"])
        before = pickle.dumps(transformer)
        transformer.transform(["gone.png", "gone.png", None, *paths[:2]])
        assert pickle.dumps(transformer) == before

    @pytest.mark.parametrize("on_error", ["raise", "warn", "ignore"])
    @pytest.mark.parametrize("cells", [["gone.png"], ["gone.png", None], [b"", "gone.png", np.nan]], ids=str)
    def test_all_unreadable_in_fit(self, on_error, cells):
        with pytest.raises(ValueError, match=r"(?s)cannot read.*These are all.*Check the paths and root=None"):
            ImageTransformer(8, on_error=on_error).fit(cells)

    def test_all_unreadable_in_transform(self, paths):
        transformer = ImageTransformer(8, root="/some/folder").fit(paths)
        with pytest.raises(ValueError, match="cannot read 2 of 3 cells"):
            transformer.transform(["gone.png", None, "lost.png"])
        transformer.set_params(on_error="warn")
        with pytest.warns(UserWarning, match=r"(?s)cannot read 2 of 3 cells.*These are all: .*root='/some/folder'"):
            assert not transformer.read(["gone.png", None, "lost.png"])[1].any()

    def test_a_row_is_read_alike_in_every_batch(self, paths):
        cells = ["gone.png", paths[0], b"nonsense", None, paths[1], "lost.png"]
        transformer = ImageTransformer(8, on_error="ignore").fit(paths)
        pictures, present = transformer.read(cells)
        assert present.tolist() == [False, True, False, False, True, False]
        for rows in ([0], [0, 2], [0, 2, 5], [3, 5], [1, 2], [5, 4, 0]):
            some, some_present = transformer.read([cells[row] for row in rows])
            np.testing.assert_array_equal(some, pictures[rows])
            np.testing.assert_array_equal(some_present, present[rows])

    def test_crop_box_outside_of_the_picture(self):
        with pytest.raises(ValueError, match=r"(?s)column 'x'.*row 1:.*crop box .*outside .* 30 x 20 pixels"):
            ImageTransformer(8, crop=(0, 0, 40, 40)).fit(
                pd.Series([Image.new("RGB", (40, 40)), Image.new("RGB", (30, 20))], name="x")
            )

    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("limit", [100, 399])
    def test_decompression_bomb(self, limit, monkeypatch):
        content = png(Image.new("RGB", (20, 20)))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"(?s)cannot read 1 of 1 cells.*bomb"):
            ImageTransformer(8).fit([content])

    @pytest.mark.parametrize(
        "cell", [3, 2.5, {"id": "a"}, {"bytes": 3, "path": "a"}, {"a.png"}, object(), True, io.BytesIO(b"a")], ids=type
    )
    def test_wrong_type_of_cell(self, cell, paths):
        name = type(cell).__name__
        for on_error in ("raise", "ignore"):
            transformer = ImageTransformer(8, on_error=on_error)
            with pytest.raises(TypeError, match=rf"ImageTransformer reads paths.*got {name} in row 12 of column 'x'"):
                transformer.fit(pd.Series([*paths, cell], name="x", dtype=object))
            with pytest.raises(TypeError, match=rf"got {name} in row 2 of the column"):
                transformer.fit(paths).transform([*paths[:2], cell])

    def test_wrong_type_is_found_before_anything_is_decoded(self, paths, monkeypatch):
        monkeypatch.setattr(Image, "open", lambda *args: pytest.fail("opened"))
        with pytest.raises(TypeError, match="got int"):
            ImageTransformer(8).fit([*paths, 3])


class TestRootAndLoader:
    def test_root(self, folder, paths, monkeypatch):
        names = [Path(path).name for path in paths]
        expected = ImageTransformer(8).fit_transform(paths)
        for root in (folder, str(folder)):
            np.testing.assert_array_equal(ImageTransformer(8, root=root).fit_transform(names), expected)
            np.testing.assert_array_equal(ImageTransformer(8, root=root).fit_transform(paths), expected)
        monkeypatch.chdir(folder)
        np.testing.assert_array_equal(ImageTransformer(8).fit_transform(names), expected)

    def test_root_may_change_after_fit(self, folder, paths):
        transformer = ImageTransformer(8, root=folder)
        pictures = transformer.fit_transform(["0.png"])
        moved = folder / "elsewhere"
        moved.mkdir()
        (folder / "0.png").rename(moved / "0.png")
        np.testing.assert_array_equal(transformer.set_params(root=moved).transform(["0.png"]), pictures)

    @pytest.mark.parametrize("url", ["https://a.b/c.png", "http://a.b/c.png", "s3://a/b.png", {"path": "gs://a/b.png"}])
    def test_urls_are_refused_and_not_fetched(self, url, paths, monkeypatch):
        monkeypatch.setattr(socket, "socket", lambda *args, **kwargs: pytest.fail("opened a connection"))
        with pytest.raises(ValueError, match=r"is a URL, and nothing is fetched; pass loader="):
            ImageTransformer(8).fit([*paths, url])

    def test_loader(self, paths):
        store = {f"https://a.b/{number}.png": path for number, path in enumerate(paths)}
        expected = ImageTransformer(8).fit_transform(paths)
        for load in (
            store.get,
            lambda url: Path(store[url]),
            lambda url: Path(store[url]).read_bytes(),
            lambda url: Image.open(store[url]),
            lambda url: np.asarray(Image.open(store[url])),
        ):
            np.testing.assert_array_equal(ImageTransformer(8, loader=load).fit_transform(list(store)), expected)

    def test_loader_takes_cells_of_any_type(self, paths):
        cells = [{"path": path} for path in paths]
        transformer = ImageTransformer(8, loader=lambda cell: cell["path"])
        np.testing.assert_array_equal(transformer.fit_transform(cells), ImageTransformer(8).fit_transform(paths))

    def test_loader_is_called_once_for_each_cell_that_is_not_missing(self, paths):
        calls = []
        transformer = ImageTransformer(8, loader=lambda cell: calls.append(cell) or cell, mean="dataset")
        for read in (transformer.fit, transformer.fit_transform, transformer.transform):
            calls.clear()
            read([None, *paths, np.nan, ""])
            assert sorted(calls) == sorted(paths)

    def test_loader_may_say_missing(self, paths):
        missing = {paths[1]: None, paths[2]: np.nan, paths[3]: ""}
        transformer = ImageTransformer(8, loader=lambda cell: missing.get(cell, cell))
        pictures, present = transformer.fit_read(paths[:5])
        assert present.tolist() == [True, False, False, False, True]
        assert not pictures[1:4].any()
        assert transformer.unreadable_rows_.tolist() == []

    @pytest.mark.parametrize("error", [OSError, TimeoutError, KeyError, TypeError, RuntimeError, OfACloudClient])
    def test_loader_that_fails_to_load(self, error, paths):
        def loader(cell):
            if cell == paths[2]:
                raise error("answer 404")
            return cell

        with pytest.raises(ValueError, match=rf"(?s)row 2: .*2.png': the loader raised {error.__name__}: '?answer 404"):
            ImageTransformer(8, loader=loader).fit(paths)
        transformer = ImageTransformer(8, loader=loader, on_error="ignore").fit(paths)
        assert transformer.unreadable_rows_.tolist() == [2]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
    def test_what_stops_the_process_passes_through_the_loader(self, error, paths):
        def loader(cell):
            raise error

        with pytest.raises(error):
            ImageTransformer(8, loader=loader, on_error="ignore", n_jobs=1).fit(paths)

    def test_the_line_of_the_loader_is_named(self):
        def loader(cell):
            return json.loads(cell)

        with pytest.raises(ValueError, match="the loader raised JSONDecodeError: Expecting value") as caught:
            ImageTransformer(8, loader=loader).fit(["a.png"])
        assert f"(line {loader.__code__.co_firstlineno + 1} of test_transformer.py)\n" in str(caught.value)
        with pytest.raises(ValueError, match=r"the loader raised TypeError: .* expected at most 2 arguments, got 3\n"):
            ImageTransformer(8, loader=functools.partial(next, 1, 2)).fit(["a.png"])

    def test_a_long_answer_of_a_loader_is_cut(self, paths):
        def loader(cell):
            raise OfACloudClient("<html>" * 10**5)

        with pytest.raises(ValueError, match="the loader raised OfACloudClient: <html>") as caught:
            ImageTransformer(8, loader=loader).fit(paths)
        assert len(str(caught.value)) < 5000

    def test_loader_that_is_wrong(self, paths):
        with pytest.raises(ValueError, match=r"(?s)cannot read 12 of 12 .*the loader raised KeyError.*nothing can be"):
            ImageTransformer(8, loader={}.__getitem__, on_error="ignore").fit(paths)
        with pytest.raises(TypeError, match=r"loader of ImageTransformer must return .*; got int in row"):
            ImageTransformer(8, loader=len, on_error="ignore").fit(paths)

    def test_loader_that_returns_urls(self):
        with pytest.raises(ValueError, match="is a URL"):
            ImageTransformer(8, loader=lambda cell: "https://a.b/c.png").fit(["a"])


class TestScikitLearn:
    def test_parameters_are_only_stored(self):
        parameters = {"size": [3, "x"], "crop": {}, "root": object(), "loader": 5}
        transformer = ImageTransformer(**parameters)
        for name, value in parameters.items():
            assert getattr(transformer, name) is value
        assert clone(ImageTransformer(9, root="a")).get_params() == ImageTransformer(9, root="a").get_params()

    def test_pickle_and_pipeline(self, paths):
        pipeline = make_pipeline(ImageTransformer(8, mean="dataset")).set_output(transform="pandas")
        pictures = pipeline.fit_transform(paths)
        assert pictures.shape == (12, 8, 8, 3)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(pipeline)).transform(paths), pictures)

    def test_tags(self):
        tags = get_tags(ImageTransformer())
        assert tags.input_tags.one_d_array
        assert tags.input_tags.allow_nan

    def test_input_and_global_state_are_left_alone(self, paths):
        X = pd.DataFrame({"photo": [*paths, None]})
        X.attrs["cells"] = 13
        before = X.copy(deep=True)
        state = np.random.get_state()[1].copy()  # noqa: NPY002
        filters = list(warnings.filters)
        ImageTransformer(8).fit(X).transform(X)
        pd.testing.assert_frame_equal(X, before)
        np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
        assert warnings.filters == filters

    def test_fit_that_fails_leaves_the_former_state(self, paths):
        transformer = ImageTransformer(8).fit(paths)
        with pytest.raises(ValueError, match="cannot read"):
            transformer.set_params(size=9).fit(["gone.png"])
        assert transformer.transform(paths).shape == (12, 8, 8, 3)

    def test_content_keys(self, paths, folder):
        transformer = ImageTransformer(8, root=folder)
        keys = transformer.content_keys(pd.Series([paths[0], "0.png", paths[1], None]))
        assert keys.dtype == "V16"
        assert keys[0] == keys[1] != keys[2]
        assert keys[3].tobytes() == bytes(16)
