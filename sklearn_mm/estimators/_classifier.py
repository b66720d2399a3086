"""`MultimodalClassifier`: rows with pictures, texts and numbers in, labels out."""

import warnings
from math import inf
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._network import checked_clone
from sklearn_mm.estimators._targets import check_labels
from sklearn_mm.networks import ClassifierLoss
from sklearn_mm.networks.losses._registry import resolve_classifier_loss
from sklearn_mm.utils._parameters import parameter, with_parameters
from sklearn_mm.utils._validation import StrOptions, _check_partial_fit_first_call, _check_y, _fit_context

__all__ = ["MultimodalClassifier"]


@with_parameters
class MultimodalClassifier(ClassifierMixin, BaseMultimodal):
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

    _share = 0.25  # what is surer of its training rows than of others counts less
    _doc_words = {
        **BaseMultimodal._doc_words,
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

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
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
        with self._learner(1) as (learner, tasks):
            learner._check_rows(X, y)
            learner._start_partial_fit(y, classes)
            learner._learn_more(tasks, X, y, learner._encode_target(y, "y"), sample_weight)
        return self

    def _start_partial_fit(self, y, classes):
        """Learn the classes in the first call of `partial_fit`, and check them in the others."""
        if "balanced" in (self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees some of the rows at a time. Pass "
                "a dict, of compute_class_weight('balanced', classes=classes, y=y) over all of them for example."
            )
        if not _check_partial_fit_first_call(self, classes):
            return
        if len(self.classes_) < 2:
            raise ValueError(f"{type(self).__name__} needs at least two classes, got {self.classes_.tolist()}.")
        self._is_multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
        if self._is_multilabel and not np.array_equal(self.classes_, np.arange(len(self.classes_))):
            raise ValueError(
                f"classes of multi-label targets are the numbers of their columns, range({len(self.classes_)}), "
                f"got {self.classes_.tolist()}."
            )
        self._build_loss(y)

    def decision_function(self, X):
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
        outputs = self._map(X)
        return self._loss.decision_function(outputs)

    def predict_proba(self, X):
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
        outputs = self._map(X)
        return self._loss.predict_proba(outputs)

    def predict(self, X):
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
        if self._is_multilabel:
            return (scores > 0).astype(np.int64)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    @property
    def _stratify(self):
        return not self._is_multilabel

    def _fit_target(self, y):
        check_labels(y, "y")
        check_classification_targets(y)
        self._is_multilabel = type_of_target(y, input_name="y") == "multilabel-indicator"
        target = self._checked(y)
        if self._is_multilabel:
            self.classes_ = np.arange(target.shape[1])
        else:
            self.classes_, target = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in y, got one class: {self.classes_.tolist()}."
            )
        self._build_loss(y)
        return target

    def _build_loss(self, y):
        loss = checked_clone(resolve_classifier_loss(self.loss))
        self._loss = loss.build(self.classes_, self._is_multilabel, _declared_order(y, self.classes_))

    def _encode_target(self, y, name="y_val", complete=False):
        check_labels(y, name)
        y = self._checked(y)
        before = "y" if name == "y_val" else "the call before"
        if self._is_multilabel:
            if y.shape[1:] != self.classes_.shape:
                raise ValueError(f"{name} must have the {len(self.classes_)} labels of {before}, got shape {y.shape}.")
            return y
        classes = np.unique(y)
        if complete and not np.array_equal(classes, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self.classes_}, `y` has {classes}."
            )
        unknown = np.setdiff1d(classes, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} has classes that {before} lacks: {unknown.tolist()}. Known: {self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _checked(self, y):
        if self._is_multilabel:
            y = y.toarray() if sparse.issparse(y) else np.asarray(y)
            other = np.setdiff1d(y, [0, 1])
            if len(other):
                raise ValueError(f"Multi-label targets must be 0 or 1, got {other[:5].tolist()} among them.")
            return y.astype(np.int64)
        return _check_y(y, estimator=self)

    def _start_target(self, target, weight):
        self._loss.fit_target(target, self._element_weight(target, weight))

    def _weigh_target(self, target, partial=False):
        """Learn the weights of the classes, or of the zeros and ones of each label, from ``class_weight``."""
        if self._is_multilabel:
            choices = self.class_weight
            if not isinstance(choices, list):
                choices = [choices] * len(self.classes_)
            if len(choices) != len(self.classes_):
                raise ValueError(
                    f"class_weight must have one dict for each of the {len(self.classes_)} labels, got {len(choices)}."
                )
            for choice in choices:
                if isinstance(choice, dict) and not {0, 1}.issuperset(choice):
                    unknown = [label for label in choice if label not in (0, 1)]
                    raise ValueError(f"class_weight names {unknown}, which is not among the labels [0, 1].")
            columns = zip(choices, target.T, strict=True)
            self._class_weight = np.stack([_class_weight(choice, np.arange(2), column) for choice, column in columns])
            return
        used = np.unique(target)
        if len(used) < 2 and not partial:
            raise ValueError(
                f"{type(self).__name__} needs at least two classes in the rows with a weight above 0, got one class: "
                f"{self.classes_[used].tolist()}."
            )
        if isinstance(self.class_weight, list):
            raise ValueError("class_weight takes a list of dicts for multi-label targets only; pass a dict.")
        self._class_weight = _class_weight(self.class_weight, self.classes_, target)
        if not partial and not self._class_weight[used].any():
            raise ValueError(
                f"class_weight must leave a class that counts, got only zeros for {self.classes_[used].tolist()}."
            )

    def _loss_target(self, target):
        return self._loss.encode(target)

    def _element_weight(self, target, sample_weight):
        if self._is_multilabel:
            labels = np.arange(len(self.classes_))
            return sample_weight[:, np.newaxis] * self._class_weight[labels, target]
        return (sample_weight * self._class_weight[target]).reshape(self._loss.encode(target).shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _class_weight(choice, labels, target):
    """Return the weight of each label by a ``class_weight``; ``target`` holds numbers of labels, not all of them."""
    if isinstance(choice, dict):
        _check_class_weight(choice, labels.tolist())
        return np.array([choice.get(label, 1.0) for label in labels.tolist()], dtype=np.float64)
    weights = np.ones(len(labels))
    used = np.unique(target)
    weights[used] = compute_class_weight(choice, classes=used, y=target)
    return weights


def _check_class_weight(weights, labels):
    """Raise where a weight is none; warn of keys that are no label if, as in a misspelt dict, a label has no key."""
    if not all(isinstance(weight, Real) and 0 <= weight < inf for weight in weights.values()):
        raise ValueError(f"class_weight must have numbers from 0 on, got {weights}.")
    if not any(weights.get(label, 1) for label in labels):
        raise ValueError(f"class_weight must leave a class that counts, got only zeros: {weights}.")
    unknown = [label for label in weights if label not in labels]
    weightless = [label for label in labels if label not in weights]
    if unknown and weightless:  # otherwise they may well be classes that a fold lacks
        alike = {str(label) for label in unknown} & {str(label) for label in weightless}
        warnings.warn(
            f"class_weight names {unknown}, which no row of y is; {weightless} are not named and count with weight 1."
            + (f" Keys need the type of the labels, {type(weightless[0]).__name__}." if alike else ""),
            stacklevel=2,
        )


def _declared_order(y, classes):
    """Return the classes among the categories of an ordered pandas Categorical, from low to high, else None."""
    if not getattr(getattr(y, "dtype", None), "ordered", False):
        return None
    return [label for label in y.dtype.categories if label in classes]
