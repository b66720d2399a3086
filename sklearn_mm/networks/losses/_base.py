"""What every loss owes: outputs and targets in, one number per row or element out; and what outputs mean."""

from typing import Self

import numpy as np
import torch
from scipy.special import expit, softmax

from sklearn_mm.utils._component import Component

__all__ = ["ClassifierLoss", "Loss"]


class Loss(Component):
    """Base of all losses: what a network is trained by, and how its outputs are read.

    A loss says how many outputs it needs (``n_outputs``, set by ``build``), what ``forward`` gets of the targets
    (``encode``), and what outputs mean. It keeps rows apart, so that weights can be applied before the mean.

    Attributes
    ----------
    n_outputs : int
        Width of the network's outputs, set by ``build``.
    """

    def fit_target(self, target: np.ndarray, sample_weight: np.ndarray) -> None:
        """Learn from the targets of the training rows and the weights of their losses, after ``build``."""

    def encode(self, target: np.ndarray) -> np.ndarray:
        """Return an array of targets as the one that ``forward`` gets as a tensor."""
        raise NotImplementedError

    def levels(self, target: np.ndarray) -> np.ndarray | None:
        """Return the few values, in an order, whose mean a linear model had better weigh; None for most targets."""
        return None

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each element, of the shape of ``target``."""
        raise NotImplementedError

    def row_scores(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return a score of each row, (batch,); its mean is shown in training."""
        raise NotImplementedError


class ClassifierLoss(Loss):
    """Base of the losses of classifiers: one logit for two classes, else one for each class or label.

    A subclass owes ``forward(outputs, target)``. Where outputs are not logits of this kind it overrides the methods
    that read them, too, and says ``scores_classes = False``.

    Attributes
    ----------
    n_outputs : int
        Width of the network's outputs, set by ``build``.
    """

    scores_classes = True  # whether the output of a class, far below the others, takes it out of the comparison

    def build(self, classes: np.ndarray, multilabel: bool = False, order: list | None = None) -> Self:
        """Take the classes, or the labels of a multi-label target, and their order if the target declares one."""
        self.multilabel = multilabel
        self.yes_or_no = multilabel or len(classes) == 2  # else one class among many
        self.n_outputs = 1 if self.yes_or_no and not multilabel else len(classes)
        return self

    def encode(self, target: np.ndarray) -> np.ndarray:
        """Return float32 (n_rows, n_outputs) of zeros and ones, or int64 (n_rows,) for one class among many."""
        if self.yes_or_no:
            return target.reshape(len(target), -1).astype(np.float32)
        return target.astype(np.int64)

    def row_scores(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return 1 where the class, or all labels of a row, are right; the mean is the (subset) accuracy."""
        if self.yes_or_no:
            return ((outputs > 0) == (target > 0.5)).all(1).float()
        return (outputs.argmax(1) == target).float()

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        """Return scores (n_rows,) of the second of two classes, above 0 where it is likelier, else (n_rows, n)."""
        return outputs[:, 0] if self.n_outputs == 1 else outputs

    def predict_proba(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes or labels, (n_rows, n)."""
        if self.multilabel:
            return expit(outputs)
        if self.yes_or_no:
            return np.hstack([expit(-outputs), expit(outputs)])
        return softmax(outputs, axis=1)
