"""The one door to scikit-learn's private helpers, so that one file changes when they move."""

import inspect
import re

from sklearn.base import _fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    Options,
    RealNotInt,
    StrOptions,
    generate_invalid_param_val,
)
from sklearn.utils._param_validation import validate_parameter_constraints as _validate
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.multiclass import _check_partial_fit_first_call
from sklearn.utils.validation import _check_sample_weight, _check_y, _get_feature_names, _num_samples

__all__ = [
    "HasMethods",
    "Interval",
    "RealNotInt",
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

_PRIVATE = re.compile(r"(?<=\bsklearn_mm)(\.[a-z]\w*)(?:\.[a-z]\w*)*\._\w+")


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


def validate_parameter_constraints(constraints, params, caller_name):
    """Raise where a parameter is invalid, as scikit-learn does.

    Types of this package are named as users import them, and a class in the place of an instance is told what to write.
    """
    for name, value in params.items():
        types = tuple(filter(inspect.isclass, constraints.get(name, ())))
        if inspect.isclass(value) and issubclass(value, types):
            raise InvalidParameterError(
                f"The {name!r} parameter of {caller_name} must be an instance, got the class {value.__name__}. Did you "
                f"mean the instance {value.__name__}()?"
            )
    try:
        _validate(constraints, params, caller_name=caller_name)
    except InvalidParameterError as error:
        raise InvalidParameterError(_PRIVATE.sub(r"\1", str(error))) from None
