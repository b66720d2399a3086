import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from sklearn_mm.networks import OrdinalLoss

RNG = np.random.default_rng(0)
ORDER = ["negative", "neutral", "positive", "very positive"]


def started(classes, order=None, target=(0, 1, 2, 3)):
    loss = OrdinalLoss(order=order).build(np.array(classes))
    loss.fit_target(np.array(target), np.ones(len(target)))
    return loss


def test_loss_by_hand():
    loss = started(ORDER)
    start = logit(np.array([0.75, 0.5, 0.25]))
    outputs, target = torch.zeros(4, 3, dtype=torch.float64), torch.arange(4)
    above = np.arange(4)[:, None] > np.arange(3)
    expected = -np.where(above, np.log(expit(start)), np.log(expit(-start))).sum(1)
    np.testing.assert_allclose(loss(outputs, target), expected)


def test_probabilities_are_differences_of_the_chances_to_lie_above():
    loss = started(ORDER)
    outputs = RNG.normal(size=(50, 3), scale=3)
    above = expit(loss._above(torch.from_numpy(outputs))[0].numpy())
    assert (np.diff(above, axis=1) < 0).all()
    expected = -np.diff(np.column_stack([np.ones(50), above, np.zeros(50)]), axis=1)
    np.testing.assert_allclose(loss.predict_proba(outputs), expected, atol=1e-12)


def test_it_starts_from_the_frequencies():
    target = np.repeat([0, 1, 2, 3], [500, 100, 300, 100])
    loss = started(ORDER, target=target)
    np.testing.assert_allclose(loss.predict_proba(np.zeros((1, 3))), [[0.5, 0.1, 0.3, 0.1]], atol=0.002)


def test_columns_are_those_of_classes_whatever_the_order():
    outputs = RNG.normal(size=(20, 2))
    classes = ["high", "low", "mid"]
    loss = started(classes, order=["low", "mid", "high"], target=[0, 1, 2])
    ranked = started([0, 1, 2], target=[0, 1, 2])
    np.testing.assert_array_equal(loss.predict_proba(outputs), ranked.predict_proba(outputs)[:, [2, 0, 1]])
    np.testing.assert_array_equal(loss.encode(np.array([0, 1, 2])), [2, 0, 1])


def test_two_classes_in_reverse_order():
    outputs = RNG.normal(size=(20, 1))
    plain, reverse = started(["a", "b"], target=[0, 1]), started(["a", "b"], order=["b", "a"], target=[0, 1])
    np.testing.assert_allclose(plain.decision_function(outputs), outputs[:, 0])
    np.testing.assert_allclose(reverse.decision_function(outputs), -outputs[:, 0])
    np.testing.assert_allclose(reverse.predict_proba(outputs), plain.predict_proba(outputs)[:, ::-1])


def test_far_away_costs_more():
    loss = started(ORDER)
    losses = loss(torch.full((4, 3), -3.0), torch.arange(4))  # says the first class
    assert (losses.diff() > 0).all()


@pytest.mark.parametrize(
    ("order", "found"),
    [
        (["negative", "neutral"], r"In y only: \['positive', 'very positive'\]"),
        ([*ORDER, "superb"], r"in order only: \['superb'\]"),
        ([*ORDER, "neutral"], "must name each class of y once"),
        ([0, 1, 2, 3], r"in order only: \[0, 1, 2, 3\]"),
    ],
)
def test_order_and_classes_must_be_the_same(order, found):
    with pytest.raises(ValueError, match=found):
        OrdinalLoss(order=order).build(np.array(ORDER))


def test_the_parameter_goes_before_what_the_target_declares():
    classes = np.array(["a", "b", "c"])
    assert OrdinalLoss().build(classes, order=["c", "a", "b"]).ranks.tolist() == [1, 2, 0]
    assert OrdinalLoss(order=["b", "a", "c"]).build(classes, order=["c", "a", "b"]).ranks.tolist() == [1, 0, 2]


def test_labels_have_no_order():
    with pytest.raises(ValueError, match="got a multi-label target of 3 labels"):
        OrdinalLoss().build(np.arange(3), multilabel=True)
