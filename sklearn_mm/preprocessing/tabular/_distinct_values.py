"""A column as codes of its distinct values, so that Python looks at each value once."""

from collections.abc import Hashable
from functools import cached_property

import numpy as np
import pandas as pd

from sklearn_mm.preprocessing.cells._lists import holds_nothing
from sklearn_mm.utils._object_arrays import object_array

__all__ = ["Container", "DistinctValues"]


class Container:
    """A cell that is a list, an array, a dict or the like, in a column of single values."""

    def __init__(self, cell):
        self.cell = cell


class DistinctValues:
    """The distinct values of a column, and where they are.

    Parameters
    ----------
    column : pandas.Series
        The column.

    Attributes
    ----------
    codes : numpy.ndarray of shape (n_rows,), dtype int64
        Which value each cell has; -1 where it is missing.
    values : list
        The distinct values, in order of appearance; each container as a `Container` of its own.
    is_string, is_container : numpy.ndarray of shape (n_values,), dtype bool
        Which values are strings, and which are containers.
    """

    def __init__(self, column):
        try:
            self.codes, values = pd.factorize(column)
            self.values = values.tolist()
            has_containers = any(map(_can_be_iterated, set(map(type, self.values))))
        except (TypeError, NotImplementedError):  # values without a hash, and nested types of pyarrow
            has_containers = True
        if has_containers:
            self.codes, values = pd.factorize(_wrap_containers(column.to_numpy(dtype=object)))
            self.values = values.tolist()
        self._kinds = set(map(type, self.values))

    @cached_property
    def is_string(self):
        return self._is_a(str)

    @cached_property
    def is_container(self):
        return self._is_a(Container)

    def _is_a(self, wanted):
        kinds = {kind for kind in self._kinds if issubclass(kind, wanted)}
        if kinds == self._kinds:
            return np.ones(len(self.values), dtype=bool)
        if not kinds:
            return np.zeros(len(self.values), dtype=bool)
        return np.fromiter((type(value) in kinds for value in self.values), dtype=bool, count=len(self.values))

    @cached_property
    def counts(self):
        """Number of cells with each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    def strings(self):
        """Return the places of the strings among the values, and these as an object array."""
        places = np.flatnonzero(self.is_string)
        return places, object_array([self.values[place] for place in places])

    def spread(self, of_values, of_missing):
        """Return one entry per cell from one per value, and what stands for missing cells."""
        return np.append(of_values, of_missing)[self.codes]  # -1, the last, is missing


def _wrap_containers(cells):
    """Return cells with a `Container` for each container, and None for those that hold nothing."""
    kinds = {kind for kind in set(map(type, cells)) if not issubclass(kind, Hashable) or _can_be_iterated(kind)}
    wrapped = [cell if type(cell) not in kinds else None if holds_nothing(cell) else Container(cell) for cell in cells]
    return object_array(wrapped)


def _can_be_iterated(kind):
    return hasattr(kind, "__iter__") and not issubclass(kind, str | bytes | bytearray | memoryview)
