"""What is copied from a block of ids is added to what a decoder says."""

import numpy as np
import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.networks._pointer import Pointer

IDS = torch.tensor([[4, 2, 4, 0], [3, 1, 0, 0], [0, 0, 0, 0]])  # of a block; 1 has no id in the texts


@pytest.fixture
def pointer():
    torch.manual_seed(0)
    return Pointer("note", np.array([0, 0, 7, 8, 5]), width=6, token_width=3)


@pytest.fixture
def features():
    return {"note": Features(torch.rand(3, 3), torch.rand(3, 4, 3), IDS != 0)}


def test_probabilities_are_those_of_the_parts(pointer, features):
    logits, vectors = torch.randn(3, 2, 10), torch.randn(3, 2, 6)
    memory = pointer.remember(features, IDS)
    found = pointer(logits, vectors, memory).exp()
    torch.testing.assert_close(found.sum(2), torch.ones(3, 2))
    written = logits.softmax(2)
    torch.testing.assert_close(found[2], written[2])  # there is nothing to copy
    copied = found[1] - found[1, :, :1] / written[1, :, :1] * written[1]
    assert (copied[:, 8] > 0.05).all()  # the only one that may be copied
    torch.testing.assert_close(copied[:, :8], torch.zeros(2, 8), atol=1e-6, rtol=0)
    share = pointer.share(vectors[0]).sigmoid()
    affinity = pointer.queries(vectors[0]) @ pointer.keys(features["note"].tokens[0, :3]).T / 6**0.5
    weights = share * affinity.softmax(1)
    expected = (1 - share) * written[0]
    expected[:, 5] += weights[:, 0] + weights[:, 2]  # twice in the text
    expected[:, 7] += weights[:, 1]
    torch.testing.assert_close(found[0], expected)


def test_tokens_must_be_those_of_the_ids(pointer, features):
    with pytest.raises(ValueError, match=r"one token for each id of the block.*got 4 tokens of 3 ids"):
        pointer.remember(features, IDS[:, :3])
