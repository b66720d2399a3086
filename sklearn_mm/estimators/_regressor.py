"""`MultimodalRegressor`: rows with pictures, texts and numbers in, numbers out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import MultiOutputMixin, RegressorMixin

from sklearn_mm.estimators._supervised import SupervisedMultimodal
from sklearn_mm.estimators._targets import NumberTarget, Target
from sklearn_mm.networks import RegressorLoss
from sklearn_mm.networks.losses._registry import resolve_regressor_loss
from sklearn_mm.utils._declared_parameters import parameter, with_parameters
from sklearn_mm.utils._validation import _fit_context

__all__ = ["MultimodalRegressor"]


@with_parameters
class MultimodalRegressor(MultiOutputMixin, RegressorMixin, SupervisedMultimodal):
    """Predict numbers from rows with pictures, texts, numbers and categories, all in one network.

    Each column of pictures or texts, and the table of all other columns, is read by an encoder of its own; a fusion
    makes one vector of what they say, a head maps it to the targets, and all are trained together. Targets are
    shifted and scaled inside, as the loss wants it.

    Attributes
    ----------
    target_center_, target_scale_ : ndarray of shape (n_targets,)
        What is subtracted from the targets in training, and what they are divided by then: mean and standard deviation
        for the squared error; other losses say theirs.
    {fitted_attributes}

    See Also
    --------
    MultimodalClassifier : Predicts labels.
    sklearn_mm.ModalityTransformer : Reads tables into `Blocks`, for a Pipeline of two steps.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mm import MultimodalRegressor
    >>> X = pd.DataFrame({
    ...     "advert": ["small flat in the old town", "large house with a garden", "a large flat by the park"] * 20,
    ...     "rooms": [1, 6, 4] * 20,
    ... })
    >>> reg = MultimodalRegressor(random_state=0, max_epochs=10).fit(X, [100, 600, 400] * 20)
    >>> reg.predict(X[:2]).shape
    (2,)
    """

    _doc_words = {
        **SupervisedMultimodal._doc_words,
        "outputs": "targets",
        "kept": "target scaling",
        "stratified": "",
        "scorer": "r2",
        "losses": "\n    Losses are those of shifted and scaled targets.",
    }

    loss: str | RegressorLoss = parameter(
        default="squared_error",
        constraints=[str, RegressorLoss],
        before="modality_dropout",
        doc="""str or RegressorLoss
        What the network is trained by: "squared_error" (predicts means), "absolute_error" (medians), "huber" (between
        the two), "quantile" (the median, unless ``QuantileLoss(quantile=0.9)`` says otherwise), "poisson" (rates of
        counts; needs ``y >= 0``), or a `RegressorLoss`.""",
    )
    early_stopping: bool | str = parameter(
        default="auto",
        doc="""bool or "auto"
        Whether to stop when ``scoring`` on the validation rows no longer gets better, and to restore the best epoch's
        weights. "auto" does so if validation rows are passed to `fit`, and if there is a wide part and are 30 rows or
        more: then at least 50 rows, but no more than a third, or ``validation_fraction`` if that is more, are held out,
        which also settle how much of the rest is added to the wide part. Without validation rows, all of it is.""",
    )

    _resolve_loss = staticmethod(resolve_regressor_loss)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Go once through the rows of ``X``, on from the weights that are there.

        The first call learns how to read rows and how targets are scaled; both then stay, as network and loss do. The
        learning rate is ``lr`` throughout, and the state of the optimiser is kept for the next call.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : array-like of shape (n_rows,) or (n_rows, n_targets)
            Targets.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted targets of the rows of ``X``.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_targets), dtype float64
            Predictions in the units of the targets.
        """
        outputs = self.outputs(X)
        y = self._loss.predict(outputs)
        return y if self._target.shape_ else y[:, 0]

    def make_target(self) -> Target:
        """Return what ``y`` is.

        Returns
        -------
        target : Target
            Not fitted.
        """
        return NumberTarget(type(self).__name__)

    def _fit_target(self, y):
        loss = self._make_loss()
        target = super()._fit_target(y)
        loss.check(target, "y")
        self._loss = loss.build(target.shape[1])
        return target

    def _encode_target(self, y, name="y_val", complete=False):
        target = super()._encode_target(y, name, complete)
        self._loss.check(target, name)
        return target

    def _start_target(self, rows):
        self._loss.fit_target(rows.target, rows.weight)
        self.target_center_, self.target_scale_ = self._loss.center_, self._loss.scale_
