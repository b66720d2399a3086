import copy
import pickle

import numpy as np
import pytest

from sklearn_mm.storage import SequenceRows
from sklearn_mm.storage._sequence_rows import PAGE

LENGTHS = [3, 0, PAGE, PAGE + 1, 2 * PAGE + 5, 1]


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return [rng.integers(1, 100, size=length).astype(np.int16) for length in LENGTHS]


@pytest.fixture
def rows(arrays):
    return SequenceRows.of(arrays, np.int16)


def padded(arrays):
    width = max(1, *map(len, arrays))
    return np.stack([np.pad(array, (0, width - len(array))) for array in arrays])


@pytest.mark.parametrize("key", [slice(None), slice(1, 4), [5, 0, 0], np.array([False, True] * 3), [1], []], ids=str)
def test_views(rows, arrays, key):
    chosen = np.arange(len(arrays))[key]
    view = rows[key]
    expected = padded([arrays[i] for i in chosen]) if len(chosen) else np.zeros((0, 1))
    assert view.shape == np.asarray(view).shape == expected.shape
    assert view.dtype == np.int16
    assert view.ndim == 2
    np.testing.assert_array_equal(np.asarray(view), expected)
    assert view.pages is rows.pages


def test_single_rows_have_no_padding(rows, arrays):
    for row, array in zip(rows, arrays, strict=True):
        np.testing.assert_array_equal(row, array)
    np.testing.assert_array_equal(rows[-2], arrays[-2])
    np.testing.assert_array_equal(rows[4, :7], arrays[4][:7])


def test_cut_rows_are_zeros_behind_their_end(rows, arrays):
    np.testing.assert_array_equal(np.asarray(rows.cut(10)), padded([array[:10] for array in arrays]))


def test_where_spread_and_concatenate(rows, arrays):
    nothing = np.zeros(0, dtype=np.int16)
    kept = rows.where(np.arange(6) != 4)
    np.testing.assert_array_equal(np.asarray(kept), padded([*arrays[:4], nothing, arrays[5]]))
    np.testing.assert_array_equal(np.asarray(rows[[0, 3]].spread([2, 0], 3)), padded([arrays[3], nothing, arrays[0]]))
    np.testing.assert_array_equal(np.asarray(SequenceRows.concatenate([rows[[4]], rows])), padded([arrays[4], *arrays]))


def test_pickles_hold_no_page_that_is_not_used(rows, arrays):
    view = rows[[5, 1, 3]]
    loaded = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(np.asarray(loaded), np.asarray(view))
    assert len(loaded.pages) == 3
    assert copy.deepcopy(rows) is rows
