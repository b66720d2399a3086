import itertools
from unittest import mock

import pytest
import torch

from sklearn_mm.networks.wide._lbfgs import minimize


def noting(function):
    """Return an objective for `minimize`, and a list that its values are added to."""
    values = []

    def objective(point):
        point = point.clone().requires_grad_()
        value = function(point)
        value.backward()
        values.append(value.item())
        return value.item(), point.grad

    return objective, values


def rosenbrock(point):
    return (100 * (point[1:] - point[:-1] ** 2) ** 2 + (1 - point[:-1]) ** 2).sum()


def test_a_bent_valley_is_followed_to_its_end():
    objective, values = noting(rosenbrock)
    found = minimize(objective, torch.full((6,), -0.5, dtype=torch.float64), tolerance=1e-14)
    torch.testing.assert_close(found, torch.ones(6, dtype=torch.float64), atol=1e-4, rtol=0)
    assert len(values) < 150


def test_of_a_quadratic_it_takes_few_steps():
    generator = torch.Generator().manual_seed(0)
    steep, start = torch.logspace(0, 2, 1000), torch.randn(1000, generator=generator)
    objective, values = noting(lambda point: (steep * point.square()).sum() / 2)
    assert minimize(objective, start, tolerance=1e-4).abs().max() < 0.01
    assert len(values) < 60


@pytest.mark.parametrize("start", [-3.0, -0.1, 0.1, 8.0])
def test_where_it_is_not_convex_it_goes_down_to_where_it_is_flat(start):
    # concave in most places, with a minimum in each wave
    objective, values = noting(lambda point: (point.cos() + 0.05 * point.square()).sum())
    found = minimize(objective, torch.tensor([start, 2 * start]), tolerance=0).requires_grad_()
    value = (found.cos() + 0.05 * found.square()).sum()
    value.backward()
    assert found.grad.abs().max() < 1e-2
    assert value.item() <= values[0]


def test_steps_that_end_nowhere_are_shortened():
    objective, values = noting(lambda point: (point - point.log()).sum())  # nan below zero
    found = minimize(objective, torch.tensor([50.0, 0.01]), tolerance=1e-9)
    torch.testing.assert_close(found, torch.ones(2), atol=1e-2, rtol=0)
    assert any(value != value for value in values)


def test_it_ends_in_time_after_a_step():
    objective, values = noting(rosenbrock)
    with mock.patch("sklearn_mm.networks.wide._lbfgs.time") as clock:
        clock.perf_counter.side_effect = itertools.count()
        minimize(objective, torch.zeros(4), tolerance=0, end=3)
        assert clock.perf_counter.call_count == 5
    assert values[-1] < values[0]


def test_at_a_minimum_it_stays():
    objective, _ = noting(rosenbrock)
    torch.testing.assert_close(minimize(objective, torch.ones(4), tolerance=0), torch.ones(4))
