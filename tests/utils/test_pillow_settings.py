"""Pillow's settings of the process that a user works in, in the processes that work for it."""

import io
import multiprocessing
import os
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFile
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.utils import _pillow_settings
from sklearn_mm.utils._pillow_settings import parents_settings

Y = ["a", "b"] * 6


@pytest.fixture(scope="module")
def truncated():
    contents = []
    for seed in range(12):
        buffer = io.BytesIO()
        Image.fromarray(np.random.default_rng(seed).integers(256, size=(30, 30, 3), dtype=np.uint8)).save(buffer, "PNG")
        contents.append(buffer.getvalue()[:-900])
    return pd.DataFrame({"photo": contents})


@pytest.fixture
def lenient(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


def settings():
    return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES


def settings_while_reading(transformer):
    seen = []
    transformer.set_params(loader=lambda cell: seen.append(settings()) or cell).transform(["a.png"])
    return seen, settings()


PLUGIN = """
from PIL import Image, ImageFile


class {name}ImageFile(ImageFile.ImageFile):
    format = "{name}"
    format_description = "stripes of grey"

    def _open(self):
        width, height = self.fp.read(6)[4:]
        self._size, self._mode = (width, height), "L"
        self.tile = [("raw", (0, 0, width, height), 6, ("L", 0, 1))]


def register_opener():
    Image.register_open("{name}", {name}ImageFile, lambda head: head[:4] == b"{name}")
"""
LOADER = """
from rows_plugin import register_opener

register_opener()


def open_rows(cell):
    return cell
"""
PASSES_INITIALIZERS_ON = tuple(map(int, joblib.__version__.split(".")[:2])) >= (1, 5)


@pytest.fixture(scope="module")
def loky(tmp_path_factory):
    """Settings of joblib for two processes, the same ones for all tests here, since their imports take seconds.

    They can import what registers formats, and each has registered one when it started, where joblib knows of that.
    """
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "bars_plugin.py").write_text(PLUGIN.format(name="BARS"))
    (folder / "rows_plugin.py").write_text(PLUGIN.format(name="ROWS"))
    (folder / "rows_loader.py").write_text(LOADER)
    joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        from bars_plugin import register_opener

        more = {"initializer": register_opener} if PASSES_INITIALIZERS_ON else {}
        yield {"backend": "loky", "n_jobs": 2, "inner_max_num_threads": 1, **more}
        joblib.externals.loky.get_reusable_executor().shutdown(wait=True)
        for name in ("bars_plugin", "rows_plugin", "rows_loader"):
            sys.modules.pop(name, None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
class TestLoky:
    """The processes are used again, so that each setting has to arrive where another has been.

    ``error_score="raise"`` would end them with the first error, and new ones take seconds for their imports.
    """

    def test_what_the_error_advises_works_in_several_processes(self, truncated, loky, monkeypatch):
        clf = MultimodalClassifier(max_epochs=1, device="cpu")
        with joblib.parallel_config(**loky):
            with pytest.raises(ValueError, match=r"(?s)truncated; PIL.ImageFile.LOAD_TRUNCATED_IMAGES = True"):
                cross_validate(clf, truncated, Y, cv=2)
            monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
            assert np.isfinite(cross_validate(clf, truncated, Y, cv=2, error_score="raise")["test_score"]).all()
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400)
            with pytest.raises(ValueError, match=r"more than 400 pixels.*raise PIL.Image.MAX_IMAGE_PIXELS"):
                cross_validate(clf, truncated, Y, cv=2)
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
            named = MultimodalClassifier(image=ImageInput("photo"), max_epochs=1, device="cpu")
            grid = {"image__transformer__size": [8, 12]}
            search = GridSearchCV(named, grid, cv=2, error_score="raise").fit(truncated, Y)
            assert np.isfinite(search.cv_results_["mean_test_score"]).all()
            monkeypatch.undo()
            with pytest.raises(ValueError, match="truncated"):
                cross_validate(clf, truncated, Y, cv=2)

    @pytest.mark.usefixtures("lenient")
    def test_they_hold_while_pictures_are_read_and_no_longer(self, loky):
        transformer = ImageTransformer(8, on_error="ignore", n_jobs=1).fit([np.zeros((4, 4, 3), np.uint8)])
        with joblib.parallel_config(**loky):
            results = joblib.Parallel()(joblib.delayed(settings_while_reading)(transformer) for _ in range(4))
        for while_reading, afterwards in results:
            assert while_reading == [(None, True)]
            assert afterwards == (1024**3 // 4 // 3, False)


def apply_in_pool(context, function, argument):
    with context.Pool(1) as pool:
        return pool.apply(function, [argument])


def submit_to_executor(context, function, argument):
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, argument).result()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "call"),
    [  # each process that is not forked takes seconds for its imports
        ("spawn", submit_to_executor),
        ("forkserver", apply_in_pool),
        ("fork", submit_to_executor),
        ("fork", apply_in_pool),
    ],
)
@pytest.mark.usefixtures("lenient")
def test_pools_of_multiprocessing(truncated, method, call):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    transformer = ImageTransformer(8, n_jobs=1).fit(truncated["photo"][:3])
    expected = transformer.transform(truncated["photo"])
    context = multiprocessing.get_context(method)
    np.testing.assert_array_equal(call(context, transformer.transform, truncated["photo"]), expected)


class TestSoundness:
    @pytest.fixture
    def child(self, monkeypatch):
        """This process as if another had made it, whose number this gives."""
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: type("Parent", (), {"pid": os.getppid()}))
        monkeypatch.setattr(_pillow_settings, "_sent", {})
        return os.getppid()

    def arrive(self, sender, **settings):
        return _pillow_settings._arrive(sender, settings, ImageTransformer, ())

    @pytest.mark.usefixtures("lenient")
    def test_a_model_file_says_nothing_of_them(self):
        transformer = ImageTransformer(8).fit([np.zeros((4, 4, 3), np.uint8)])
        content, digest = pickle.dumps(transformer), joblib.hash(transformer)
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, 1024**3 // 4 // 3
        assert pickle.dumps(transformer) == content
        assert joblib.hash(transformer) == digest
        pickle.loads(content)
        assert not _pillow_settings._sent

    def test_only_the_parent_process_is_heard(self, child):
        self.arrive(os.getpid(), MAX_IMAGE_PIXELS=5)  # one's own, come back from a child
        self.arrive(1 + child, MAX_IMAGE_PIXELS=5)
        with parents_settings():
            assert Image.MAX_IMAGE_PIXELS != 5
        assert isinstance(self.arrive(child, MAX_IMAGE_PIXELS=5), ImageTransformer)
        assert Image.MAX_IMAGE_PIXELS != 5
        with parents_settings(), parents_settings():
            assert Image.MAX_IMAGE_PIXELS == 5
        assert Image.MAX_IMAGE_PIXELS != 5
        self.arrive(child)  # the parent has taken it back
        with parents_settings():
            assert Image.MAX_IMAGE_PIXELS != 5

    def test_nobody_is_heard_in_a_process_of_ones_own(self, monkeypatch):
        monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
        self.arrive(os.getppid(), MAX_IMAGE_PIXELS=5)
        assert not _pillow_settings._sent

    def test_what_was_set_in_the_process_itself_stays(self, child, monkeypatch):
        self.arrive(child, MAX_IMAGE_PIXELS=5, LOAD_TRUNCATED_IMAGES=True)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
        with parents_settings():
            assert settings() == (7, True)
        assert settings() == (7, False)

    def test_what_a_loader_sets_while_it_reads_stays(self, child, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
        self.arrive(child, MAX_IMAGE_PIXELS=5)
        with parents_settings():
            Image.MAX_IMAGE_PIXELS = 9
        assert Image.MAX_IMAGE_PIXELS == 9

    def test_they_are_restored_after_an_error(self, child):
        self.arrive(child, LOAD_TRUNCATED_IMAGES=True)
        with pytest.raises(KeyError), parents_settings():
            raise KeyError
        assert ImageFile.LOAD_TRUNCATED_IMAGES is False

    def test_a_child_sends_its_parents_on_to_its_own(self, child):
        self.arrive(child, MAX_IMAGE_PIXELS=5)
        _, (sender, sent, *_), *_ = _pillow_settings._reduce(ImageTransformer())
        assert (sender, sent) == (os.getpid(), {"MAX_IMAGE_PIXELS": 5})

    def test_stored_pictures_know_with_which_they_were_read(self, child, truncated):
        transformer = ImageTransformer(8).fit([np.zeros((8, 8, 3), np.uint8)])
        before = transformer.content_keys(truncated["photo"])
        self.arrive(child, LOAD_TRUNCATED_IMAGES=True)
        assert (transformer.content_keys(truncated["photo"]) != before).all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
class TestPlugins:
    """Of two formats: one is registered where the processes start, the other by what a loader's module does."""

    @pytest.fixture(autouse=True)
    def nothing_registered(self, monkeypatch):
        """Let what is registered here be forgotten after the test."""
        monkeypatch.setattr(Image, "OPEN", dict(Image.OPEN))
        monkeypatch.setattr(Image, "ID", list(Image.ID))

    def scores(self, transformer, name):
        X = pd.DataFrame({"photo": [name + b"\x08\x08" + bytes(range(shade, shade + 64)) for shade in range(12)]})
        clf = MultimodalClassifier(image=ImageInput("photo", transformer=transformer), max_epochs=1, device="cpu")
        return cross_validate(clf, X, Y, cv=2)["test_score"]

    def test_by_a_loader_from_a_module_that_registers(self, loky):
        from rows_loader import open_rows

        with joblib.parallel_config(**loky):
            with pytest.raises(ValueError, match="is no picture, or of a format that Pillow cannot read"):
                self.scores(ImageTransformer(8), b"ROWS")  # here it is registered, there it is not
            assert np.isfinite(self.scores(ImageTransformer(8, loader=open_rows), b"ROWS")).all()

    @pytest.mark.skipif(not PASSES_INITIALIZERS_ON, reason="joblib passes initializers on since 1.5")
    def test_by_an_initializer(self, loky):
        with joblib.parallel_config(**loky):
            assert np.isfinite(self.scores(ImageTransformer(8), b"BARS")).all()
