import copy
import operator
import pickle
import types

import numpy as np
import pytest
from sklearn.model_selection import KFold, cross_val_predict, train_test_split
from sklearn.utils import _safe_indexing, shuffle
from sklearn.utils.validation import _num_samples, check_consistent_length

from sklearn_mm.preprocessing import Blocks, ImageSpec, Ragged, TextSpec


@pytest.fixture
def blocks():
    arrays = {
        "photo": np.arange(24, dtype=np.uint8).reshape(6, 2, 2, 1),
        "title": np.arange(6, dtype=np.int32)[:, None],
    }
    specs = {
        "photo": ImageSpec(shape=(2, 2, 1), mean=(0.5,), std=(0.2,), name="photo"),
        "title": TextSpec(shape=(1,), vocab_size=6, tokenizer="word", name="title"),
    }
    present = np.array([[True, True]] * 5 + [[False, True]])
    keys = np.arange(12, dtype=np.uint64).repeat(2).view("V16").reshape(6, 2)
    return Blocks(arrays, specs, present, keys)


def assert_same(first, second):
    assert list(first) == list(second)
    assert first.specs == second.specs
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    np.testing.assert_array_equal(first.present, second.present)
    np.testing.assert_array_equal(first.content_keys, second.content_keys)


@pytest.mark.parametrize(
    "rows", [[4, 0], np.array([4, 0]), slice(1, 3), np.array([True, False] * 3), (np.array([2]), ...)], ids=repr
)
def test_rows_are_indexed_everywhere(blocks, rows):
    part = blocks[rows]
    index = np.arange(6)[rows[0] if isinstance(rows, tuple) else rows]
    assert part["title"][:, 0].tolist() == index.tolist()
    np.testing.assert_array_equal(part.present, blocks.present[index])
    np.testing.assert_array_equal(part.content_keys, blocks.content_keys[index])
    assert part.specs == blocks.specs
    assert len(part) == part.shape[0] == len(index)


@pytest.mark.parametrize("key", [3, np.int64(3), 2.5])
def test_one_row_by_number_is_refused(blocks, key):
    with pytest.raises(TypeError, match="For one row write"):
        blocks[key]


def test_scikit_learn_takes_it_for_rows(blocks):
    assert _num_samples(blocks) == 6
    check_consistent_length(blocks, np.zeros(6))
    assert _safe_indexing(blocks, [1, 2])["title"].tolist() == [[1], [2]]
    train, test = train_test_split(blocks, test_size=2, random_state=0)
    assert (len(train), len(test)) == (4, 2)
    assert sorted(shuffle(blocks, random_state=0)["title"].ravel()) == list(range(6))
    assert [len(blocks[test]) for _, test in KFold(3).split(blocks)] == [2, 2, 2]


def test_cross_val_predict_takes_it(blocks):
    from sklearn.dummy import DummyClassifier

    assert cross_val_predict(DummyClassifier(), blocks, [0, 1] * 3, cv=3).shape == (6,)


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda b: pickle.loads(pickle.dumps(b)), Blocks.copy])
def test_copies_are_equal(blocks, clone):
    assert_same(clone(blocks), blocks)


def test_select_orders_and_drops_blocks(blocks):
    part = blocks.select(["title"])
    assert list(part) == ["title"]
    assert part.present.tolist() == [[True]] * 6
    swapped = blocks.select(["title", "photo"])
    np.testing.assert_array_equal(swapped.present, blocks.present[:, ::-1])
    np.testing.assert_array_equal(swapped.content_keys, blocks.content_keys[:, ::-1])


def test_everything_is_present_by_default(blocks):
    assert Blocks(dict(blocks), blocks.specs).present.all()


CHANGES = {
    "set": lambda blocks: operator.setitem(blocks, "photo", np.zeros(6)),
    "delete": lambda blocks: operator.delitem(blocks, "photo"),
    "update": lambda blocks: blocks.update(photo=np.zeros(6)),
    "|=": lambda blocks: operator.ior(blocks, {"photo": np.zeros(6)}),
    "pop": lambda blocks: blocks.pop("photo"),
    "popitem": lambda blocks: blocks.popitem(),
    "setdefault": lambda blocks: blocks.setdefault("sound", np.zeros(6)),
    "clear": lambda blocks: blocks.clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_blocks_are_read_only(blocks, change):
    before = dict(blocks)
    with pytest.raises(TypeError, match="read-only"):
        change(blocks)
    assert list(blocks) == list(before)
    assert all(blocks[name] is before[name] for name in before)


def test_every_way_to_change_a_dict_is_tried():
    changing = set(dir(dict)) - set(dir(types.MappingProxyType))
    names = {"set": "__setitem__", "delete": "__delitem__", "|=": "__ior__"}
    assert changing - {"fromkeys"} <= {names.get(name, name) for name in CHANGES}


def test_lengths_must_agree(blocks):
    with pytest.raises(ValueError, match=r"same number of rows, got {'photo': 6, 'title': 5}"):
        Blocks({"photo": blocks["photo"], "title": blocks["title"][:5]}, blocks.specs)


def test_each_array_needs_its_spec(blocks):
    with pytest.raises(ValueError, match="one spec per array"):
        Blocks(dict(blocks), {"photo": blocks.specs["photo"]})


@pytest.mark.parametrize("what", ["present", "content_keys"])
def test_shape_of_what_lies_beside(blocks, what):
    with pytest.raises(ValueError, match=rf"`{what}` of shape \(6, 2\)"):
        Blocks(dict(blocks), blocks.specs, **{what: getattr(blocks, what)[:5]})


def test_repr_names_blocks_and_shapes(blocks):
    assert repr(blocks) == "Blocks(6 rows; photo: uint8[6, 2, 2, 1], title: int32[6, 1])"


def test_features_follow_their_rows_and_blocks(blocks):
    with_features = blocks.with_features({"photo": ("mark", np.arange(6))})
    assert blocks.features == {}
    for rows in (
        with_features[[4, 1]],
        pickle.loads(pickle.dumps(with_features))[[4, 1]],
        with_features.copy()[[4, 1]],
    ):
        mark, features = rows.features["photo"]
        assert mark == "mark"
        assert features.tolist() == [4, 1]
    assert list(with_features.select(["title", "photo"]).features) == ["photo"]
    assert with_features.select(["title"]).features == {}
    assert_same(with_features, blocks)


def test_rows_of_views_do_not_copy_pictures(blocks):
    views = blocks.with_views()
    some = views[[4, 1, 4]]
    assert some["photo"].sources[0] is blocks["photo"]
    assert_same(blocks[[4, 1, 4]], some)
    assert views.with_views()["photo"] is views["photo"]


def test_views_of_lists_of_pictures_do_not_copy_them_either(blocks):
    lists = Ragged.from_counts(blocks["photo"], [2, 0, 1, 3])
    specs = {"photo": blocks.specs["photo"]}
    some = Blocks({"photo": lists}, specs).with_views()[[3, 0]]["photo"]
    assert some.items.sources[0] is blocks["photo"]
    np.testing.assert_array_equal(some.items, blocks["photo"][[3, 4, 5, 0, 1]])
    assert some.counts.tolist() == [3, 2]
