import pickle

import numpy as np
import pytest
from sklearn.utils import _safe_indexing

from sklearn_mm.preprocessing import Blocks, BlockSpec, Ragged

COUNTS = [2, 0, 3, 1, 0]


@pytest.fixture
def rows():
    return Ragged.from_counts(np.arange(12, dtype=np.uint8).reshape(6, 2), COUNTS)


def listed(rows):
    return [row.tolist() for row in rows]


def test_it_has_the_manners_of_an_array(rows):
    assert len(rows) == 5
    assert rows.shape == (5, 2)
    assert rows.dtype == np.uint8
    assert rows.counts.tolist() == COUNTS
    assert rows[2].tolist() == [[4, 5], [6, 7], [8, 9]]
    assert rows[-2].tolist() == [[10, 11]]
    with pytest.raises(IndexError):
        rows[5]


@pytest.mark.parametrize(
    "key",
    [
        slice(1, 4),
        slice(None),
        slice(3, 1),
        slice(None, None, 2),
        slice(None, None, -1),
        slice(-3, None),
        [4, 0, 0, 2],
        [],
        np.array([3, 2]),
        np.array([-1, -3]),
        np.array([True, False, True, False, True]),
    ],
    ids=str,
)
def test_rows_are_selected_as_those_of_an_array(rows, key):
    expected = [row.tolist() for row in np.array([*map(np.asarray, rows), None], dtype=object)[:-1][key]]
    assert isinstance(rows[key], Ragged)
    assert listed(rows[key]) == expected


def test_a_slice_is_a_view(rows):
    assert np.shares_memory(rows[1:4].items, rows.items)
    assert listed(rows[1:4][1:]) == listed(rows[2:4])


def test_pickle_keeps_the_rows_and_nothing_else(rows):
    assert listed(pickle.loads(pickle.dumps(rows))) == listed(rows)
    many = Ragged.from_counts(np.zeros((10_000, 2), np.uint8), [2] * 5_000)
    assert len(pickle.dumps(many[:2])) < 1_000


def test_offsets_must_fit():
    for offsets in ([0, 1], [1, 3], [[0, 3]]):
        with pytest.raises(ValueError, match="offsets from 0 to the number of items, 3"):
            Ragged(np.zeros(3), offsets)


def test_it_is_a_block(rows):
    blocks = Blocks({"photos": rows}, {"photos": BlockSpec(kind="image", shape=(2,), pool="mean")})
    assert repr(blocks) == "Blocks(5 rows; photos: uint8[5, 2])"
    assert listed(_safe_indexing(blocks, [3, 0])["photos"]) == [[[10, 11]], [[0, 1], [2, 3]]]
    twin = pickle.loads(pickle.dumps(blocks))
    assert listed(twin["photos"]) == listed(rows)


def test_concatenate_puts_rows_one_after_the_other():
    first = Ragged.from_counts(np.arange(3), [2, 0, 1])
    second = Ragged.from_counts(np.arange(3, 5), [0, 2])
    joined = Ragged.concatenate([first, second])
    assert [row.tolist() for row in (joined[place] for place in range(5))] == [[0, 1], [], [2], [], [3, 4]]
