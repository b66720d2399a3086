"""What classes, or the zeros and ones of labels, weigh in the loss, by ``class_weight``."""

import warnings
from math import inf
from numbers import Real

import numpy as np
from sklearn.utils import compute_class_weight

__all__ = ["class_weights", "label_weights"]


def class_weights(class_weight, classes, encoded):
    """Return the weight of each class, (n_classes,); ``encoded`` holds numbers of classes, not all of them."""
    if isinstance(class_weight, list):
        raise ValueError("class_weight takes a list of dicts for multi-label targets only; pass a dict.")
    return _weights(class_weight, classes, encoded)


def label_weights(class_weight, encoded):
    """Return the weights of the zeros and ones of each label, (n_labels, 2); ``encoded`` is their indicator."""
    n_labels = encoded.shape[1]
    choices = class_weight if isinstance(class_weight, list) else [class_weight] * n_labels
    if len(choices) != n_labels:
        raise ValueError(f"class_weight must have one dict for each of the {n_labels} labels, got {len(choices)}.")
    for choice in choices:
        if isinstance(choice, dict) and not {0, 1}.issuperset(choice):
            unknown = [label for label in choice if label not in (0, 1)]
            raise ValueError(f"class_weight names {unknown}, which is not among the labels [0, 1].")
    return np.stack([_weights(choice, np.arange(2), column) for choice, column in zip(choices, encoded.T, strict=True)])


def _weights(choice, labels, target):
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
