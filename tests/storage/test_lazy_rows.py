import copy
import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sklearn_mm.preprocessing import Blocks, ImageSpec, ImageTransformer, LazyRows, Ragged, StoredRows
from sklearn_mm.preprocessing.image import _picture_decoder
from sklearn_mm.storage._content_keys import NO_CONTENT, hash_rows


@pytest.fixture
def cells():
    """Ten files of pictures as bytes, of which the last two are equal, and where one is missing."""
    rng = np.random.default_rng(0)
    contents = []
    for _ in range(9):
        file = io.BytesIO()
        Image.fromarray(rng.integers(256, size=(6, 5, 3), dtype=np.uint8)).save(file, "png")
        contents.append(file.getvalue())
    contents.append(contents[-1])
    contents[3] = None
    return contents


@pytest.fixture
def decoded(monkeypatch):
    """The cells that were decoded, one by one."""
    cells, decode = [], _picture_decoder.decode

    def noting(cell, *args):
        cells.append(cell)
        return decode(cell, *args)

    monkeypatch.setattr(_picture_decoder, "decode", noting)
    return cells


@pytest.fixture
def whole(cells):
    return ImageTransformer((6, 5)).fit_transform(cells)


@pytest.fixture
def view(cells):
    transformer = ImageTransformer((6, 5))
    transformer.reads_later = True
    return transformer.fit_transform(cells)


def test_it_looks_like_an_array(view, whole):
    assert isinstance(view, LazyRows)
    assert (len(view), view.shape, view.ndim, view.dtype) == (10, whole.shape, 4, np.uint8)
    assert repr(view) == "LazyRows(uint8[10, 6, 5, 3])"
    np.testing.assert_array_equal(view, whole)
    np.testing.assert_array_equal(list(view), whole)
    assert np.asarray(view, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize(
    "key",
    [
        slice(2, 9, 3),
        slice(None, None, -1),
        np.array([9, 0, 7, 7, -1]),
        np.arange(10) % 3 == 0,
        [1, 3],
        np.array([], dtype=int),
        3,
        -1,
        (slice(1, 8), 0, 1),
        (np.array([8, 0]), ..., 2),
    ],
    ids=str,
)
def test_indexing_gives_what_it_gives_of_an_array(view, whole, key):
    np.testing.assert_array_equal(view[key], whole[key])
    assert isinstance(view[key], LazyRows) == (not isinstance(key, int | tuple))


def test_only_what_is_read_is_decoded_and_once(view, cells, decoded):
    part = view[[5, 3, 1, 5, 3]]
    assert not decoded
    assert part.shape == (5, 6, 5, 3)
    assert not decoded
    np.asarray(part)
    assert sorted(decoded) == sorted([cells[5], cells[1]])


def test_no_array_of_it_is_a_view(view):
    with pytest.raises(ValueError, match="always a copy"):
        np.array(view, copy=False)


def test_copies_share_the_column(view):
    assert copy.copy(view) is view
    assert copy.deepcopy(view) is view


def test_pickles_hold_no_more_cells_than_are_used(view, whole, cells, decoded):
    pickled = pickle.dumps(view[[7, 3, 2]])
    assert not decoded
    assert [cell in pickled for cell in cells if cell] == [cell in (cells[7], cells[2]) for cell in cells if cell]
    np.testing.assert_array_equal(pickle.loads(pickled), whole[[7, 3, 2]])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pickle.loads(pickled)[1:])), whole[[3, 2]])


class TestContentKeys:
    def test_nothing_is_decoded_for_them(self, view, decoded):
        keys = hash_rows(view)
        assert not decoded
        assert keys.dtype == "V16"
        assert keys[3] == NO_CONTENT
        assert keys[8] == keys[9]
        assert len(np.unique(keys)) == 9

    def test_they_are_those_of_the_transformer(self, cells, view):
        transformer = ImageTransformer((6, 5)).fit(cells)
        np.testing.assert_array_equal(hash_rows(view), transformer.content_keys(cells))

    def test_they_go_with_the_rows(self, view):
        keys = hash_rows(view)
        np.testing.assert_array_equal(hash_rows(view[[8, 3, 0]]), keys[[8, 3, 0]])
        np.testing.assert_array_equal(hash_rows(pickle.loads(pickle.dumps(view[4:]))), keys[4:])


class TestInMemory:
    def test_rows_are_decoded_once_for_all_views(self, view, whole, decoded):
        for part in (view[2:6], view[[5, 8]], view, view[::-1]):
            kept = part.in_memory()
            assert isinstance(kept, StoredRows)
            np.testing.assert_array_equal(kept, whole[part.rows] if (part.rows >= 0).all() else np.asarray(part))
        assert len(decoded) == 9

    def test_lazy_rows_find_what_is_there(self, view, whole, decoded):
        view[:5].in_memory()
        decoded.clear()
        np.testing.assert_array_equal(view[2:7], whole[2:7])
        assert len(decoded) == 2

    def test_of_blocks(self, view, whole, decoded):
        spec = ImageSpec(name="photo", shape=(6, 5, 3), mean=(0, 0, 0), std=(1, 1, 1))
        many = Ragged.from_counts(view, [4, 6])
        blocks = Blocks({"many": many, "also": many}, {"many": spec, "also": replace(spec, name="also")})
        kept = blocks.in_memory(["many"])
        assert isinstance(kept["many"].items, StoredRows)
        assert kept["also"] is many
        np.testing.assert_array_equal(kept["many"][1], whole[4:])
        assert len(decoded) == 9
