"""Recall at k, by hand and by a loop over all queries."""

import numpy as np
import pytest

from sklearn_mm.retrieval import _recall
from sklearn_mm.retrieval._recall import mean_recall, recall_at


def unit(*degrees):
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def test_a_hit_is_any_caption_of_a_picture():
    pictures, captions = unit(0, 0, 90, 90), unit(80, 10, 70, 60)
    codes = np.array([0, 0, 1, 1]), np.arange(4)
    assert recall_at(pictures, captions, *codes, ks=(1, 2)).tolist() == [0.5, 1.0]  # the second: 80, 70
    assert recall_at(captions, pictures, *codes[::-1], ks=(1, 2)).tolist() == [0.75, 1.0]  # 80 is nearer to 90


def test_equal_captions_of_two_pictures_are_one_query_that_may_find_either():
    pictures, captions = unit(0, 90), unit(10, 10)
    assert recall_at(captions, pictures, np.array([0, 0]), np.array([0, 1]), ks=(1,)).tolist() == [1.0]


def test_vectors_that_are_all_the_same_find_nothing():
    same = unit(*[30] * 20)
    assert recall_at(same, same, np.arange(20), np.arange(20)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("largest", [1, 100, 2**24])
def test_it_is_what_a_loop_over_all_queries_gives(largest, monkeypatch):
    monkeypatch.setattr(_recall, "_LARGEST", largest)
    rng = np.random.default_rng(0)
    codes = rng.integers(15, size=40), rng.integers(25, size=40)
    queries, items = (unit(*rng.uniform(0, 360, code.max() + 1))[code] for code in codes)
    found = []
    for query in np.unique(codes[0]):
        own = set(codes[1][codes[0] == query])
        similarities = {item: queries[codes[0] == query][0] @ items[codes[1] == item][0] for item in set(codes[1])}
        ranked = sorted(similarities, key=similarities.get, reverse=True)
        found.append([bool(own & set(ranked[:k])) for k in (1, 5, 10)])
    np.testing.assert_allclose(recall_at(queries, items, *codes), np.mean(found, 0))


def test_the_mean_is_over_pairs_of_blocks_that_rows_have():
    vectors = np.stack([unit(0, 90, 45), unit(0, 90, 45), unit(90, 0, 45)], 1)
    present = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0]], dtype=bool)
    codes = np.arange(9).reshape(3, 3)
    assert mean_recall(vectors, present, codes, ks=(1,)) == 1.0  # the third block is never there
    present[:2, 2] = True  # and finds the wrong one
    assert mean_recall(vectors, present, codes, ks=(1,)) == pytest.approx(1 / 3)
    assert np.isnan(mean_recall(vectors, present & [True, False, False], codes))
