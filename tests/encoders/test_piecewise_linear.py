import numpy as np
import pytest
import torch

from sklearn_mm.encoders._piecewise_linear import PiecewiseLinear


def started(numbers, n_bins, weight=None):
    numbers = np.asarray(numbers, dtype=np.float32)
    weight = np.ones(len(numbers)) if weight is None else np.asarray(weight, dtype=np.float64)
    bins = PiecewiseLinear(numbers.shape[1], n_bins)
    bins.start(numbers, weight, torch.Generator().manual_seed(0))
    return bins


def test_shares_by_hand():
    bins = started(np.arange(9.0)[:, None], n_bins=2)  # from 0 to 4, and on to 8
    numbers = torch.tensor([[0.0], [1.0], [4.0], [5.0], [8.0]])
    expected = torch.tensor([[0.0, 0.0], [0.25, 0.0], [1.0, 0.0], [1.0, 0.25], [1.0, 1.0]])
    torch.testing.assert_close(bins(numbers), expected)


def test_numbers_stand_side_by_side():
    bins = started([[0.0, 10.0], [2.0, 20.0]], n_bins=2)
    torch.testing.assert_close(bins(torch.tensor([[1.0, 15.0]])), torch.tensor([[0.5, 0.0, 0.5, 0.0]]))
    assert bins.out_features == 4


def test_bins_have_equally_many_rows():
    numbers = np.exp(3 * np.random.default_rng(0).normal(size=(1000, 1)))
    bins = started(numbers, n_bins=10)
    shares = bins(torch.from_numpy(numbers).float())
    np.testing.assert_allclose((shares == 1).float().mean(0), np.arange(0.9, -0.01, -0.1), atol=0.01)


def test_few_distinct_values_are_told_apart():
    bins = started([[-1.0], [0.0], [0.0], [0.0], [5.0]], n_bins=8)
    shares = bins(torch.tensor([[-1.0], [0.0], [5.0]]))
    assert shares[:, :2].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert not shares[:, 2:].any()


def test_one_value_says_nothing():
    bins = started(np.full((20, 1), 3.0), n_bins=4)
    assert not bins(torch.tensor([[3.0], [-7.0], [1e9]])).any()


@pytest.mark.parametrize("values", [[0.0, 1e-42, 1.0, 2.0], [-1e9, 0.0, 1.0, 1e9], [-3e38, 0.0, 3e38, 1.0]])
def test_shares_of_extreme_numbers(values):
    numbers = np.array(values, dtype=np.float32)[:, None]
    shares = started(numbers, n_bins=8)(torch.from_numpy(numbers))
    assert shares.isfinite().all()
    assert shares.min() == 0
    assert shares.max() == 1


def test_what_was_never_seen_goes_no_further():
    bins = started(np.linspace(-1, 1, 50)[:, None], n_bins=4)
    torch.testing.assert_close(bins(torch.tensor([[-1e9], [1e9]])), torch.tensor([[0.0] * 4, [1.0] * 4]))


def test_a_weight_counts_as_that_many_rows():
    rng = np.random.default_rng(0)
    numbers, repeats = rng.normal(size=(300, 2)), rng.integers(0, 4, size=300)
    kept = repeats > 0
    weighted = started(numbers[kept], 16, repeats[kept]).state_dict()
    repeated = started(numbers.repeat(repeats, axis=0), 16).state_dict()
    for name, value in weighted.items():
        torch.testing.assert_close(value, repeated[name])


def test_order_of_the_rows_does_not_matter():
    numbers = np.random.default_rng(0).normal(size=(300, 2))
    one, other = started(numbers, 16).state_dict(), started(numbers[::-1], 16).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_part_of_many_rows_suffices(monkeypatch):
    numbers = np.random.default_rng(0).normal(size=(20_000, 1))
    every = started(numbers, 4)
    monkeypatch.setattr("sklearn_mm.encoders._piecewise_linear._N_SAMPLED", 5000)
    some = started(numbers, 4)
    assert not torch.equal(some.low, every.low)
    torch.testing.assert_close(some.low[:, 1:], every.low[:, 1:], atol=0.05, rtol=0)


def test_before_it_has_seen_rows_bins_are_those_of_a_normal():
    bins = PiecewiseLinear(1, 4)
    expected = bins(torch.zeros(1, 1))
    torch.testing.assert_close(expected, torch.tensor([[1.0, 1.0, 0.0, 0.0]]), atol=1e-6, rtol=0)
    bins.start(np.empty((0, 1), dtype=np.float32), np.empty(0), torch.Generator())
    assert torch.equal(bins(torch.zeros(1, 1)), expected)
