"""Losses of numbers: squared, absolute, Huber, quantile and Poisson."""

from numbers import Real
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F

from sklearn_mm.networks.losses._base import Loss
from sklearn_mm.utils._validation import Interval

__all__ = ["AbsoluteErrorLoss", "HuberLoss", "PoissonLoss", "QuantileLoss", "RegressorLoss", "SquaredErrorLoss"]

_MOST_LEVELS = 10
_ROWS_PER_LEVEL = 20  # or the rows could as well be few values of a number that has many


class RegressorLoss(Loss):
    """Base of the losses of regressors: one output for each target, of targets that are shifted and scaled.

    A subclass owes ``forward(outputs, target)``, and ``_center_and_scale(target, weight)`` where median and spread of
    the middle half do not suit it.

    Attributes
    ----------
    n_outputs : int
        Width of the network's outputs, set by ``build``.
    center_, scale_ : ndarray of shape (n_targets,)
        What is subtracted from targets, and what they are divided by then; learnt by `fit_target`.
    """

    def build(self, n_targets: int) -> Self:
        """Take the number of targets; returns ``self``."""
        self.n_outputs = n_targets
        return self

    def check(self, target: np.ndarray, name: str = "y") -> None:
        """Raise where the loss has no meaning for a target, which ``name`` says to the user."""

    def fit_target(self, target: np.ndarray, sample_weight: np.ndarray) -> None:
        """Learn centre and scale from the targets (n_rows, n_targets) of the training rows."""
        self.center_, self.scale_ = self._center_and_scale(target, sample_weight)
        self._variance = _positive_or_one((_deviation(target, sample_weight) / self.scale_) ** 2)

    def encode(self, target: np.ndarray) -> np.ndarray:
        """Return shifted and scaled targets, float32 (n_rows, n_targets)."""
        return ((target - self.center_) / self.scale_).astype(np.float32)

    def row_scores(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return one minus the squared error in units of the training variance; the mean is close to R²."""
        error = (self._inverse_link(outputs) - target).square()
        return 1 - torch.mean(error / outputs.new_tensor(self._variance), dim=1)

    def predict(self, outputs: np.ndarray) -> np.ndarray:
        """Return predictions in the units of the targets, float64 (n_rows, n_targets)."""
        return self._inverse_link(torch.from_numpy(outputs).double()).numpy() * self.scale_ + self.center_

    def _center_and_scale(self, target, weight):
        """Return the median and a spread that outliers do not move: that of a normal's middle half."""
        low, median, high = _weighted_quantile(target, weight, [0.25, 0.5, 0.75])
        spread = (high - low) / 1.349
        return median, _positive_or_one(np.where(spread > 0, spread, _deviation(target, weight)))

    def _inverse_link(self, outputs):
        return outputs


class SquaredErrorLoss(RegressorLoss):
    """Squared error of standardised targets: predictions are means.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import SquaredErrorLoss
    >>> SquaredErrorLoss()(torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)).squeeze(1)
    tensor([1., 9.])
    """

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row and target."""
        return (outputs - target).square()

    def levels(self, target: np.ndarray) -> np.ndarray | None:
        """Return the values of an encoded target (n_rows, 1) if they are few for so many rows, as ratings are."""
        values = np.unique(target)
        few = len(values) <= _MOST_LEVELS and len(target) >= _ROWS_PER_LEVEL * len(values)
        return values if target.shape[1] == 1 and few else None

    def _center_and_scale(self, target, weight):
        return np.average(target, axis=0, weights=weight), _positive_or_one(_deviation(target, weight))


class AbsoluteErrorLoss(RegressorLoss):
    """Absolute error: predictions are medians, which outliers hardly move.

    Targets are shifted by their median and divided by the spread of their middle half.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import AbsoluteErrorLoss
    >>> AbsoluteErrorLoss()(torch.tensor([[1.0], [-3.0]]), torch.zeros(2, 1)).squeeze(1)
    tensor([1., 3.])
    """

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row and target."""
        return (outputs - target).abs()


class HuberLoss(RegressorLoss):
    """Half the squared error where it is small, absolute where it is large: near means, robust to outliers.

    Targets are shifted by their median and divided by the spread of their middle half.

    Parameters
    ----------
    delta : float, default=1.0
        Error from which on the loss grows linearly, in units of the spread of the targets (the standard deviation, if
        they are normal). Smaller is more robust and nearer to the median.

    References
    ----------
    Huber: Robust Estimation of a Location Parameter. Annals of Mathematical Statistics, 1964.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import HuberLoss
    >>> HuberLoss(delta=1.0)(torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)).squeeze(1)
    tensor([0.5000, 2.5000])
    """

    _parameter_constraints = {"delta": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, delta: float = 1.0):
        self.delta = delta

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row and target."""
        return F.huber_loss(outputs, target, reduction="none", delta=self.delta)


class QuantileLoss(RegressorLoss):
    """Pinball loss: predictions are quantiles, below which a given share of the targets lies.

    Targets are shifted by that quantile and divided by the spread of their middle half.

    Parameters
    ----------
    quantile : float, default=0.5
        Share of the targets that should lie below the prediction, in (0, 1); 0.5 is the median.

    References
    ----------
    Koenker, Bassett: Regression Quantiles. Econometrica, 1978.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import QuantileLoss
    >>> QuantileLoss(quantile=0.9)(torch.zeros(2, 1), torch.tensor([[1.0], [-1.0]])).squeeze(1)
    tensor([0.9000, 0.1000])
    """

    _parameter_constraints = {"quantile": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(self, quantile: float = 0.5):
        self.quantile = quantile

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row and target."""
        error = target - outputs
        return torch.maximum(self.quantile * error, (self.quantile - 1) * error)

    def _center_and_scale(self, target, weight):
        return _weighted_quantile(target, weight, [self.quantile])[0], super()._center_and_scale(target, weight)[1]


class PoissonLoss(RegressorLoss):
    """Half the Poisson deviance with a logarithmic link: predictions are rates, always positive.

    For counts and other targets that are not negative, whose spread grows with their mean. Targets are divided by
    their mean and not shifted.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import PoissonLoss
    >>> PoissonLoss()(torch.zeros(2, 1), torch.tensor([[1.0], [0.0]])).squeeze(1)
    tensor([0., 1.])
    """

    def check(self, target: np.ndarray, name: str = "y") -> None:
        """Raise where a target is negative."""
        if target.min() < 0:
            negative = np.argwhere(target < 0)
            raise ValueError(
                f"PoissonLoss needs {name} >= 0, got {target.min():g} ({len(negative)} negative, the first in row "
                f"{negative[0, 0]}). For such targets use loss='squared_error', 'absolute_error' or 'huber'."
            )

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row and target."""
        return outputs.exp() - target + torch.xlogy(target, target) - target * outputs

    def _center_and_scale(self, target, weight):
        mean = np.average(target, axis=0, weights=weight)
        return np.zeros_like(mean), _positive_or_one(mean)

    def _inverse_link(self, outputs):
        return outputs.exp()


def _weighted_quantile(values, weight, quantiles):
    """Return the smallest value of each column up to which that share of the weight lies, (n_quantiles, n_columns)."""
    order = np.argsort(values, axis=0)
    shares = np.cumsum(weight[order], axis=0) / weight.sum()
    places = [np.argmax(shares >= quantile - 1e-12, axis=0) for quantile in quantiles]
    return np.stack([np.take_along_axis(values, np.take_along_axis(order, p[None], 0), 0)[0] for p in places])


def _deviation(target, weight):
    distance = target - np.average(target, axis=0, weights=weight)
    largest = _positive_or_one(np.abs(distance).max(axis=0))  # out of the square, which may lie beyond float64
    return largest * np.sqrt(np.average((distance / largest) ** 2, axis=0, weights=weight))


def _positive_or_one(scale):
    return np.where(scale > 0, scale, 1.0)
