"""Losses of classes without order: cross-entropy, and focal loss."""

from numbers import Real

import torch
import torch.nn.functional as F

from sklearn_mm.networks.losses._base import ClassifierLoss
from sklearn_mm.utils._validation import Interval

__all__ = ["CrossEntropyLoss", "FocalLoss"]


class CrossEntropyLoss(ClassifierLoss):
    """Minus the logarithm of the probability given to what is right; of each label for multi-label targets.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share in [0, 1) of each target that is spread evenly over the classes, or over yes and no (Szegedy et al.
        2016). Larger keeps probabilities away from 0 and 1.

    References
    ----------
    Szegedy, Vanhoucke, Ioffe, Shlens, Wojna: Rethinking the Inception Architecture for Computer Vision. CVPR 2016.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import CrossEntropyLoss
    >>> loss = CrossEntropyLoss().build(classes=["cat", "dog", "fox"])
    >>> loss(torch.zeros(2, 3), torch.tensor([0, 2]))
    tensor([1.0986, 1.0986])
    """

    _parameter_constraints = {"label_smoothing": [Interval(Real, 0, 1, closed="left")]}

    def __init__(self, label_smoothing: float = 0.0):
        self.label_smoothing = label_smoothing

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row, or of each row and label."""
        return _cross_entropy(outputs, target, self.yes_or_no, self.label_smoothing)


class FocalLoss(ClassifierLoss):
    """Cross-entropy in which rows that are told well count less: times (1 − p)^gamma, p the probability of the right.

    For many easy rows beside few hard ones. Its probabilities are less extreme than those of cross-entropy. Weights
    of the classes are the estimator's ``class_weight``.

    Parameters
    ----------
    gamma : float, default=2.0
        How much less: 0 is cross-entropy, larger looks at the hard rows alone.

    References
    ----------
    Lin, Goyal, Girshick, He, Dollár: Focal Loss for Dense Object Detection. ICCV 2017.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.networks import FocalLoss
    >>> loss = FocalLoss().build(classes=["cat", "dog"])
    >>> loss(torch.tensor([[0.0], [1.0]]), torch.ones(2, 1)).squeeze(1)
    tensor([0.1733, 0.0227])
    """

    _parameter_constraints = {"gamma": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, gamma: float = 2.0):
        self.gamma = gamma

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row, or of each row and label."""
        loss = _cross_entropy(outputs, target, self.yes_or_no)
        wrong = -torch.expm1(-loss)  # 1 - p
        return wrong.clamp(min=1e-7) ** self.gamma * loss  # the power of 0 has no slope for gamma below 1


def _cross_entropy(outputs, target, yes_or_no, label_smoothing=0.0):
    if yes_or_no:
        target = target * (1 - label_smoothing) + label_smoothing / 2
        return F.binary_cross_entropy_with_logits(outputs, target, reduction="none")
    return F.cross_entropy(outputs, target, reduction="none", label_smoothing=label_smoothing)
