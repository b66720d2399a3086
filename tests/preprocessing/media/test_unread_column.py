"""Columns that are read when their rows are used: which they are, and what they say of cells that cannot be read."""

import base64
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_mm.preprocessing import ImageTransformer, LazyRows, Ragged, StoredRows


def png(shade, mode="RGB"):
    file = io.BytesIO()
    Image.new(mode, (20, 30), shade if mode != "RGB" else (shade,) * 3).save(file, "png")
    return file.getvalue()


def torn(shade):
    return png(shade)[:-40]


@pytest.fixture
def folder(tmp_path):
    for shade in range(0, 250, 10):
        (tmp_path / f"{shade}.png").write_bytes(png(shade))
    return tmp_path


def later(size=8, **params):
    transformer = ImageTransformer(size, **params)
    transformer.reads_later = True
    return transformer


@pytest.mark.parametrize("form", ["path", "str", "bytes", "record", "uri"])
def test_cells_that_do_not_change_wait(form, folder):
    path = folder / "30.png"
    cell = {
        "path": path,
        "str": str(path),
        "bytes": path.read_bytes(),
        "record": {"bytes": path.read_bytes(), "path": None},
        "uri": "data:;base64," + base64.b64encode(path.read_bytes()).decode(),
    }[form]
    transformer = later()
    for rows in (transformer.fit_transform([cell, None]), transformer.transform([cell, float("nan")])):
        assert isinstance(rows, LazyRows)
        assert np.asarray(rows)[:, 4, 4, 0].tolist() == [30, 0]


def test_relative_paths_are_below_root(folder):
    rows = later(root=folder).fit_transform(["10.png", "20.png"])
    assert np.asarray(rows)[:, 4, 4, 0].tolist() == [10, 20]


@pytest.mark.parametrize(
    "params",
    [{"on_error": "warn"}, {"loader": png}, {"mean": "dataset"}, {"std": "dataset"}],
    ids=["on_error", "loader", "mean", "std"],
)
def test_what_needs_them_reads_them(params):
    cells = [10, 20] if "loader" in params else [png(10), png(20)]
    assert isinstance(later(**params).fit_transform(cells), np.ndarray)


def test_a_store_reads_them(tmp_path):
    assert isinstance(later(memory=tmp_path).fit_transform([png(10)]), StoredRows)


@pytest.mark.parametrize("cell", [np.zeros((9, 9, 3), np.uint8), Image.new("RGB", (9, 9))], ids=["array", "image"])
def test_what_may_change_is_read(cell):
    transformer = later()
    assert isinstance(transformer.fit_transform([png(10), cell]), np.ndarray)
    assert isinstance(transformer.transform([cell]), np.ndarray)


@pytest.mark.filterwarnings("ignore:.*use a small part of the range")
def test_deep_pictures_are_read():
    rows = later(value_range=(0, 1000)).fit_transform([png(300, "I;16"), png(1000, "I;16")])
    assert isinstance(rows, np.ndarray)


def test_of_lists():
    cells = [[png(10), None, png(20)], png(30), []]
    rows, present = later().fit_read(cells)
    assert isinstance(rows, Ragged)
    assert isinstance(rows.items, LazyRows)
    assert rows.counts.tolist() == [2, 1, 0]
    assert present.tolist() == [True, True, False]
    assert np.asarray(rows[[1, 0]].items)[:, 4, 4, 0].tolist() == [30, 10, 20]


def test_the_result_does_not_depend_on_threads(folder):
    cells = [str(folder / f"{shade}.png") for shade in range(0, 250, 10)]
    one, two = (np.asarray(later(n_jobs=n_jobs).fit_transform(cells)) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one, two)


class TestUnreadable:
    def message(self, transformer, cells, fit=True):
        with pytest.raises(ValueError, match="cannot read") as caught:
            transformer.fit(cells) if fit else transformer.transform(cells)
        return str(caught.value)

    @pytest.mark.parametrize("as_list", [False, True])
    def test_it_is_the_same_error_as_at_once(self, as_list):
        cells = pd.Series([png(1), torn(2), png(3), torn(4), png(5)], name="photo")
        cells = cells.map(lambda cell: [cell, png(6)]) if as_list else cells
        at_once = self.message(ImageTransformer(8), cells)
        rows = later().fit_transform(cells)
        good, bad = rows[[0, 2]], rows[[4, 3]]
        np.asarray(good.items if as_list else good)
        with pytest.raises(ValueError, match="cannot read") as caught:
            np.asarray(bad.items if as_list else bad)
        assert str(caught.value) == at_once
        assert "2 of " in at_once
        assert "(rows 1, 3)" in at_once

    def test_after_pickling_it_tells_of_the_rows_that_are_there(self):
        rows = later().fit_transform([png(1), torn(2), png(3), torn(4)])
        with pytest.raises(ValueError, match=r"cannot read 1 of 4 cells of the column \(row 3\)"):
            np.asarray(pickle.loads(pickle.dumps(rows[2:])))

    def test_what_has_no_header_is_reported_in_fit(self, folder):
        cells = [str(folder / "10.png"), str(folder / "lost.png"), b"no picture"]
        assert self.message(later(), cells) == self.message(ImageTransformer(8), cells)

    def test_a_file_that_is_gone_by_then_is_reported(self, folder):
        cells = [str(folder / "10.png"), str(folder / "20.png")]
        rows = later().fit_transform(cells)
        (folder / "20.png").unlink()
        with pytest.raises(ValueError, match=r"cannot read 1 of 2 cells .*\n.*20.png.*no such file"):
            np.asarray(rows)

    def test_a_cell_of_the_wrong_type_is_told_at_once(self):
        transformer = later().fit([png(1)])
        with pytest.raises(TypeError, match="ImageTransformer reads paths"):
            transformer.transform([3.5])
