"""How a block was read (the preprocessing that an encoder asks for): parameters of transformers, made comparable."""

from numbers import Number

import numpy as np

from sklearn_mm.utils._fingerprint import digest

__all__ = ["alike", "described"]


def described(value):
    """Return a parameter's value in a form that can be compared and pickled.

    Plain values and sequences of these stay as they are; of functions and objects it is their name and a hash of what
    they hold and do.
    """
    if value is None or isinstance(value, str | Number):
        return value
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(described, value))
    return f"<{getattr(value, '__qualname__', type(value).__qualname__)} {digest(value)}>"


def alike(first, second):
    """Return whether two described values mean the same; a number stands for a sequence of it, as in sizes."""
    if isinstance(first, Number) and isinstance(second, tuple):
        first = (first,) * len(second)
    elif isinstance(second, Number) and isinstance(first, tuple):
        second = (second,) * len(first)
    return first == second
