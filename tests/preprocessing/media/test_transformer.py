"""A medium of one's own, waves in files: lists, loader, on_error, memory and content keys come from the base."""

import pickle
import threading
from copy import copy
from dataclasses import dataclass
from numbers import Integral
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from sklearn_mm import ModalityTransformer
from sklearn_mm.blocks import BlockSpec, Ragged
from sklearn_mm.inputs import Input
from sklearn_mm.preprocessing import BlockStore, MediaDecoder, MediaTransformer, StoredRows, UnreadableError
from sklearn_mm.utils._validation import Interval

decoded, lock = [], threading.Lock()


@dataclass(frozen=True, kw_only=True)
class WaveDecoder(MediaDecoder):
    """How a file of NumPy's with a wave, or an array, becomes a row: cut, or zeros at its end."""

    kind: ClassVar[str] = "wave"
    stack_ndim: ClassVar[int] = 2
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)

    length: int = 4

    @property
    def row_shape(self):
        return (self.length,)

    @property
    def settings(self):
        return 1, self.length

    def decode(self, cell):
        with lock:
            decoded.append(cell)
        cell = self.plain(cell)
        wave = cell if isinstance(cell, np.ndarray) else self.load(cell)
        return np.pad(wave[: self.length], (0, max(0, self.length - len(wave))))

    def load(self, cell):
        try:
            with self.open(cell) as file:
                return np.load(file)
        except (OSError, ValueError) as error:
            raise UnreadableError(f"is no wave ({type(error).__name__})") from error


class WaveTransformer(MediaTransformer):
    """Waves of one length; in `fit`, the longest one's."""

    decoder_type = WaveDecoder

    def __init__(self, length=4, *, root=None, loader=None, lists="auto", on_error="raise", memory=None, n_jobs=None):
        self.length = length
        self.root = root
        self.loader = loader
        self.lists = lists
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs

    def make_decoder(self, items):
        return WaveDecoder(length=self.length, root=self.root)

    def fit_read(self, X, y=None):
        items = self.items_to_fit(X)
        waves, present = self.read_to_fit(self.make_reader(self.make_decoder(items)), items)
        self.spec_ = BlockSpec(kind="wave", shape=waves.shape[1:], pool="mean" if items.are_lists else None)
        return items.gather(waves, present)


WAVES = [[1, 2, 3], [4, 5, 6, 7, 8], [9]]
ROWS = [[1, 2, 3, 0], [4, 5, 6, 7], [9, 0, 0, 0]]


@pytest.fixture(autouse=True)
def nothing_decoded():
    decoded.clear()


@pytest.fixture
def paths(tmp_path):
    for number, wave in enumerate(WAVES):
        np.save(tmp_path / f"{number}.npy", np.array(wave, dtype=np.float32))
    return [str(tmp_path / f"{number}.npy") for number in range(3)]


def test_cells_of_all_kinds(paths, tmp_path):
    content = (tmp_path / "2.npy").read_bytes()
    cells = [paths[0], None, np.array(WAVES[1]), {"path": paths[2], "bytes": None}, f"file://{paths[0]}", "", content]
    waves, present = WaveTransformer().fit_read(cells)
    assert waves.dtype == np.float32
    np.testing.assert_array_equal(waves, [ROWS[0], [0] * 4, ROWS[1], ROWS[2], ROWS[0], [0] * 4, ROWS[2]])
    assert present.tolist() == [True, False, True, True, True, False, True]
    np.testing.assert_array_equal(WaveTransformer(root=tmp_path).fit_transform(["2.npy"]), ROWS[2:])


def test_the_folder_may_move_after_fit(paths, tmp_path):
    transformer = WaveTransformer(root=tmp_path).fit(["0.npy"])
    (tmp_path / "moved").mkdir()
    (tmp_path / "0.npy").rename(tmp_path / "moved" / "0.npy")
    np.testing.assert_array_equal(transformer.set_params(root=tmp_path / "moved").transform(["0.npy"]), ROWS[:1])


def test_lists_and_stacks(paths):
    stack = np.array([WAVES[0], WAVES[0]])
    transformer = WaveTransformer()
    waves, present = transformer.fit_read([paths[:2], stack, [], paths[2], [None]])
    assert isinstance(waves, Ragged)
    assert waves.counts.tolist() == [2, 2, 0, 1, 0]
    np.testing.assert_array_equal(waves.items, [ROWS[0], ROWS[1], ROWS[0], ROWS[0], ROWS[2]])
    assert present.tolist() == [True, True, False, True, False]
    assert transformer.transform([paths[0]]).counts.tolist() == [1]
    with pytest.raises(ValueError, match=r"WaveTransformer was fitted on a column without lists.*row 1 holds 2"):
        WaveTransformer().fit(paths).transform([paths[0], paths[1:]])


def test_a_loader(paths):
    waves = dict(zip("abc", WAVES, strict=True))
    loader = {name: np.array(wave) for name, wave in waves.items()}.get
    pictures, present = WaveTransformer(loader=loader).fit_read(["c", "a", "d", None])
    np.testing.assert_array_equal(pictures, [ROWS[2], ROWS[0], [0] * 4, [0] * 4])
    assert present.tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match=r"row 0: 'a': the loader raised ZeroDivisionError: .* \(line \d+ of test_tra"):
        WaveTransformer(loader=lambda cell: 1 / 0).fit(["a"])
    with pytest.raises(TypeError, match=r"The loader of WaveTransformer must return paths .*; got int in row 0 of the"):
        WaveTransformer(loader=len).fit(["a"])


def test_the_report_of_unreadable_cells(paths, tmp_path):
    (tmp_path / "letter.npy").write_text("Dear reader")
    cells = [paths[0], *[str(tmp_path / "letter.npy")] * 6, None]
    with pytest.raises(ValueError, match="cannot read 6 of 8 cells of the column") as caught:
        WaveTransformer().fit(cells)
    message = str(caught.value)
    assert "(rows 1, 2, 3, 4, 5, ...):\n  row 1: '" in message
    assert message.count("letter.npy': is no wave (ValueError)") == 5
    with pytest.warns(UserWarning, match="They are read as missing") as warnings:
        transformer = WaveTransformer(on_error="warn").fit(cells)
    assert len(warnings) == 1
    assert transformer.unreadable_rows_.tolist() == [1, 2, 3, 4, 5, 6]
    waves, present = WaveTransformer(on_error="ignore").fit_read(cells)
    np.testing.assert_array_equal(waves[:2], [ROWS[0], [0] * 4])
    assert present.tolist() == [True] + [False] * 7
    with pytest.raises(ValueError, match="These are all that are not missing"):
        WaveTransformer(on_error="ignore").fit(cells[1:])
    with pytest.raises(TypeError, match=r"WaveTransformer reads paths .*; got float in row 1 of the column: 1\.5"):
        WaveTransformer(on_error="ignore").fit([paths[0], 1.5])


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("loader", [None, copy], ids=["paths", "loader"])
def test_memory(paths, tmp_path, n_jobs, loader):
    cells = [paths[0], paths[2], None, paths[0], np.array(WAVES[1])]
    transformer = WaveTransformer(memory=tmp_path / "store", n_jobs=n_jobs, loader=loader)
    expected, expected_present = WaveTransformer(loader=loader).fit_read(cells)
    decoded.clear()
    waves, present = transformer.fit_read(cells)
    assert isinstance(waves, StoredRows)
    assert len(decoded) == 3, "each content once"
    for read in (transformer.read, clone(transformer).fit_read, pickle.loads(pickle.dumps(transformer)).read):
        waves, present = read(cells)
        np.testing.assert_array_equal(waves, expected)
        assert present.tolist() == expected_present.tolist()
    assert len(decoded) == 3
    clone(transformer).set_params(length=5).fit(cells)
    assert len(decoded) == 6, "settings count"
    np.save(paths[0], np.ones(9))
    np.testing.assert_array_equal(transformer.transform(cells[:2]), [[1, 1, 1, 1], ROWS[2]])
    assert len(decoded) == 7, "a file that changed is decoded anew"
    BlockStore(tmp_path / "store").clear()


def test_content_keys(paths):
    transformer = WaveTransformer()
    cells = [paths[0], f"file://{paths[0]}", paths[1], None, np.array(WAVES[0]), np.array(WAVES[0])]
    keys = transformer.content_keys(cells)
    assert keys[0] == keys[1]
    assert keys[4] == keys[5]
    assert len(set(keys.tolist())) == 4
    assert keys[3] == np.void(bytes(16))
    settled = transformer.fit(cells).settle_keys(keys)
    assert (settled == transformer.content_keys(cells)).all()
    assert (settled[[0, 1, 2, 4, 5]] != keys[[0, 1, 2, 4, 5]]).all()
    assert (WaveTransformer(length=5).fit(cells).content_keys(cells)[:2] != settled[:2]).all()
    assert WaveTransformer(loader=len).content_keys(cells) is None


class BoundedWaveTransformer(WaveTransformer):
    _parameter_constraints = {"length": [Interval(Integral, 1, None, closed="left")]}


@pytest.mark.parametrize("transformer", [WaveTransformer, BoundedWaveTransformer])
@pytest.mark.parametrize("parameter", ["root", "loader", "lists", "on_error", "memory", "n_jobs"])
def test_the_parameters_of_the_base_are_checked(paths, transformer, parameter):
    """They would be taken for another value in silence, as "wran" for "ignore"."""
    message = f"The '{parameter}' parameter of {transformer.__name__} must be"
    with pytest.raises(ValueError, match=message):
        transformer(**{parameter: 0.5}).fit([*paths, "lost.npy"])
    if parameter != "lists":
        fitted = transformer().fit(paths).set_params(**{parameter: 0.5})
        with pytest.raises(ValueError, match=message):
            fitted.transform(["lost.npy"])


def test_the_parameters_of_a_subclass_are_checked(paths):
    with pytest.raises(ValueError, match="The 'length' parameter of BoundedWaveTransformer must be"):
        BoundedWaveTransformer(0).fit(paths)


class FixedWaveTransformer(MediaTransformer):
    """Has no parameters, not even those of the base."""

    decoder_type = WaveDecoder
    make_decoder = WaveTransformer.make_decoder
    fit_read = WaveTransformer.fit_read
    length = 4


def test_parameters_of_the_base_may_be_left_out(paths, tmp_path):
    np.testing.assert_array_equal(FixedWaveTransformer().fit_transform(paths), ROWS)
    reader = ModalityTransformer(
        inputs=[("wave", WaveInput("wave", FixedWaveTransformer()))], memory=tmp_path / "store"
    )
    assert isinstance(reader.fit_transform(pd.DataFrame({"wave": paths}))["wave"], StoredRows)


class WaveInput(Input):
    kind = "wave"

    def __init__(self, columns, transformer):
        self.columns = columns
        self.transformer = transformer
        self.encoder = "auto"


class MakesNoDecoder(WaveTransformer):
    make_decoder = MediaTransformer.make_decoder


class MakesAnother(WaveTransformer):
    def make_decoder(self, items):
        return WaveDecoder


class SetsNoSpec(WaveTransformer):
    def fit_read(self, X, y=None):
        read = super().fit_read(X, y)
        del self.spec_
        return read


class BareDecoder(MediaDecoder):
    dtype = np.dtype(np.float32)


class MakesABareOne(WaveTransformer):
    decoder_type = BareDecoder

    def make_decoder(self, items):
        return BareDecoder()


class ShortDecoder(WaveDecoder):
    def decode(self, cell):
        return super().decode(cell)[:1]  # which NumPy would repeat


class MakesShortRows(WaveTransformer):
    def make_decoder(self, items):
        return ShortDecoder()


@pytest.mark.parametrize(
    ("transformer", "error", "message"),
    [
        (
            MakesNoDecoder(),
            NotImplementedError,
            r"MakesNoDecoder must define make_decoder\(items\), which returns the Wave",
        ),
        (MakesAnother(), TypeError, "MakesAnother.make_decoder must return an instance of WaveDecoder, got <class"),
        (SetsNoSpec(), TypeError, "SetsNoSpec.fit_read must set `spec_` to the BlockSpec of its rows, got None"),
        (MakesABareOne(), TypeError, "BareDecoder must have row_shape, settings: see MediaDecoder"),
        (
            MakesShortRows(),
            ValueError,
            r"ShortDecoder.decode must return an array of its row_shape \(4,\), got array of shape \(1,\) and dtype "
            r"float32 for row 0 of the column",
        ),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, MediaTransformer) else "",
)
def test_what_a_subclass_owes(paths, transformer, error, message):
    with pytest.raises(error, match=message):
        transformer.fit(paths)
    with pytest.raises(error, match=message.replace("the column", "column 'wave'")):
        ModalityTransformer(inputs=[("wave", WaveInput("wave", transformer))]).fit(pd.DataFrame({"wave": paths}))


def test_other_errors_of_decoding_end_the_fit(paths):
    with pytest.raises(IndexError):
        WaveTransformer(on_error="ignore").fit([*paths, np.array(1.0)])
