import pickle
from dataclasses import replace

import numpy as np
import pytest

from sklearn_mm.preprocessing import BlockSpec, ImageSpec, TabularSpec, TextSpec

PICTURES = ImageSpec(shape=(4, 6, 3), mean=(0.5,) * 3, std=(0.5,) * 3)
TEXTS = TextSpec(shape=(7,), vocab_size=30, tokenizer="word")
TABLE = TabularSpec(shape=(), n_numbers=2, cardinalities=(5, 3))


@pytest.mark.parametrize("spec", [PICTURES, TEXTS, TABLE], ids=lambda spec: spec.kind)
def test_example_rows_are_always_the_same(spec):
    rows = spec.example_rows(8)
    assert rows.shape == (8, *spec.shape)
    assert rows.tobytes() == spec.example_rows(8).tobytes()
    assert len({row.tobytes() for row in rows}) == 8


def test_example_rows_are_what_blocks_store():
    assert PICTURES.example_rows(2).dtype == np.uint8
    ids = TEXTS.example_rows(200)
    assert (ids.dtype, ids.min(), ids.max()) == (np.int32, 0, 29)
    lengths = np.count_nonzero(ids, axis=1)
    assert (lengths[0], lengths[-1], lengths[1:].min()) == (0, 7, 1)
    assert all(row[:length].all() for row, length in zip(ids, lengths, strict=True))
    assert np.count_nonzero(TEXTS.example_rows(1)) == 7
    table = TABLE.example_rows(200)
    assert table["numbers"].shape == table["codes"].shape == (200, 2)
    assert (table["numbers"].dtype, table["codes"].dtype) == (np.float32, np.int32)
    assert table["codes"].max(axis=0).tolist() == [4, 2]


def test_nobody_knows_what_other_blocks_store():
    assert BlockSpec(kind="scent", shape=(3,)).example_rows(2) is None


def test_how_a_block_was_read_is_carried_along_but_not_compared():
    read = replace(PICTURES, reading={"size": (4, True)})
    assert read == PICTURES
    assert hash(read) == hash(PICTURES)
    assert pickle.loads(pickle.dumps(replace(read, name="photo"))).reading == {"size": (4, True)}


def test_a_tokenizer_that_was_chosen_for_an_encoder_is_part_of_how_a_block_was_read():
    assert TEXTS.reading is None
    chosen = replace(TEXTS, tokenizer="ngram", tokenizer_is_auto=True)
    assert chosen.reading == {"tokenizer": ("ngram", True)}
    assert replace(chosen, reading={"lowercase": (False, False)}).reading == {"lowercase": (False, False)}
