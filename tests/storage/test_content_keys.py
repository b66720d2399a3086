import numpy as np
import pytest

from sklearn_mm.blocks import Ragged
from sklearn_mm.storage import StoredRows
from sklearn_mm.storage._content_keys import NO_CONTENT, hash_rows, mix_keys


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", [("numbers", "f4", (2,)), ("codes", "i4", (1,))]])
def test_equal_rows_have_equal_keys(dtype):
    array = np.zeros((4, 3), dtype=dtype)
    array.view(np.uint8).reshape(4, -1)[:, 5 % array[0].nbytes] = [1, 2, 1, 0]
    keys = hash_rows(array)
    assert keys.shape == (4,)
    assert keys.dtype == "V16"
    assert keys[0] == keys[2]
    assert len({key.tobytes() for key in keys}) == 3


def test_records_in_one_dimension():
    array = np.array([(1.5, 2), (1.5, 3), (1.5, 2)], dtype=[("numbers", "f4"), ("codes", "i4")])
    keys = hash_rows(array)
    assert keys[0] == keys[2] != keys[1]


def test_keys_do_not_depend_on_memory_order_or_neighbours():
    array = np.random.default_rng(0).integers(0, 255, (6, 5, 4), dtype=np.uint8)
    keys = hash_rows(array)
    assert (hash_rows(np.asfortranarray(array)) == keys).all()
    assert (hash_rows(array[[4, 1]]) == keys[[4, 1]]).all()
    assert (hash_rows(array[::-2]) == keys[::-2]).all()


@pytest.mark.parametrize("dtype", ["int32", "float64", "uint8"])
def test_padding_does_not_count(dtype):
    narrow = np.array([[0, 1, 0], [128, 0, 1], [0, 0, 0]], dtype=dtype)
    keys = hash_rows(narrow)
    assert (hash_rows(np.pad(narrow, ((0, 0), (0, 4)))) == keys).all()
    assert len({key.tobytes() for key in [*keys, *hash_rows(np.roll(narrow, 1, axis=1))]}) == 5


def test_a_list_with_an_empty_item_is_another():
    items = np.array([[1], [1], [0]])
    first, second = hash_rows(Ragged.from_counts(items, [1, 2]))
    assert first != second


def test_no_rows():
    assert hash_rows(np.zeros((0, 3))).shape == (0,)


def test_objects_are_refused():
    with pytest.raises(TypeError, match="dtype object"):
        hash_rows(np.array(["a", None], dtype=object))


def test_rows_have_the_keys_of_arrays_however_they_are_held():
    array = np.arange(12, dtype=np.int16).reshape(4, 3)
    assert (hash_rows(StoredRows.of(array)) == hash_rows(array)).all()
    assert (hash_rows(array.tolist()) == hash_rows(array.astype(int))).all()
    ragged = Ragged.from_counts(array, [2, 0, 2])
    assert (hash_rows(ragged)[[0, 2]] == hash_rows(array.reshape(2, 6))).all()


def test_settings_that_are_mixed_in_tell_keys_apart_but_for_nothing():
    keys = np.array([bytes(range(16)), bytes(16)], dtype="V16")
    mixed, others = mix_keys(keys, ("crop", 1)), mix_keys(keys, ("crop", 2))
    assert mixed[0] != others[0]
    assert mixed[0] != keys[0]
    assert mixed[1] == others[1] == NO_CONTENT
    assert (mix_keys(keys, ("crop", 1)) == mixed).all()
