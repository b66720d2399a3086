import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import log_loss

from sklearn_mm.networks import CrossEntropyLoss, FocalLoss

RNG = np.random.default_rng(0)
CLASSES = ["a", "b", "c", "d"]


def test_cross_entropy_is_that_of_scikit_learn():
    outputs, target = torch.tensor(RNG.normal(size=(20, 4))), torch.tensor(RNG.integers(4, size=20))
    loss = CrossEntropyLoss().build(CLASSES)
    np.testing.assert_allclose(
        loss(outputs, target).mean(), log_loss(target, loss.predict_proba(outputs.numpy()), labels=range(4))
    )


def test_cross_entropy_keeps_labels_apart():
    outputs, target = torch.tensor(RNG.normal(size=(20, 3))), torch.tensor(RNG.integers(2, size=(20, 3))).double()
    loss = CrossEntropyLoss().build([0, 1, 2], multilabel=True)
    for label in range(3):
        expected = log_loss(target[:, label], outputs[:, label].sigmoid(), labels=[0, 1])
        np.testing.assert_allclose(loss(outputs, target)[:, label].mean(), expected)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.5])
def test_two_classes_are_the_case_of_many(label_smoothing):
    logit, target = torch.tensor(RNG.normal(size=(20, 1))), torch.tensor(RNG.integers(2, size=20))
    binary = CrossEntropyLoss(label_smoothing).build(["a", "b"])
    expected = F.cross_entropy(
        torch.cat([torch.zeros_like(logit), logit], 1), target, reduction="none", label_smoothing=label_smoothing
    )
    np.testing.assert_allclose(binary(logit, target.double().unsqueeze(1)).squeeze(1), expected)


def test_label_smoothing_by_hand():
    outputs = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    loss = CrossEntropyLoss(label_smoothing=0.3).build(["a", "b", "c"])
    expected = -(0.8 * np.log(0.7) + 0.1 * np.log(0.2) + 0.1 * np.log(0.1))
    np.testing.assert_allclose(loss(outputs, torch.tensor([0])), [expected], rtol=1e-6)


def test_focal_by_hand():
    outputs = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]]))
    loss = FocalLoss(gamma=2.0).build(["a", "b", "c"])
    expected = [-(0.3**2) * np.log(0.7), -(0.9**2) * np.log(0.1)]
    np.testing.assert_allclose(loss(outputs, torch.tensor([0, 2])), expected, rtol=1e-5)


def test_focal_of_labels_by_hand():
    outputs = torch.logit(torch.tensor([[0.7, 0.2]]))
    loss = FocalLoss(gamma=1.5).build([0, 1], multilabel=True)
    expected = [[-(0.3**1.5) * np.log(0.7), -(0.2**1.5) * np.log(0.8)]]
    np.testing.assert_allclose(loss(outputs, torch.tensor([[1.0, 0.0]])), expected, rtol=1e-5)


def test_focal_with_gamma_zero_is_cross_entropy():
    outputs, target = torch.tensor(RNG.normal(size=(20, 4))), torch.tensor(RNG.integers(4, size=20))
    torch.testing.assert_close(
        FocalLoss(gamma=0).build(CLASSES)(outputs, target), CrossEntropyLoss().build(CLASSES)(outputs, target)
    )


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_has_a_slope_where_the_probability_is_one(gamma):
    outputs = torch.tensor([[200.0, 0.0, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    FocalLoss(gamma).build(["a", "b", "c"])(outputs, torch.tensor([0, 0])).sum().backward()
    assert torch.isfinite(outputs.grad).all()
    assert outputs.grad[1, 0] < 0
