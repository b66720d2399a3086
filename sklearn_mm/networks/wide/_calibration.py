"""What rows tell that a fit has not seen: how sure outputs may be (Platt scaling), and whether others are better."""

import numpy as np
import torch
from scipy.optimize import minimize

__all__ = ["calibrate", "is_sure"]

_TOLERANCE = 1e-5
_SHIFT_COST = 10.0  # for the square of what outputs are shifted by, beside the sum of the losses of all rows


def calibrate(outputs, losses, max_scale=1.0):
    """Return the least mean loss of outputs (n, n_outputs) that are scaled and shifted, the scale and the shift.

    The scale is in [0, ``max_scale``]. ``losses`` maps outputs to the losses of their rows, by torch. Of few rows, what
    a class is to be shifted by is mostly chance: that their fold lacks it.

    References
    ----------
    Platt: Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods. Advances
    in Large Margin Classifiers, 1999.
    """

    def objective(flat):
        flat = torch.from_numpy(flat).float().requires_grad_()
        scale, shift = flat[0], flat[1:]
        total = losses(scale * outputs + shift).sum(dtype=torch.float64) + _SHIFT_COST * shift.square().sum()
        mean = total / len(outputs)
        mean.backward()
        return mean.item(), flat.grad.double().numpy()

    start = np.append(1.0, np.zeros(outputs.shape[1]))
    # Rows that are told apart without a mistake would have the scale grow without end.
    bounds = [(0, max_scale)] + [(None, None)] * outputs.shape[1]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": _TOLERANCE})
    return found.fun, float(found.x[0]), torch.from_numpy(found.x[1:]).float()


def is_sure(gains, n_errors=1):
    """Return whether the mean of gains is more than some standard errors: of many trials, some gain by chance."""
    return gains.mean() > n_errors * gains.std(correction=0) / len(gains) ** 0.5
