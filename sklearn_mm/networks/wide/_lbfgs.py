"""The limited-memory BFGS method on one long torch tensor."""

import math
import time
from collections import deque

import torch

__all__ = ["minimize"]

_N_PAIRS = 6  # steps that are remembered
_MAX_STEPS = 300
_ARMIJO = 1e-4  # share of the decrease that the slope promises
_MIN_LENGTH = 1e-8  # step, of the whole one: below it, the rounding of the objective decides


def minimize(objective, point, tolerance, end=math.inf):
    """Return a point of no higher value from which a step gains next to nothing.

    SciPy's L-BFGS-B and ``torch.optim.LBFGS`` find as good a point, and spend several times as long beside the
    objective, which here is evaluated about once a step.

    Pairs of steps and changes of the slope without positive curvature are forgotten, so that each direction goes
    downhill even where the objective is not convex, and from any start the slopes tend to zero (Li and Fukushima).

    Parameters
    ----------
    objective : callable
        Maps a point to its value, a float, and its slope, a tensor of the point's shape.
    point : torch.Tensor of shape (n,)
        Where the search begins.
    tolerance : float
        Gain of a step at which the search ends.
    end : float, default=inf
        When it ends in any case, by `time.perf_counter`, after a step at least.

    Returns
    -------
    point : torch.Tensor of shape (n,)

    References
    ----------
    Nocedal: Updating Quasi-Newton Matrices with Limited Storage. Mathematics of Computation 35, 1980.

    Li, Fukushima: On the Global Convergence of the BFGS Method for Nonconvex Unconstrained Optimization Problems. SIAM
    Journal on Optimization 11, 2001.
    """
    value, slope = objective(point)
    pairs = deque(maxlen=_N_PAIRS)
    for _ in range(_MAX_STEPS):
        direction = _direction(slope, pairs)
        promised = torch.dot(direction, slope).item()
        length = 1.0
        while True:
            new_point = torch.add(point, direction, alpha=length)
            new_value, new_slope = objective(new_point)
            if new_value <= value + _ARMIJO * length * promised:
                break
            if not length > _MIN_LENGTH:
                return point
            # to the minimum of the parabola through both values and the slope, which is far off where there is none
            bend = new_value - value - length * promised
            length *= min(max(-promised * length / (2 * bend), 0.1), 0.5) if math.isfinite(bend) else 0.1
        gain = value - new_value
        step, change = new_point - point, new_slope - slope
        curvature = torch.dot(step, change).item()
        if curvature > 1e-6 * torch.dot(step, step).item():
            pairs.append((step, change, curvature))
        point, value, slope = new_point, new_value, new_slope
        if gain <= tolerance or time.perf_counter() > end:
            break
    return point


def _direction(slope, pairs):
    """Return minus the slope times the inverse of the curvature that the pairs tell of (the two-loop recursion)."""
    direction, projections = -slope, []
    for step, change, curvature in reversed(pairs):
        projections.append(torch.dot(step, direction).item() / curvature)
        direction.sub_(change, alpha=projections[-1])
    if pairs:
        _, change, curvature = pairs[-1]
        direction.mul_(curvature / torch.dot(change, change).item())
    for (step, change, curvature), projection in zip(pairs, reversed(projections), strict=True):
        direction.add_(step, alpha=projection - torch.dot(change, direction).item() / curvature)
    return direction
