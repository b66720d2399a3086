import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.preprocessing.media._decoder import MediaDecoder

NAME = "Käse und Crème brûlée.png"


def spelt(text, form):
    return unicodedata.normalize(form, text)


@pytest.fixture
def tells_spellings_apart(tmp_path):
    (tmp_path / spelt("ä", "NFC")).touch()
    if os.path.exists(tmp_path / spelt("ä", "NFD")):
        pytest.skip("this file system takes the two spellings for one")


@pytest.mark.usefixtures("tells_spellings_apart")
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("folder_on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_other_spellings_are_found(tmp_path, on_disk, folder_on_disk, in_table):
    folder = tmp_path / spelt("Größe", folder_on_disk)
    folder.mkdir()
    path = folder / spelt(NAME, on_disk)
    Image.new("RGB", (8, 8), "red").save(path)
    asked = spelt(f"Größe/{NAME}", in_table)
    for cell in (tmp_path / asked, str(tmp_path / asked), (tmp_path / asked).as_uri()):
        assert as_spelt_on_disk(os.fspath(tmp_path / asked)) == str(path)
        pictures = ImageTransformer(8).fit_transform([cell])
        np.testing.assert_array_equal(pictures[0, 0, 0], [255, 0, 0])
        assert hash_cells(as_cells([cell])[0], MediaDecoder()) == hash_cells(as_cells([path])[0], MediaDecoder())
    np.testing.assert_array_equal(ImageTransformer(8, root=tmp_path).fit_transform([asked]), pictures)


@pytest.mark.usefixtures("tells_spellings_apart")
def test_the_name_itself_comes_first(tmp_path):
    for form, color in (("NFC", "red"), ("NFD", "blue")):
        Image.new("RGB", (8, 8), color).save(tmp_path / spelt(NAME, form))
    pictures = ImageTransformer(8).fit_transform([tmp_path / spelt(NAME, form) for form in ("NFC", "NFD")])
    assert pictures[:, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    "path", ["a.png", "ä.png", "nirgends/ä.png", "/ä/b.png", "ä\0.png", "\ud800.png", "ä" * 5000, ""]
)
def test_what_is_nowhere_stays_as_it_is(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_spelt_on_disk(path) == path


def test_plain_names_are_not_looked_up(monkeypatch):
    monkeypatch.setattr(os.path, "lexists", lambda path: pytest.fail("looked up"))
    assert as_spelt_on_disk("photos/a.png") == "photos/a.png"
