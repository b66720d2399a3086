"""What a target is: classes, labels, numbers, or none; what is learnt of it, and what its elements weigh."""

from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sklearn_mm.estimators._class_weights import class_weights, label_weights
from sklearn_mm.estimators._target_checks import check_labels, check_numbers
from sklearn_mm.utils._validation import _check_partial_fit_first_call, _check_y

__all__ = ["ClassTarget", "NoTarget", "NumberTarget", "Target"]


class Target:
    """Base of what estimators learn to predict.

    A subclass owes ``fit(y)``, which learns the form of ``y`` and returns it as an array, or a `Ragged`, with an entry
    per row, and ``encode(y, name, complete)``, which does so for other rows. What it learns is kept in attributes that
    end in an underscore: these stay where training goes on.

    Parameters
    ----------
    owner : str
        Name of the estimator, for error messages.
    """

    needed = True  # whether there must be a y

    def __init__(self, owner: str):
        self.owner = owner

    def fit(self, y: Any) -> Any:
        """Learn the form of the target, and return it as an array."""
        raise NotImplementedError

    def encode(self, y: ArrayLike, name: str = "y_val", complete: bool = False) -> Any:
        """Return the target of other rows as an array.

        Parameters
        ----------
        y : array-like
            The target.
        name : str, default="y_val"
            What the user calls it.
        complete : bool, default=False
            Whether it must have all that there was in `fit`, as where training goes on with other rows.
        """
        raise NotImplementedError

    def weighed(self, encoded: Any, partial: bool = False) -> Self:
        """Return a target that knows what its elements weigh in training with these rows.

        With ``partial``, these are some of the rows.
        """
        return self

    def element_weight(self, encoded: Any, sample_weight: np.ndarray | None) -> np.ndarray:
        """Return what rows, (n_rows,), or their elements weigh in the loss."""
        return sample_weight

    def strata(self, encoded: Any) -> np.ndarray | None:
        """Return what should be as frequent among held-out rows as among all, (n_rows,), dtype int; None if nothing."""
        return None

    def groups(self, encoded: Any) -> np.ndarray | None:
        """Return a number for each row, (n_rows,), dtype int: those with one number are held out together.

        None of less than 0 is held out. Without any numbers, None, each row may be.
        """
        return None


class NoTarget(Target):
    """For tasks that learn from the rows alone."""

    needed = False

    def fit(self, y: Any) -> Any:
        """Take no target."""

    def encode(self, y: Any, name: str = "y_val", complete: bool = False) -> Any:
        """Take no target."""


class NumberTarget(Target):
    """Numbers, one or several for each row.

    Attributes
    ----------
    shape_ : tuple of int
        Shape of one row's target: () or (n_targets,).
    """

    def fit(self, y: Any) -> Any:
        target = self._checked(y, "y")
        self.shape_ = target.shape[1:]
        return target.reshape(len(target), -1)

    def encode(self, y: ArrayLike, name: str = "y_val", complete: bool = False) -> Any:
        target = self._checked(y, name)
        if target.shape[1:] != self.shape_:
            before = "y" if name == "y_val" else "y of the call before"
            expected = "".join(f", {n}" for n in self.shape_) or ","
            raise ValueError(f"{name} must have the shape of {before}, (n_rows{expected}), got {target.shape}.")
        return target.reshape(len(target), -1)

    def _checked(self, y, name):
        if sparse.issparse(y):
            raise TypeError(f"{self.owner} needs a dense target, got a sparse one. Pass y.toarray().")
        check_numbers(y, name, self.owner)
        return _check_y(y, multi_output=True, y_numeric=True, estimator=self.owner).astype(np.float64)


class ClassTarget(Target):
    """One class for each row, or a multi-label indicator of zeros and ones.

    Parameters
    ----------
    owner : str
        Name of the estimator, for error messages.
    class_weight : dict, list of dict, "balanced" or None
        Weights of the classes, or of the zeros and ones of each label.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; ``arange(n_labels)`` for multi-label targets.
    is_multilabel_ : bool
        Which of the two it is.
    order_ : list or None
        The classes from low to high if the target declares an order, as an ordered pandas Categorical does.
    """

    def __init__(self, owner: str, class_weight: dict | list[dict] | str | None):
        super().__init__(owner)
        self.class_weight = class_weight

    def fit(self, y: Any) -> Any:
        check_labels(y, "y")
        check_classification_targets(y)
        self.is_multilabel_ = type_of_target(y, input_name="y") == "multilabel-indicator"
        target = self._checked(y)
        if self.is_multilabel_:
            self.classes_ = np.arange(target.shape[1])
        else:
            self.classes_, target = np.unique(target, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{self.owner} needs at least two classes in y, got one class: {self.classes_.tolist()}.")
        self.order_ = _declared_order(y, self.classes_)
        return target

    def fit_partial(self, y: Any, classes: Any) -> bool:
        """Learn the classes in the first call of ``partial_fit``, else check them; returns whether it is the first."""
        if "balanced" in (self.class_weight if isinstance(self.class_weight, list) else [self.class_weight]):
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit, which sees some of the rows at a time. Pass "
                "a dict, of compute_class_weight('balanced', classes=classes, y=y) over all of them for example."
            )
        if not _check_partial_fit_first_call(self, classes):
            return False
        if len(self.classes_) < 2:
            raise ValueError(f"{self.owner} needs at least two classes, got {self.classes_.tolist()}.")
        self.is_multilabel_ = type_of_target(y, input_name="y") == "multilabel-indicator"
        if self.is_multilabel_ and not np.array_equal(self.classes_, np.arange(len(self.classes_))):
            raise ValueError(
                f"classes of multi-label targets are the numbers of their columns, range({len(self.classes_)}), "
                f"got {self.classes_.tolist()}."
            )
        self.order_ = _declared_order(y, self.classes_)
        return True

    def encode(self, y: ArrayLike, name: str = "y_val", complete: bool = False) -> Any:
        check_labels(y, name)
        y = self._checked(y)
        before = "y" if name == "y_val" else "the call before"
        if self.is_multilabel_:
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

    def weighed(self, encoded: Any, partial: bool = False) -> Self:
        target = copy(self)
        if self.is_multilabel_:
            target.weights_ = label_weights(self.class_weight, encoded)
            return target
        used = np.unique(encoded)
        if len(used) < 2 and not partial:
            raise ValueError(
                f"{self.owner} needs at least two classes in the rows with a weight above 0, got one class: "
                f"{self.classes_[used].tolist()}."
            )
        target.weights_ = class_weights(self.class_weight, self.classes_, encoded)
        if not partial and not target.weights_[used].any():
            raise ValueError(
                f"class_weight must leave a class that counts, got only zeros for {self.classes_[used].tolist()}."
            )
        return target

    def element_weight(self, encoded: Any, sample_weight: np.ndarray | None) -> np.ndarray:
        if self.is_multilabel_:
            labels = np.arange(len(self.classes_))
            return sample_weight[:, np.newaxis] * self.weights_[labels, encoded]
        return sample_weight * self.weights_[encoded]

    def strata(self, encoded: Any) -> np.ndarray | None:
        return None if self.is_multilabel_ else encoded

    def decode(self, scores: np.ndarray) -> np.ndarray:
        """Return the labels (n_rows,) or (n_rows, n_labels) that decision scores speak for."""
        if self.is_multilabel_:
            return (scores > 0).astype(np.int64)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]

    def _checked(self, y):
        if self.is_multilabel_:
            y = y.toarray() if sparse.issparse(y) else np.asarray(y)
            other = np.setdiff1d(y, [0, 1])
            if len(other):
                raise ValueError(f"Multi-label targets must be 0 or 1, got {other[:5].tolist()} among them.")
            return y.astype(np.int64)
        return _check_y(y, estimator=self.owner)


def _declared_order(y, classes):
    """Return the classes among the categories of an ordered pandas Categorical, from low to high, else None."""
    if not getattr(getattr(y, "dtype", None), "ordered", False):
        return None
    return [label for label in y.dtype.categories if label in classes]
