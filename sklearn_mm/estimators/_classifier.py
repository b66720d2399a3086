"""`MultimodalClassifier`: rows with pictures, texts and numbers in, labels out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin

from sklearn_mm.estimators._supervised import SupervisedMultimodal
from sklearn_mm.estimators._targets import ClassTarget, Target
from sklearn_mm.networks import ClassifierLoss
from sklearn_mm.networks.losses._registry import resolve_classifier_loss
from sklearn_mm.utils._declared_parameters import parameter, with_parameters
from sklearn_mm.utils._validation import StrOptions, _fit_context

__all__ = ["MultimodalClassifier"]


@with_parameters
class MultimodalClassifier(ClassifierMixin, SupervisedMultimodal):
    """Predict labels from rows with pictures, texts, numbers and categories, all in one network.

    Each column of pictures or texts, and the table of all other columns, is read by an encoder of its own; a fusion
    makes one vector of what they say, a head maps it to the classes, and all are trained together. ``y`` may be
    binary, multi-class or a multi-label indicator of shape (n_rows, n_labels).

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; ``arange(n_labels)`` for multi-label targets.
    {fitted_attributes}

    See Also
    --------
    MultimodalRegressor : Predicts numbers.
    sklearn_mm.ModalityTransformer : Reads tables into `Blocks`, for a Pipeline of two steps.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import MultimodalClassifier
    >>> X = pd.DataFrame({
    ...     "photo": [np.full((16, 16, 3), shade, dtype=np.uint8) for shade in [10, 20, 30, 200, 210, 220] * 5],
    ...     "title": ["a dark night", "black cat", "deep night", "white snow", "bright day", "a white cat"] * 5,
    ... })
    >>> y = ["night", "night", "night", "day", "day", "day"] * 5
    >>> clf = MultimodalClassifier(random_state=0, max_epochs=10).fit(X, y)
    >>> clf.predict(X[:2])
    array(['night', 'night'], dtype='<U5')
    """

    _doc_words = {
        **SupervisedMultimodal._doc_words,
        "outputs": "classes",
        "kept": "classes",
        "stratified": " (stratified, except for multi-label targets)",
        "scorer": "roc_auc",
        "losses": "",
    }

    loss: str | ClassifierLoss = parameter(
        default="cross_entropy",
        constraints=[str, ClassifierLoss],
        before="modality_dropout",
        doc="""str or ClassifierLoss
        What the network is trained by: "cross_entropy", "focal" (rows that are told well count less), "ordinal"
        (classes in an order, such as negative, neutral, positive), or a `ClassifierLoss`:
        ``CrossEntropyLoss(label_smoothing=0.1)``, ``OrdinalLoss(order=["low", "high"])``.""",
    )
    class_weight: dict | list[dict] | str | None = parameter(
        default=None,
        constraints=[StrOptions({"balanced"}), dict, list, None],
        before="max_epochs",
        doc="""dict, list of dict, "balanced" or None
        Weights of the classes in the loss; "balanced" gives each class the same total. For multi-label targets the
        zeros and ones of each label are weighted within that label's own loss: a dict holds for all labels, a list
        has one dict per label. Classes that a dict does not name have weight 1; those that it names and ``y`` lacks, as
        a fold may, are ignored, with a warning where others are not named.""",
    )
    early_stopping: bool | str = parameter(
        default="auto",
        doc="""bool or "auto"
        Whether to stop when ``scoring`` on the validation rows no longer gets better, and to restore the best epoch's
        weights. "auto" does so if validation rows are passed to `fit`, which then also settle how much of the rest is
        added to the wide part. Without validation rows, that is a quarter.""",
    )

    _resolve_loss = staticmethod(resolve_classifier_loss)

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Go once through the rows of ``X``, on from the weights that are there.

        The first call learns how to read rows, which then stays, as network and loss do. The learning rate is ``lr``
        throughout, and the state of the optimiser is kept for the next call.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : array-like of shape (n_rows,) or (n_rows, n_labels)
            Labels, not necessarily all of them.
        classes : array-like of shape (n_classes,), default=None
            All labels that there will be; for multi-label targets the numbers of the columns. Needed in the first call,
            and may be left out in the others.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return what the classes are decided by: logits, or logarithms of probabilities with the ordinal loss.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        scores : ndarray of shape (n_rows,), (n_rows, n_classes) or (n_rows, n_labels)
            One column for each class or label; for two classes the logit of ``classes_[1]``.
        """
        outputs = self.outputs(X)
        return self._loss.decision_function(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, or of each label, for the rows of ``X``.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        probabilities : ndarray of shape (n_rows, n_classes) or (n_rows, n_labels)
            Columns in the order of ``classes_``. Rows sum to one, except for multi-label targets.
        """
        outputs = self.outputs(X)
        return self._loss.predict_proba(outputs)

    def predict(self, X: Any) -> np.ndarray:
        """Return the label of each row of ``X``.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        y : ndarray of shape (n_rows,) or (n_rows, n_labels)
            The likeliest class; for multi-label targets 1 where a label's probability is above 0.5, else 0.
        """
        scores = self.decision_function(X)
        return self._target.decode(scores)

    def make_target(self) -> Target:
        """Return what ``y`` is.

        Returns
        -------
        target : Target
            Not fitted.
        """
        return ClassTarget(type(self).__name__, self.class_weight)

    def _fit_target(self, y):
        encoded = super()._fit_target(y)
        self._take_classes()
        return encoded

    def _fit_partial_target(self, y, goes_on, classes):
        if self._target.fit_partial(y, classes):
            self._take_classes()
        return self._encode_target(y, "y")

    def _take_classes(self):
        self.classes_ = self._target.classes_
        self._loss = self._make_loss().build(self.classes_, self._target.is_multilabel_, self._target.order_)

    def _start_target(self, rows):
        self._loss.fit_target(rows.target, self._target.element_weight(rows.target, rows.weight))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
