import pytest
import torch

from sklearn_mm.networks import CrossEntropyLoss
from sklearn_mm.networks.wide._calibration import calibrate

N_ROWS = 4000


def make_logits():
    """Logits with which chances agree, and rows that are drawn by them."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(N_ROWS, 1, generator=generator)
    return logits, (torch.rand(N_ROWS, 1, generator=generator) < logits.sigmoid()).float()


def losses(target):
    loss = CrossEntropyLoss().build([0, 1])
    return lambda outputs: loss(outputs, target)


@pytest.mark.parametrize(("times", "plus"), [(1, 0), (4, 0), (2, 1), (3, -1)])
def test_scale_and_shift_are_those_that_undo_what_was_done(times, plus):
    logits, target = make_logits()
    least, scale, shift = calibrate(times * (logits - plus), losses(target))
    assert scale == pytest.approx(1 / times, rel=0.1)
    assert shift.item() == pytest.approx(plus, abs=0.15)
    assert least <= losses(target)(logits).mean().item() + 0.01


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (3, 3), (8, 5)])
def test_outputs_are_scaled_up_as_far_as_is_allowed(most, expected):
    logits, target = make_logits()
    _, scale, _ = calibrate(logits / 5, losses(target), max_scale=most)
    assert scale == pytest.approx(expected, rel=0.1)
    assert scale <= most


def test_outputs_are_not_scaled_up_unasked():
    logits, target = make_logits()
    _, scale, _ = calibrate(logits / 5, losses(target))
    assert scale == 1


def test_outputs_that_say_nothing_are_scaled_down_to_nothing():
    logits, target = make_logits()
    _, scale, _ = calibrate(-logits, losses(target))
    assert scale == 0


def test_few_rows_hardly_shift():
    logits, target = torch.zeros(4, 1), torch.ones(4, 1)
    _, _, shift = calibrate(logits, losses(target))
    assert 0 < shift.item() < 0.2
