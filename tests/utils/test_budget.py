"""Batches of about equal cost: all rows once, next to no padding, and no more than the budget."""

import numpy as np
import pytest

from sklearn_mm.training._frozen import used_lengths
from sklearn_mm.utils._budget import batches_by_length, rows_at_once, size_of


def padding(lengths, batches):
    return sum(lengths[batch].max() * len(batch) for batch in batches) / lengths.sum()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_row_comes_once_within_the_budget(device):
    lengths = np.random.default_rng(0).integers(1, 300, 5000)
    batches = batches_by_length(lengths, device)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(5000))
    assert max(len(batch) * lengths[batch].max() for batch in batches) <= {"cpu": 2**11, "cuda": 2**15}[device]
    assert padding(lengths, batches) < {"cpu": 1.01, "cuda": 1.06}[device]
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_rows_of_one_length_are_together():
    lengths = np.random.default_rng(0).integers(8, 21, 10_000)
    batches = batches_by_length(lengths, "cpu")
    are_equal = [np.ptp(lengths[batch]) == 0 for batch in batches]
    assert np.mean(are_equal) > 0.8
    assert padding(lengths, batches) < 1.01


@pytest.mark.parametrize("lengths", [[], [0], [5], [0, 0, 3], [10**6, 1, 10**6]], ids=str)
def test_few_odd_rows(lengths):
    batches = batches_by_length(np.array(lengths, dtype=np.int64), "cpu")
    np.testing.assert_array_equal(np.sort(np.concatenate([*batches, []])), np.arange(len(lengths)))
    assert all(len(batch) for batch in batches)


def test_lengths_end_with_the_last_id():
    ids = np.array([[5, 6, 0, 0], [0, 0, 0, 0], [1, 0, 3, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(used_lengths(ids), [2, 1, 3, 4])


def test_pictures_are_counted_by_their_numbers():
    pictures = np.zeros((2, 224, 224, 3), dtype=np.uint8)
    assert rows_at_once(size_of(pictures), "cpu", are_tokens=False) == 4
    assert rows_at_once(size_of(pictures), "cuda", are_tokens=False) == 445
    assert rows_at_once(10**9, "cpu", are_tokens=False) == 1
    table = np.zeros(3, dtype=[("numbers", "<f4", (5,)), ("codes", "<i4", (2,))])
    assert size_of(table) == 7
    assert rows_at_once(size_of(table), "cpu", are_tokens=False) == 2**10
