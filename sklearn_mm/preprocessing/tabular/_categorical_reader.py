"""A column of categories as ordinal codes."""

from decimal import Decimal
from numbers import Real

import numpy as np

from sklearn_mm.preprocessing.tabular._distinct_values import Container, DistinctValues
from sklearn_mm.preprocessing.tabular._odd_cells import OddCells, can_be_missing, raise_odd_cells

__all__ = ["CategoricalReader"]

_UNSEEN, _MISSING, _FIRST_LEVEL = 0, 1, 2  # codes, as TabularSpec says


class CategoricalReader:
    """Read a column of categories as codes: 0 unseen in fit or too rare there, 1 missing, then the sorted levels."""

    def __init__(self, name, max_categories, min_frequency):
        self.name = name
        self.max_categories = max_categories
        self.min_frequency = min_frequency

    def fit_read(self, column):
        distinct = DistinctValues(column)
        odd = distinct.spread(distinct.is_container, False)
        odd = OddCells.of(column, self.name, "single values", odd)
        if odd and not can_be_missing(column.iloc[odd.rows], distinct.counts.sum()):
            raise_odd_cells(odd, column, "Make strings of them.")
        least = self.min_frequency or 0
        if least < 1:
            least *= len(column)
        values = distinct.values
        frequent = sorted(
            (-count, _order(value), i)
            for i, (value, count) in enumerate(zip(values, distinct.counts, strict=True))
            if count >= least and not _is_no_level(value)
        )[: self.max_categories]
        self.levels = sorted((_plain(values[i]) for *_, i in frequent), key=_order)
        self.cardinality = _FIRST_LEVEL + len(self.levels)
        return *self._codes(distinct.codes, values), odd

    def read(self, column):
        distinct = DistinctValues(column)
        odd = distinct.spread(distinct.is_container, False)
        return *self._codes(distinct.codes, distinct.values), OddCells.of(column, self.name, "single values", odd)

    def _codes(self, codes, values):
        code_of = {level: code for code, level in enumerate(self.levels, start=_FIRST_LEVEL)}
        table = [_MISSING if _is_no_level(value) else code_of.get(value, _UNSEEN) for value in values]
        table = np.array([*table, _MISSING], np.int32)
        unseen = np.flatnonzero(table == _UNSEEN)
        if len(unseen):  # perhaps they only changed their type, as numbers do that are read from a file as text
            by_text = {_text(level): code for level, code in reversed(code_of.items())}
            table[unseen] = [by_text.get(_text(values[i]), _UNSEEN) for i in unseen]
        codes = table[codes]  # -1, the last, is missing
        return codes, codes == _MISSING


def _is_no_level(value):
    """Whether a value is no level: a blank string, or a container."""
    return isinstance(value, Container) or (isinstance(value, str) and not value.strip())


def _order(level):
    """Sort key: numbers by value, then everything else by type and text."""
    if isinstance(level, Real | Decimal):
        return 0, "", level
    return 1, type(level).__name__, str(level)


def _plain(level):
    """The same level whatever type its number came in first: 1 for 1.0, so that row order does not matter."""
    return int(level) if isinstance(level, float | np.floating) and float(level).is_integer() else level


def _text(level):
    return str(_plain(level))
