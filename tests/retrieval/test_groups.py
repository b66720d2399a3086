"""Rows that share content are one group, directly or by way of others."""

import numpy as np

from sklearn_mm.retrieval._groups import groups_of_equals


def same(groups):
    return groups[:, None] == groups


def test_rows_that_share_something_are_one_group():
    codes = np.array([[0, 0], [0, 1], [1, 1], [2, 2], [3, 3], [4, 2], [5, 5]])  # 0-1 by the first, 1-2 by the second
    expected = np.array([0, 0, 0, 1, 2, 1, 3])
    np.testing.assert_array_equal(same(groups_of_equals(codes)), same(expected))


def test_a_block_of_few_values_joins_nothing():
    pictures, colours = np.repeat(np.arange(10), 2), np.arange(20) % 3
    np.testing.assert_array_equal(same(groups_of_equals(np.stack([colours, pictures], 1))), same(pictures))
