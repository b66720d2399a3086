"""Values of parameters, compared: which are "auto", which are equal, also across pickles and processes."""

from numbers import Number

import numpy as np
from sklearn.base import BaseEstimator
from tokenizers import Tokenizer

from sklearn_mm.utils._fingerprint import digest
from sklearn_mm.utils._tokenizers import content_of, find_tokenizer

__all__ = ["comparable", "equivalent", "is_auto", "same_parameters"]


def is_auto(value):
    """Return whether a parameter is "auto"."""
    return isinstance(value, str) and value == "auto"


def same_parameters(first, second):
    """Whether two parameters, or all parameters of two estimators, are equal."""
    if isinstance(first, BaseEstimator):
        if type(first) is not type(second):
            return False
        others = second.get_params(deep=False)
        return all(same_parameters(value, others[name]) for name, value in first.get_params(deep=False).items())
    if isinstance(first, Tokenizer) or isinstance(second, Tokenizer):
        return first is second or comparable(first) == comparable(second)
    return first is second or np.array_equal(first, second)


def comparable(value):
    """Return a parameter's value in a form that can be compared and pickled.

    Plain values and sequences of these stay as they are; of functions and objects it is their name and a hash of what
    they hold and do, of tokenizers also where the value is the path of one.
    """
    tokenizer = find_tokenizer(value)
    if tokenizer is not None:
        return str(content_of(tokenizer))
    if value is None or isinstance(value, str | Number):
        return value
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(comparable, value))
    return f"<{getattr(value, '__qualname__', type(value).__qualname__)} {digest(value)}>"


def equivalent(first, second):
    """Return whether two comparable values mean the same; a number stands for a sequence of it, as in sizes."""
    if isinstance(first, Number) and isinstance(second, tuple):
        first = (first,) * len(second)
    elif isinstance(second, Number) and isinstance(first, tuple):
        second = (second,) * len(first)
    return first == second
