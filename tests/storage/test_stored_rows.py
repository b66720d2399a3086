import copy
import pickle

import numpy as np
import pytest

from sklearn_mm.preprocessing import Blocks, ImageSpec, Ragged, StoredRows
from sklearn_mm.storage._segment import Segment, open_segment


@pytest.fixture
def whole():
    return np.random.default_rng(0).integers(256, size=(10, 4, 3), dtype=np.uint8)


@pytest.fixture
def view(whole, tmp_path):
    """Rows 0 to 5 of `whole` from one file, 6 and 7 from another, 8 from memory; of row 9 there is nothing."""
    whole[9] = 0
    paths = [str(tmp_path / name) for name in ("a.rows", "b.rows")]
    whole[:6].tofile(paths[0])
    whole[6:8].tofile(paths[1])
    sources = [open_segment(path, np.uint8, (4, 3)) for path in paths] + [whole[8:9]]
    return StoredRows(sources, [0] * 6 + [1] * 2 + [2, -1], [*range(6), 0, 1, 0, 0], np.uint8, (4, 3))


def test_it_looks_like_an_array(view, whole):
    assert (len(view), view.shape, view.ndim, view.dtype) == (10, whole.shape, 3, np.uint8)
    assert repr(view) == "StoredRows(uint8[10, 4, 3])"
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
        [1, 8],
        np.array([], dtype=int),
        5,
        -1,
        (slice(1, 8), 0, 1),
        (np.array([8, 0]), ..., 2),
    ],
    ids=str,
)
def test_indices_are_those_of_an_array(view, whole, key):
    np.testing.assert_array_equal(np.asarray(view[key]), whole[key])


def test_rows_give_views_and_a_view_of_a_view_reads_no_more_than_its_rows(view, whole, monkeypatch):
    asked = []
    monkeypatch.setattr(Segment, "take", lambda self, rows: asked.append(rows.tolist()) or whole[:0].repeat(len(rows)))
    some = view[::-1][[4, 5, 5]]
    assert isinstance(some, StoredRows)
    assert not asked
    monkeypatch.undo()
    monkeypatch.setattr(Segment, "take", lambda self, rows: asked.append(rows.tolist()) or whole[rows])
    np.testing.assert_array_equal(some, whole[[5, 4, 4]])
    assert asked == [[5, 4, 4]]


@pytest.mark.parametrize("index", [10, -11])
def test_rows_that_are_not_there(view, index):
    with pytest.raises(IndexError):
        view[index]


def test_what_is_read_may_be_written_to_and_changes_nothing(view, whole):
    for rows in (view, view[:3]):
        array = np.asarray(rows)
        array[:] = 7
    np.testing.assert_array_equal(view, whole)


def test_pickles_are_views_without_what_they_do_not_show(view, whole):
    again = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(again, whole)
    assert again.sources[0] is view.sources[0]
    few = pickle.loads(pickle.dumps(view[[9, 6]]))
    assert [source.path for source in few.sources] == [view.sources[1].path]
    np.testing.assert_array_equal(few, whole[[9, 6]])
    in_memory = StoredRows([whole], [0, 0, 0], [7, 2, 7], np.uint8, (4, 3))
    few = pickle.loads(pickle.dumps(in_memory))
    assert len(few.sources[0]) == 2
    np.testing.assert_array_equal(few, whole[[7, 2, 7]])
    for copied in (copy.copy(view), copy.deepcopy(view)):
        assert copied.sources[0] is view.sources[0]


def test_records(tmp_path):
    dtype = np.dtype([("pooled", "f4", (3,)), ("mask", "?", (2,))])
    rows = np.zeros(4, dtype=dtype)
    rows["pooled"] = np.arange(12).reshape(4, 3)
    rows.tofile(tmp_path / "a.rows")
    segment = open_segment(str(tmp_path / "a.rows"), dtype, ())
    stored = StoredRows([segment], [0, 0, -1], [3, 1, 0], dtype, ())
    assert np.asarray(stored)["pooled"].tolist() == [[9, 10, 11], [3, 4, 5], [0, 0, 0]]
    assert np.asarray(stored[:2])["pooled"].tolist() == [[9, 10, 11], [3, 4, 5]]


def test_a_file_that_grew_is_mapped_again(tmp_path):
    rows = np.arange(12, dtype=np.uint8).reshape(4, 3)
    path = tmp_path / "a.rows"
    rows[:2].tofile(path)
    segment = open_segment(str(path), np.uint8, (3,))
    np.testing.assert_array_equal(segment.take(np.array([1])), rows[[1]])
    with open(path, "ab") as file:
        file.write(rows[2:].tobytes())
    np.testing.assert_array_equal(segment.take(np.array([3, 0])), rows[[3, 0]])


def test_files_that_are_gone_or_too_short(view, tmp_path):
    pickled = pickle.dumps(view)
    (tmp_path / "b.rows").write_bytes(b"too short")
    (tmp_path / "a.rows").unlink()
    for rows in (view, pickle.loads(pickled)):
        with pytest.raises(FileNotFoundError, match=r"no longer there: .*a\.rows.*Read the table again"):
            np.asarray(rows[:6])
        with pytest.raises(FileNotFoundError, match=r"no longer there: .*b\.rows"):
            np.asarray(rows[7:])


def test_concatenate_and_spread(view, whole):
    parts = [view[7:], view[:2], view[:0]]
    joined = StoredRows.concatenate(parts)
    np.testing.assert_array_equal(joined, whole[[7, 8, 9, 0, 1]])
    assert len(joined.sources) == 3
    spread = view[:2].spread(np.array([3, 1]), 5)
    np.testing.assert_array_equal(spread, whole[[9, 1, 9, 0, 9]])
    np.testing.assert_array_equal(view[:3].where(np.array([True, False, True])), whole[[0, 9, 2]])


def test_as_a_block_and_as_items_of_lists(view, whole):
    spec = ImageSpec(shape=(4, 3), mean=(0.0,), std=(1.0,))
    blocks = Blocks({"photo": view}, {"photo": spec})
    np.testing.assert_array_equal(blocks[[8, 2]]["photo"], whole[[8, 2]])
    assert "photo: uint8[10, 4, 3]" in repr(blocks)
    rows = Ragged.from_counts(view, [4, 0, 6])
    for key in ([2, 0], slice(1, 3)):
        expected = Ragged.from_counts(whole, [4, 0, 6])[key]
        assert isinstance(rows[key].items, StoredRows)
        np.testing.assert_array_equal(rows[key].items, expected.items)
        np.testing.assert_array_equal(rows[key].offsets, expected.offsets)
