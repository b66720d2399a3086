"""Distinct values parsed as numbers or dates: which are parsed, which are missing, and which are odd."""

import datetime

import numpy as np
import pandas as pd

from sklearn_mm.preprocessing.tabular._date_strings import learn_date_format, parse_dates
from sklearn_mm.preprocessing.tabular._missing_words import is_missing_word
from sklearn_mm.preprocessing.tabular._number_strings import learn_number_format, parse_numbers
from sklearn_mm.preprocessing.tabular._odd_cells import are_few
from sklearn_mm.utils._object_arrays import draw, object_array

__all__ = ["ParsedValues", "read_dates", "read_numbers"]


class ParsedValues:
    """What the distinct values of a column were read as.

    Parameters
    ----------
    distinct : DistinctValues
        The column.
    parsed : numpy.ndarray of float64, or pandas.DatetimeIndex, of shape (n_values + 1,)
        What each value says; NaN or NaT where it is missing or odd, and at the end, for cells that are missing.
    format : object
        How strings were read, so that others are read alike.

    Attributes
    ----------
    is_missing, is_odd, is_parsed : numpy.ndarray of shape (n_values,), dtype bool
        Which values stand for a missing one, hold something else than the column, or were read.
    """

    def __init__(self, distinct, parsed, format):
        self.distinct = distinct
        self.parsed = parsed
        self.format = format
        self.is_parsed = ~pd.isna(parsed[:-1])
        self.is_missing = np.zeros(len(distinct.values), dtype=bool)
        for i in np.flatnonzero(~self.is_parsed):
            value = distinct.values[i]
            self.is_missing[i] = is_missing_word(value) if isinstance(value, str) else str(value).lower() == "nan"
        self.is_odd = ~self.is_parsed & ~self.is_missing

    @property
    def values(self):
        """One entry of ``parsed`` per cell."""
        return self.parsed[self.distinct.codes]

    @property
    def odd(self):
        """Which cells are odd: a bool array."""
        return self.distinct.spread(self.is_odd, False)

    def n_cells(self, of_values):
        """Return how many cells hold the values that are chosen by a bool array."""
        return int(self.distinct.counts[of_values].sum())

    @property
    def n_filled(self):
        """Number of cells with anything but a word for "missing"."""
        return self.n_cells(~self.is_missing)

    def has_few_odd(self, **kwargs):
        """Return whether nearly all cells that are not missing are what the column was read as; see `are_few`."""
        return are_few(self.n_cells(self.is_odd), self.n_filled, **kwargs)


def read_numbers(distinct, format=None):
    """Return the `ParsedValues` of a column of numbers, or of strings that are numbers.

    Parameters
    ----------
    distinct : DistinctValues
        The column.
    format : NumberFormat, default=None
        How strings are written; None learns it.
    """
    parsed = np.full(len(distinct.values) + 1, np.nan)
    places = np.flatnonzero(~distinct.is_string & ~distinct.is_container)
    parsed[places] = _numbers_of_objects([distinct.values[place] for place in places])
    places, strings = distinct.strings()
    format, parsed[places] = _parse(strings, distinct.counts[places], format, learn_number_format, parse_numbers)
    return ParsedValues(distinct, parsed, format)


def read_dates(distinct, format=None):
    """Return the `ParsedValues` of a column of dates, or of strings that are dates, all of them in UTC.

    Parameters
    ----------
    distinct : DistinctValues
        The column.
    format : str, default=None
        How strings are written, as of `learn_date_format`; None learns it.
    """
    places, strings = distinct.strings()
    format, dates = _parse(strings, distinct.counts[places], format, learn_date_format, parse_dates)
    parsed = np.full(len(distinct.values) + 1, "NaT", dtype="datetime64[us]")
    parsed[places] = _in_utc(dates)
    # Bare numbers are no dates: nobody can say whether they count days or seconds.
    others = [i for i, value in enumerate(distinct.values) if isinstance(value, datetime.date | np.datetime64)]
    if others:
        objects = object_array([distinct.values[i] for i in others])
        parsed[others] = _in_utc(pd.to_datetime(objects, errors="coerce", utc=True))
    return ParsedValues(distinct, pd.DatetimeIndex(parsed).tz_localize("UTC"), format)


def _parse(strings, counts, format, learn, parse):
    """Return the format of strings, which is learnt if it is None, and the strings parsed by it.

    What a sample says stands if it holds for all; else all are looked at.
    """
    if format is not None:
        return format, parse(strings, format)
    sample = draw(np.arange(len(strings)))
    format = learn(strings[sample], counts[sample])
    parsed = parse(strings, format)
    if len(sample) < len(strings) and not all(map(is_missing_word, strings[pd.isna(parsed)])):
        format = learn(strings, counts)
        parsed = parse(strings, format)
    return format, parsed


def _in_utc(dates):
    return dates.tz_localize(None).to_numpy().astype("datetime64[us]")


def _numbers_of_objects(values):
    values = object_array([None if isinstance(value, complex) else value for value in values])
    if not len(values):
        return np.empty(0)
    try:
        return np.asarray(pd.to_numeric(values, errors="coerce"), dtype=np.float64)
    except OverflowError:  # an integer beyond the largest float
        return np.array([np.inf if isinstance(v, int) and v.bit_length() > 1023 else 0.0 for v in values])
