import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

from sklearn_mm.blocks._feature_cache import FeatureCache
from sklearn_mm.preprocessing import Blocks, TextSpec

ROW = np.dtype([("pooled", "<f4", (3,))])


def keys_of(numbers):
    return np.array([int(number).to_bytes(16, "little") for number in numbers], dtype="V16")


class Maker:
    """Makes rows that hold the number of their key, and counts them."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)
        self.calls = []

    def __call__(self, places):
        self.calls.append(self.numbers[places].tolist())
        rows = np.zeros(len(places), dtype=ROW)
        rows["pooled"] = self.numbers[places][:, np.newaxis]
        return rows


def fetched(cache, numbers, settings="settings", at_once=4):
    maker = Maker(numbers)
    rows = cache.fetch(settings, ROW, keys_of(numbers), maker, at_once=at_once)
    np.testing.assert_array_equal(np.asarray(rows)["pooled"], np.repeat(np.asarray(numbers)[:, np.newaxis], 3, axis=1))
    return maker.calls, rows


def test_each_row_is_made_once():
    cache = FeatureCache()
    assert fetched(cache, [5, 3, 5, 1])[0] == [[5, 3, 1]]
    assert fetched(cache, [1, 2, 3])[0] == [[2]]
    assert fetched(cache, [5, 2])[0] == []
    assert fetched(cache, [5, 2], settings="others")[0] == [[5, 2]]
    assert "others" in cache
    assert "none" not in cache


def test_views_stay_as_they_are_and_there_are_few_arrays():
    cache = FeatureCache()
    first = fetched(cache, range(4))[1]
    calls, rows = fetched(cache, range(4, 1000))
    assert max(map(len, calls)) == 4
    assert len(rows.sources) < 12
    np.testing.assert_array_equal(np.asarray(first)["pooled"][:, 0], range(4))


def test_no_rows():
    assert len(fetched(FeatureCache(), [])[1]) == 0


def test_what_was_used_last_is_kept_where_there_is_no_room():
    cache = FeatureCache()
    for settings in ("first", "second", "third"):
        fetched(cache, range(10), settings)
    size = 10 * ROW.itemsize
    cache.make_room("first", size, 3 * size)
    assert len(cache) == 3
    cache.make_room("fourth", size, 3 * size)
    assert "first" in cache
    assert "second" not in cache
    fetched(cache, range(10), "fourth")
    assert fetched(cache, range(10), "third")[0] == []
    cache.make_room("first", size, size)
    assert len(cache) == 1
    assert fetched(cache, range(10), "first")[0] == []


def test_rows_of_one_encoder_that_grow_beyond_the_limit_are_dropped():
    cache = FeatureCache()
    for start in (0, 10, 20):
        cache.make_room("settings", 10 * ROW.itemsize, 15 * ROW.itemsize)
        fetched(cache, range(start, start + 10))
    assert fetched(cache, range(20, 30))[0] == []
    assert fetched(cache, range(10))[0] != []


@pytest.fixture
def blocks():
    spec = TextSpec(name="title", shape=(2,), vocab_size=9, tokenizer="word")
    return Blocks({"title": np.arange(8, dtype=np.int32).reshape(4, 2)}, {"title": spec})


def test_blocks_that_are_made_of_others_share_their_cache(blocks):
    made = [blocks[[2, 0]], blocks[1:], blocks.select(["title"]), blocks.with_views(), blocks.with_features({})]
    made += [blocks.with_specs(blocks.specs), blocks.copy(), copy.copy(blocks)]
    assert all(other.cache is blocks.cache for other in made)


def test_pickles_of_blocks_have_no_cache(blocks):
    empty = len(pickle.dumps(blocks))
    fetched(blocks.cache, range(1000))
    assert len(pickle.dumps(blocks)) == empty
    assert not len(pickle.loads(pickle.dumps(blocks)).cache)


def test_a_cache_lives_as_long_as_blocks_do(blocks):
    part, cache = blocks[1:], weakref.ref(blocks.cache)
    del blocks
    assert cache() is part.cache


def test_a_cache_dies_with_the_last_blocks():
    spec = TextSpec(name="title", shape=(2,), vocab_size=9, tokenizer="word")
    blocks = Blocks({"title": np.zeros((4, 2), dtype=np.int32)}, {"title": spec})
    cache = weakref.ref(blocks[1:].cache)
    del blocks
    gc.collect()
    assert cache() is None
