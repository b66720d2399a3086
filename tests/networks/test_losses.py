import numpy as np
import torch
from sklearn.metrics import accuracy_score, log_loss, r2_score

from sklearn_mm.networks._losses import BinaryCrossEntropy, CrossEntropy, SquaredError

RNG = np.random.default_rng(0)


def test_cross_entropy_is_that_of_scikit_learn():
    outputs, target = torch.tensor(RNG.normal(size=(20, 4))), torch.tensor(RNG.integers(4, size=20))
    loss = CrossEntropy()
    assert loss(outputs, target).shape == (20,)
    np.testing.assert_allclose(
        loss(outputs, target).mean(), log_loss(target.numpy(), outputs.softmax(1).numpy(), labels=range(4))
    )
    np.testing.assert_allclose(
        loss.row_scores(outputs, target).mean(), accuracy_score(target.numpy(), outputs.argmax(1).numpy())
    )


def test_binary_cross_entropy_keeps_labels_apart():
    outputs, target = torch.tensor(RNG.normal(size=(20, 3))), torch.tensor(RNG.integers(2, size=(20, 3))).double()
    loss = BinaryCrossEntropy()
    for label in range(3):
        expected = log_loss(target[:, label].numpy(), outputs[:, label].sigmoid().numpy(), labels=[0, 1])
        np.testing.assert_allclose(loss(outputs, target)[:, label].mean(), expected)
    np.testing.assert_allclose(
        loss.row_scores(outputs, target).mean(), accuracy_score(target.int().numpy(), (outputs > 0).int().numpy())
    )


def test_squared_error_score_is_r2_of_standardised_targets():
    target = torch.tensor(RNG.normal(size=(50, 2)))
    target = (target - target.mean(0)) / target.std(0, correction=0)
    outputs = target + 0.3 * torch.tensor(RNG.normal(size=(50, 2)))
    loss = SquaredError()
    assert loss(outputs, target).shape == (50, 2)
    np.testing.assert_allclose(loss.row_scores(outputs, target).mean(), r2_score(target.numpy(), outputs.numpy()))
