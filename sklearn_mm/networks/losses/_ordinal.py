"""The loss of classes in an order."""

from typing import Self

import numpy as np
import torch
import torch.nn.functional as F

from sklearn_mm.networks.losses._base import ClassifierLoss

__all__ = ["OrdinalLoss"]


class OrdinalLoss(ClassifierLoss):
    """Cross-entropy of whether a row lies above each class but the last, for classes that have an order.

    A class that is far from the right one costs more than its neighbour does. The first output is the logit of lying
    above the first class; each further one, made positive by a softplus, is how much lower the logit for the next
    class is. The chances of lying above a class thus fall from class to class, and their differences are
    probabilities: never negative, with the sum one. The paper gets there by one slope for all classes; here each
    distance may depend on the row. Training starts from the frequencies of the classes.

    Parameters
    ----------
    order : list of labels or None, default=None
        The classes from low to high. None is that of ``y`` if it is an ordered pandas Categorical, else the sorted
        order of ``classes_``.

    Notes
    -----
    ``predict`` gives the likeliest class, as for every classifier. The median of ``predict_proba``, the first class in
    the order at which the sum of probabilities reaches one half, errs by fewer classes on average.

    References
    ----------
    Cao, Mirjalili, Raschka: Rank consistent ordinal regression for neural networks with application to age
    estimation. Pattern Recognition Letters, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.networks import OrdinalLoss
    >>> classes = np.array(["negative", "neutral", "positive"])
    >>> loss = OrdinalLoss(order=["negative", "neutral", "positive"]).build(classes)
    >>> loss.fit_target(np.array([0, 1, 1, 2]), np.ones(4))
    >>> loss.predict_proba(np.array([[0.0, 0.0], [4.0, 0.0]])).round(2)
    array([[0.27, 0.45, 0.27],
           [0.01, 0.04, 0.95]])
    """

    _parameter_constraints = {"order": ["array-like", None]}
    scores_classes = False

    def __init__(self, order: list | None = None):
        self.order = order

    def build(self, classes: np.ndarray, multilabel: bool = False, order: list | None = None) -> Self:
        """Take the classes, and the order that the target declares; the parameter goes first."""
        if multilabel:
            raise ValueError(
                f"OrdinalLoss takes one target with ordered classes, got a multi-label target of {len(classes)} "
                "labels. Use loss='cross_entropy' or 'focal', or fit one estimator per label."
            )
        classes = np.asarray(classes).tolist()
        order = self.order if self.order is not None else classes if order is None else order
        order = np.asarray(order).tolist()
        if sorted(map(repr, order)) != sorted(map(repr, classes)):
            raise ValueError(
                f"OrdinalLoss: order must name each class of y once. In y only: {_beyond(classes, order)}; in order "
                f"only: {_beyond(order, classes)}; got order={order}, classes {classes}."
            )
        self.ranks = np.array([order.index(label) for label in classes])
        self.n_outputs = len(classes) - 1
        return self

    def fit_target(self, target: np.ndarray, sample_weight: np.ndarray) -> None:
        """Start from the frequencies of the classes."""
        weight = np.bincount(self.ranks[target], sample_weight / sample_weight.mean(), minlength=len(self.ranks)) + 0.5
        above = 1 - np.cumsum(weight)[:-1] / weight.sum()
        logits = np.log(above / (1 - above))
        self._start = np.concatenate([logits[:1], np.log(np.expm1(-np.diff(logits)))])

    def encode(self, target: np.ndarray) -> np.ndarray:
        """Return the places of the classes in the order, int64 (n_rows,)."""
        return self.ranks[target].astype(np.int64)

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss of each row, (batch,)."""
        logits, _ = self._above(outputs)
        above = (target.unsqueeze(1) > torch.arange(self.n_outputs, device=target.device)).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, above, reduction="none").sum(1)

    def row_scores(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return 1 where the likeliest class is the target; the mean is the accuracy."""
        return (self._log_probabilities(outputs).argmax(1) == target).float()

    def decision_function(self, outputs: np.ndarray) -> np.ndarray:
        """Return the logit of the second of two classes, (n_rows,), else logarithms of the probabilities."""
        scores = self._log_probabilities(torch.from_numpy(outputs)).numpy()[:, self.ranks]
        return scores[:, 1] - scores[:, 0] if self.n_outputs == 1 else scores

    def predict_proba(self, outputs: np.ndarray) -> np.ndarray:
        """Return the probabilities of the classes, (n_rows, n_classes)."""
        return np.exp(self._log_probabilities(torch.from_numpy(outputs)).numpy()[:, self.ranks])

    def _above(self, outputs):
        """Return the logits of lying above each class but the last, and by how much each is below the one before."""
        outputs = outputs + outputs.new_tensor(self._start)
        falls = F.softplus(outputs[:, 1:])
        return torch.cat([outputs[:, :1], outputs[:, :1] - falls.cumsum(1)], 1), falls

    def _log_probabilities(self, outputs):
        """Return the logarithm of the probability of each class in the order, (batch, n_classes)."""
        logits, falls = self._above(outputs)
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a)): in logarithms nothing cancels
        between = F.pad(torch.log(-torch.expm1(-falls.clamp(min=1e-30))), (1, 1))
        return F.pad(F.logsigmoid(logits), (1, 0)) + F.pad(F.logsigmoid(-logits), (0, 1)) + between


def _beyond(labels, others):
    return [label for label in labels if label not in others]
