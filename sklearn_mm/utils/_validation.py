"""The one door to scikit-learn's private helpers, so that one file changes when they move."""

from sklearn.base import _fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    StrOptions,
    generate_invalid_param_val,
    validate_parameter_constraints,
)
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight, _check_y, _get_feature_names, _num_samples

__all__ = [
    "HasMethods",
    "Interval",
    "StrOptions",
    "TupleOf",
    "_BaseComposition",
    "_check_partial_fit_first_call",
    "_check_sample_weight",
    "_check_y",
    "_fit_context",
    "_get_feature_names",
    "_num_samples",
    "generate_invalid_param_val",
    "validate_parameter_constraints",
]


class TupleOf(Options):
    """A tuple or list whose elements all satisfy one constraint (scikit-learn takes subclasses of its own only)."""

    def __init__(self, element, min_length=0):
        super().__init__(tuple, set())
        self.element = element
        self.min_length = min_length

    def is_satisfied_by(self, val):
        if not isinstance(val, tuple | list) or len(val) < self.min_length:
            return False
        return all(self.element.is_satisfied_by(element) for element in val)

    def __str__(self):
        return f"a tuple of at least {self.min_length} elements, each {self.element}"
