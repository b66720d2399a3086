"""Contrastive losses: held to cross-entropy, to loops over pairs, and to what rows belong together."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sklearn_mm.networks._contrastive import info_nce, sigmoid_loss


@pytest.fixture
def logits():
    return 5 * torch.randn(6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


ONES, EYE = torch.ones(6, dtype=torch.float64), torch.eye(6, dtype=torch.bool)


def test_without_equals_it_is_cross_entropy(logits):
    expected = F.cross_entropy(logits, torch.arange(6))
    assert info_nce(logits, EYE, ONES).item() == pytest.approx(expected.item())


def test_weights_of_rows(logits):
    weight = torch.tensor([1.0, 0, 2, 0, 0, 0], dtype=torch.float64)
    each = F.cross_entropy(logits, torch.arange(6), reduction="none")
    assert info_nce(logits, EYE, weight).item() == pytest.approx(((each[0] + 2 * each[2]) / 3).item())


def test_rows_that_belong_together_are_no_negatives(logits):
    matches = EYE.clone()
    matches[0, 1] = matches[1, 0] = True
    expected = []
    for row in range(6):
        negatives = logits[row, ~matches[row]].exp().sum()
        own = [-(logits[row, k] - (logits[row, k].exp() + negatives).log()) for k in matches[row].nonzero()[:, 0]]
        expected.append(sum(own) / len(own))
    assert info_nce(logits, matches, ONES).item() == pytest.approx((sum(expected) / 6).item())


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
def test_where_all_belong_together_gradients_are_numbers(loss, logits):
    logits.requires_grad_()
    loss(logits, torch.ones(6, 6, dtype=torch.bool), ONES, 1.0).backward()
    assert logits.grad.isfinite().all()


def test_the_sigmoid_of_each_pair(logits):
    expected = 0.0
    for i in range(6):
        for j in range(6):
            sign = 1 if i == j else -1
            expected += math.log1p(math.exp(-sign * logits[i, j].item())) / 6
    assert sigmoid_loss(logits, EYE, ONES).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
def test_hard_negatives_count_more(loss, logits):
    def gradient(hardness):
        x = logits.clone().requires_grad_()
        loss(x, EYE, ONES, hardness).backward()
        return x.grad

    plain, hard = gradient(0.0), gradient(2.0)
    for row in range(6):
        negatives = [column for column in range(6) if column != row]
        order = logits[row, negatives].argsort()
        ratio = (hard / plain)[row, negatives][order]
        assert (ratio.diff() > 0).all()  # the more similar, the more it counts
    weighted = loss(torch.zeros(6, 6), EYE, torch.ones(6), 3.0)
    assert weighted.item() == pytest.approx(loss(torch.zeros(6, 6), EYE, torch.ones(6)).item())  # all alike


def test_hard_negatives_are_weighted_as_in_the_paper(logits):
    beta, expected = 0.5, []
    for row in range(6):
        negatives = np.array([logits[row, column].item() for column in range(6) if column != row])
        weights = np.exp(beta * negatives) / np.exp(beta * negatives).mean()
        positive = math.exp(logits[row, row].item())
        expected.append(-math.log(positive / (positive + (weights * np.exp(negatives)).sum())))
    assert info_nce(logits, EYE, ONES, beta).item() == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("loss", [info_nce, sigmoid_loss])
def test_what_belongs_together_is_never_pushed_apart(loss, logits):
    matches = EYE.clone()
    matches[:3, :3] = matches[3:5, 3:5] = True
    logits.requires_grad_()
    loss(logits, matches, ONES).backward()
    assert (logits.grad[matches] < 0).all()
    assert (logits.grad[~matches] > 0).all()
