"""Exact search: held to one matrix product and a whole sort."""

import numpy as np
import pytest

from sklearn_mm.retrieval import _search
from sklearn_mm.retrieval._search import nearest, pairs_above


def unit(rng, n_rows, width=16, dtype=np.float32):
    vectors = rng.standard_normal((n_rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(dtype)


def sorted_all(queries, vectors, k):
    similarities = queries.astype(np.float64) @ vectors.astype(np.float64).T
    order = np.argsort(-similarities, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(similarities, order, 1), order


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize(("n_queries", "n_rows", "k"), [(1, 1, 1), (3, 40, 40), (7, 20_011, 10), (1500, 9000, 3)])
def test_is_what_a_whole_sort_gives(dtype, n_queries, n_rows, k):
    rng = np.random.default_rng(0)
    queries, vectors = unit(rng, n_queries), unit(rng, n_rows, dtype=dtype)
    similarities, positions = nearest(queries, vectors, k)
    expected, order = sorted_all(queries, vectors, k)
    assert (similarities.dtype, positions.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(similarities, expected, rtol=0, atol=1e-6)
    assert (positions == order).mean() > 0.999  # but for what float32 cannot tell apart


@pytest.mark.parametrize("block", [64, 1000, 8192])
def test_blocks_of_any_size_give_the_same(block, monkeypatch):
    rng = np.random.default_rng(1)
    queries, vectors = unit(rng, 50), unit(rng, 5000)
    monkeypatch.setattr(_search, "_N_ROWS", (block, block))
    monkeypatch.setattr(_search, "_N_QUERIES", 7)
    np.testing.assert_array_equal(nearest(queries, vectors, 12)[1], sorted_all(queries, vectors, 12)[1])


@pytest.mark.parametrize("share", [0.001, 0.5, 0.9999])
def test_a_mask_acts_before_ranking(share):
    rng = np.random.default_rng(2)
    queries, vectors, allowed = unit(rng, 5), unit(rng, 30_000), np.zeros(30_000, dtype=bool)
    allowed[rng.permutation(30_000)[: int(share * 30_000)]] = True
    vectors[~allowed] = np.nan
    similarities, positions = nearest(queries, vectors, 20, allowed=allowed)
    rows = np.flatnonzero(allowed)
    expected, order = sorted_all(queries, vectors[rows], 20)
    np.testing.assert_array_equal(positions, rows[order])
    np.testing.assert_allclose(similarities, expected, rtol=0, atol=1e-6)


def test_offsets_lower_similarities_before_ranking():
    rng = np.random.default_rng(3)
    queries, vectors, offsets = unit(rng, 4), unit(rng, 20_000), rng.random(20_000).astype(np.float32)
    allowed = rng.random(20_000) < 0.3
    similarities, positions = nearest(queries, vectors, 6, offsets=offsets, allowed=allowed)
    values = np.where(allowed, queries @ vectors.T - offsets, -np.inf)
    np.testing.assert_array_equal(positions, np.argsort(-values, axis=1)[:, :6])
    np.testing.assert_allclose(similarities, np.take_along_axis(values, positions, 1), atol=1e-6)


def test_of_equal_rows_the_first_comes_first():
    vectors = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)[np.random.default_rng(0).permutation(12)]
    positions = nearest(np.eye(4, dtype=np.float32), vectors, 3)[1]
    assert (np.diff(positions, axis=1) > 0).all()


def test_nan_that_is_looked_at_is_an_error():
    rng = np.random.default_rng(4)
    queries, vectors = unit(rng, 3), unit(rng, 9000)
    vectors[4321, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        nearest(queries, vectors, 2)
    queries[1, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        nearest(queries, vectors[:100], 2)


@pytest.mark.parametrize("k", [0, 4])
def test_so_many_neighbors_there_are(k):
    with pytest.raises(ValueError, match="between 1 and 3"):
        nearest(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), k)
    with pytest.raises(ValueError, match="widths must agree"):
        nearest(np.eye(4, dtype=np.float32), np.eye(3, dtype=np.float32), 1)


@pytest.mark.parametrize("n_rows", [1, 300, 5000])
def test_pairs_are_those_of_the_whole_matrix(n_rows):
    rng = np.random.default_rng(5)
    vectors = unit(rng, n_rows, 8)
    vectors[n_rows // 2] = np.nan
    first, second, similarities = pairs_above(vectors, 0.8)
    whole = np.triu(vectors @ vectors.T, 1)
    expected = np.argwhere(whole >= 0.8)
    clear = np.abs(whole[expected[:, 0], expected[:, 1]] - 0.8) > 1e-6
    found = set(zip(first.tolist(), second.tolist(), strict=True))
    assert {tuple(pair) for pair in expected[clear].tolist()} <= found
    assert len(found) <= len(expected) + np.count_nonzero(~clear)
    assert (first < second).all()
    assert (np.diff(first) >= 0).all()
    np.testing.assert_allclose(similarities, whole[first, second], atol=1e-6)
