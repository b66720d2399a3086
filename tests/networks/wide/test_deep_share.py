import pytest
import torch

from sklearn_mm.networks import CrossEntropyLoss, SquaredErrorLoss
from sklearn_mm.networks.wide import settle_share


def make_outputs(n_rows, right, noise=0.1):
    """Outputs of a wide part, those of a deep one of which a share is ``right``, and the target."""
    generator = torch.Generator().manual_seed(0)
    wide, deep, error = torch.randn(3, n_rows, 1, generator=generator)
    return wide, deep, wide + right * deep + noise * error


@pytest.mark.parametrize("right", [0.0, 0.25, 0.6, 1.0])
def test_the_share_is_the_one_that_is_right(right):
    wide, deep, target = make_outputs(400, right)
    assert settle_share(wide, deep, target, torch.ones(400, 1), SquaredErrorLoss()) == pytest.approx(right, abs=0.051)


def test_it_stays_between_nothing_and_all():
    for right, share in [(-1.0, 0.0), (3.0, 1.0)]:
        wide, deep, target = make_outputs(400, right)
        assert settle_share(wide, deep, target, torch.ones(400, 1), SquaredErrorLoss()) == share


def test_a_gain_that_may_be_chance_is_none():
    target = torch.tensor([5.0, *[-0.6] * 7]).view(-1, 1)  # one row gains, all others lose
    without, with_some = ((share - target).square().mean() for share in (0.0, 0.1))
    assert with_some < without
    deep = torch.ones(8, 1)
    assert settle_share(torch.zeros(8, 1), deep, target, torch.ones(8, 1), SquaredErrorLoss()) == 0


@pytest.mark.parametrize(("mean", "share"), [(0.3, 0.0), (0.5, 0.3)])
def test_only_two_standard_errors_are_sure_and_one_is_not_believed(mean, share):
    target = torch.linspace(-1, 1, 100).view(-1, 1)
    target = mean + 2 * target / target.std(correction=0)  # a standard error of 0.2
    ones = torch.ones(100, 1)
    assert settle_share(0 * ones, ones, target, ones, SquaredErrorLoss()) == share


def test_rows_of_weight_zero_do_not_count():
    wide, deep, target = make_outputs(60, 0.6)
    more = [torch.cat([rows, torch.full((40, 1), 100.0)]) for rows in (wide, deep, target)]
    weight = torch.cat([torch.ones(60, 1), torch.zeros(40, 1)])
    with_more = settle_share(*more, weight, SquaredErrorLoss())
    assert with_more == settle_share(wide, deep, target, torch.ones(60, 1), SquaredErrorLoss()) > 0


def test_classes_have_one_loss_each_row():
    target = torch.arange(300) % 3
    right = 4.0 * torch.nn.functional.one_hot(target, 3)
    loss = CrossEntropyLoss().build([0, 1, 2])
    assert settle_share(torch.zeros(300, 3), right, target, torch.ones(300), loss) == 1
    assert settle_share(torch.zeros(300, 3), -right, target, torch.ones(300), loss) == 0
