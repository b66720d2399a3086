"""Vectors that were computed elsewhere, passed on as they are; the shared checks are in `test_contracts.py`."""

import numpy as np
import pytest
import torch

from sklearn_mm.encoders import BagEncoder, Encoder, VectorEncoder
from sklearn_mm.preprocessing import BlockSpec, ImageSpec, TabularSpec, TextSpec, VectorSpec
from sklearn_mm.utils._tensors import as_tensors


@pytest.mark.parametrize("kind", ["text", "image", "audio", "scent"])
def test_vectors_of_any_kind_stay_as_they_are(kind):
    spec = VectorSpec(kind=kind, shape=(3,))
    encoder = VectorEncoder().build(spec)
    vectors = as_tensors(spec.example_rows(4))
    pooled, tokens, mask = encoder(encoder.prepare(vectors))
    assert torch.equal(pooled, vectors)
    assert torch.equal(tokens, vectors.unsqueeze(1))
    assert mask.all()
    assert mask.shape == (4, 1)
    assert (encoder.out_features, encoder.token_features) == (3, 3)


def test_it_is_frozen_and_has_nothing_to_learn():
    encoder = VectorEncoder().build(VectorSpec(kind="text", shape=(3,)))
    assert encoder.frozen
    assert encoder.frozen_part is encoder
    assert not encoder.state_dict()


def test_numbers_of_a_table_are_a_vector():
    spec = TabularSpec(shape=(2,), n_numbers=2)
    encoder = VectorEncoder().build(spec)
    rows = as_tensors(spec.example_rows(3))
    assert torch.equal(encoder(encoder.prepare(rows)).pooled, rows["numbers"])


def test_other_numbers_become_float32():
    encoder = VectorEncoder().build(BlockSpec(kind="scent", shape=(2,)))
    pooled = encoder.prepare(torch.from_numpy(np.array([[1, 2]], dtype=np.float64)))
    assert pooled.dtype == torch.float32


@pytest.mark.parametrize(
    ("spec", "held"),
    [
        (TextSpec(name="title", shape=(7,), vocab_size=9, tokenizer="word"), "'title' of kind 'text' holds token ids"),
        (ImageSpec(name="photo", shape=(4, 4, 3), mean=(0,) * 3, std=(1,) * 3), r"holds rows of shape \(4, 4, 3\)"),
        (TabularSpec(name="t", shape=(), n_numbers=1, cardinalities=(3, 4)), "holds 2 columns of categories"),
    ],
    ids=["text", "image", "categories"],
)
def test_other_blocks_are_refused(spec, held):
    with pytest.raises(ValueError, match=held):
        VectorEncoder().build(spec)


def test_which_encoders_read_vectors():
    class Function(Encoder):
        embed_cells = len

    assert VectorEncoder().reads_vectors
    assert Function().reads_vectors
    assert not BagEncoder().reads_vectors
    assert BagEncoder().reads_kind("text")
    assert not BagEncoder().reads_kind("image")
    assert not VectorEncoder().reads_kind("text")  # nobody can tell without the block
