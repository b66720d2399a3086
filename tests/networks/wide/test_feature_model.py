import numpy as np
import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.networks.wide._feature_model import FeatureModel, row_vectors

RNG = np.random.default_rng(0)
EVERY = torch.ones(60, dtype=torch.bool)
SENTENCES = RNG.normal(size=(60, 8)) + 3
CASES = {
    "unit length": SENTENCES / np.linalg.norm(SENTENCES, axis=1, keepdims=True),
    "rectified and wide": np.maximum(RNG.normal(size=(60, 300)) * 50, 0),
    "three numbers": RNG.normal(size=(60, 3)) * 1e-4 + 7e-4,
    "a constant among them": np.column_stack([RNG.normal(size=60), np.full(60, 1e4)]),
}


def fitted(vectors, present=EVERY, weight=None, n_scores=2):
    model = FeatureModel(vectors.shape[1], n_scores)
    return model, model.fit_design(vectors, present, torch.ones(len(vectors)) if weight is None else weight)


@pytest.mark.parametrize("case", CASES)
def test_rows_have_a_mean_of_zero_and_a_mean_square_of_one(case):
    _, design = fitted(torch.from_numpy(CASES[case]).float())
    np.testing.assert_allclose(design.mean(0), 0, atol=2e-3)
    assert (design**2).sum(1).mean() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_length_of_features_plays_no_part(scale):
    vectors = torch.from_numpy(SENTENCES).float()
    np.testing.assert_allclose(fitted(vectors)[1], fitted(scale * vectors)[1], atol=1e-4)


def test_features_that_are_all_alike_say_nothing():
    _, design = fitted(torch.full((60, 5), 0.1234567))
    assert not design.any()


def test_without_rows_that_have_the_block_it_says_nothing():
    model, design = fitted(torch.randn(60, 5), ~EVERY)
    assert not design.any()
    assert not model(torch.randn(4, 5)).any()


def test_absent_rows_neither_count_nor_say_anything():
    vectors, present = torch.from_numpy(SENTENCES).float(), torch.arange(60) < 40
    model, design = fitted(vectors, present)
    alone, expected = fitted(vectors[:40], EVERY[:40])
    torch.testing.assert_close(model.mean, alone.mean)
    np.testing.assert_allclose(design[:40], expected)
    assert not design[40:].any()


def test_a_weight_of_two_is_a_row_twice():
    vectors, weight = torch.from_numpy(SENTENCES).float(), torch.arange(60) % 3
    weighted, _ = fitted(vectors, weight=weight.float())
    repeated, _ = fitted(vectors.repeat_interleave(weight, 0), torch.ones(int(weight.sum()), dtype=torch.bool))
    torch.testing.assert_close(weighted.mean, repeated.mean)
    torch.testing.assert_close(weighted.scale, repeated.scale)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_design_is_what_forward_multiplies(dtype):
    vectors = torch.from_numpy(SENTENCES).float()
    model, design = fitted(vectors)
    model.weight.copy_(torch.randn(8, 2, generator=torch.Generator().manual_seed(0)))
    scores = model.to(dtype)(vectors)
    assert scores.dtype == dtype
    np.testing.assert_allclose(scores.numpy(), design @ model.weight.float().numpy(), atol=1e-5)


def test_of_several_items_the_mean_counts():
    tokens = torch.arange(24.0).view(3, 4, 2)
    mask = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
    got = row_vectors(Features(torch.zeros(3, 2), tokens, mask), are_lists=True)
    torch.testing.assert_close(got, torch.stack([tokens[0, :2].mean(0), torch.zeros(2), tokens[2].mean(0)]))
    assert torch.equal(row_vectors(Features(tokens[:, 0], tokens, mask), are_lists=False), tokens[:, 0])
