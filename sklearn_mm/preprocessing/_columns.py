"""How one column of a table becomes numbers or codes: what kind it is, and a reader for each kind."""

import datetime
import re
from collections.abc import Hashable
from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.preprocessing import QuantileTransformer

from sklearn_mm.preprocessing._vectors import are_vectors

__all__ = ["KINDS", "CategoricalReader", "DatetimeReader", "NumericReader", "detect_column_kind"]

KINDS = ("numeric", "categorical", "datetime", "vector")

_UNSEEN, _MISSING, _FIRST_LEVEL = 0, 1, 2  # codes, as TabularSpec says
_NUMERIC = {"integer", "floating", "mixed-integer-float", "decimal", "complex", "timedelta", "timedelta64"}
_DATETIME = {"datetime", "datetime64", "date", "period"}
_OBJECTS = {"mixed", "unknown-array"}
_N_SAMPLED = 1000
_ISO_DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?\s*")
_EPOCH = pd.Timestamp(0).as_unit("s")
_N_QUANTILES = 1000
_LARGEST = 1e9  # of a scaled number; its square is still far from the end of float32


def detect_column_kind(column):
    """Return "numeric", "categorical", "datetime" or "vector" for a column of a pandas table.

    Numbers and durations are numeric. Dates, and strings that all are ISO 8601 dates (2024-03-31, 2024-03-31T12:00),
    are datetime. Columns with vectors in most cells (1-D arrays, lists or tuples of numbers) are vectors. Everything
    else is categorical: other strings (those of digits too, which may be codes), booleans, the category dtype,
    mixtures, and object columns without any value.

    Parameters
    ----------
    column : pandas.Series
        The column.

    Returns
    -------
    kind : {"numeric", "categorical", "datetime", "vector"}
        What the column is read as.
    """
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred in _NUMERIC:
        return "numeric"
    if inferred in _DATETIME:
        return "datetime"
    if inferred == "string":
        levels = [level for level in pd.unique(column.dropna()) if level.strip()]
        if levels and all(map(_ISO_DATE.fullmatch, levels)) and pd.NaT not in _parse_dates(levels):
            return "datetime"
    if inferred in _OBJECTS and are_vectors(column.dropna().iloc[:_N_SAMPLED]):
        return "vector"
    return "categorical"


class NumericReader:
    """Read a column of numbers as its scaled values and, where some were missing in fit, a 0/1 column that says so."""

    def __init__(self, name, scaling, add_indicator):
        self.name = name
        self.scaling = _Scaling(scaling)
        self.add_indicator = add_indicator

    def fit_read(self, column):
        values = _numbers(column, self.name)
        self.scaling.fit(values)
        self.has_indicator = bool(self.add_indicator and np.isnan(values).any())
        return self._features(values)

    def read(self, column):
        return self._features(_numbers(column, self.name))

    def feature_names(self, name):
        return [name] + [f"{name}_missing"] * self.has_indicator

    def _features(self, values):
        missing = np.isnan(values)
        columns = [self.scaling.apply(values)] + [missing] * self.has_indicator
        return np.stack(columns, axis=1, dtype=np.float32), missing


class DatetimeReader:
    """Read a column of dates as the scaled time since 1970 and its places in the year, month, week and day.

    A place is a pair of sine and cosine, so that December is next to January; one that never varies in fit is left out.
    """

    def __init__(self, name, scaling, add_indicator):
        self.name = name
        self.scaling = _Scaling(scaling)
        self.add_indicator = add_indicator

    def fit_read(self, column):
        dates = _dates(column, self.name)
        self.timezone = dates.tz
        seconds, phases = self._times(dates)
        self.scaling.fit(seconds)
        self.phases = [name for name, phase in phases.items() if _varies(phase)]
        self.has_indicator = bool(self.add_indicator and np.isnan(seconds).any())
        return self._features(seconds, phases)

    def read(self, column):
        return self._features(*self._times(_dates(column, self.name)))

    def feature_names(self, name):
        phases = [f"{name}_{phase}_{part}" for phase in self.phases for part in ("sin", "cos")]
        return [f"{name}_seconds", *phases] + [f"{name}_missing"] * self.has_indicator

    def _times(self, dates):
        """Seconds since 1970, and the share of the year, month, week and day that is over, all on the local clock."""
        if dates.tz is not None:
            dates = dates.tz_convert(self.timezone or "UTC").tz_localize(None)
        seconds = np.asarray((dates - _EPOCH).total_seconds(), dtype=np.float64)
        day = seconds % 86_400 / 86_400
        return seconds, {
            "day_of_year": (np.asarray(dates.day_of_year) - 1 + day) / (365 + dates.is_leap_year),
            "day": (np.asarray(dates.day) - 1 + day) / np.asarray(dates.days_in_month),
            "day_of_week": (np.asarray(dates.day_of_week) + day) / 7,
            "hour": day,
        }

    def _features(self, seconds, phases):
        missing = np.isnan(seconds)
        columns = [self.scaling.apply(seconds)]
        for name in self.phases:
            angle = 2 * np.pi * phases[name]
            columns += [np.where(missing, 0, np.sin(angle)), np.where(missing, 0, np.cos(angle))]
        columns += [missing] * self.has_indicator
        return np.stack(columns, axis=1, dtype=np.float32), missing


class CategoricalReader:
    """Read a column of categories as codes: 0 unseen in fit or too rare there, 1 missing, then the sorted levels."""

    def __init__(self, name, max_categories, min_frequency):
        self.name = name
        self.max_categories = max_categories
        self.min_frequency = min_frequency

    def fit_read(self, column):
        codes, values = _distinct(column, self.name)
        counts = np.bincount(codes[codes >= 0], minlength=len(values))
        least = self.min_frequency or 0
        if least < 1:
            least *= len(column)
        frequent = sorted(
            (-count, _order(value), i)
            for i, (value, count) in enumerate(zip(values, counts, strict=True))
            if count >= least and not _is_blank(value)
        )[: self.max_categories]
        self.levels = sorted((_plain(values[i]) for *_, i in frequent), key=_order)
        self.cardinality = _FIRST_LEVEL + len(self.levels)
        return self._codes(codes, values)

    def read(self, column):
        return self._codes(*_distinct(column, self.name))

    def _codes(self, codes, values):
        known = {level: code for code, level in enumerate(self.levels, start=_FIRST_LEVEL)}
        table = np.array([_MISSING if _is_blank(v) else known.get(v, _UNSEEN) for v in values] + [_MISSING], np.int32)
        unseen = np.flatnonzero(table == _UNSEEN)
        if len(unseen):  # perhaps they only changed their type, as numbers do that are read from a file as text
            by_text = {_text(level): code for level, code in reversed(known.items())}
            table[unseen] = [by_text.get(_text(values[i]), _UNSEEN) for i in unseen]
        codes = table[codes]  # -1, the last, is missing
        return codes, codes == _MISSING


class _Scaling:
    """Centre and scale of one column of numbers; what is missing becomes the centre, 0."""

    def __init__(self, method):
        self.method = method

    def fit(self, values):
        known = values[~np.isnan(values)]
        self.is_constant = not _varies(known)
        if self.is_constant:
            return
        # Dividing by a power of two costs no precision and keeps differences and squares of huge numbers finite.
        self.exponent = np.frexp(np.abs(known).max())[1]
        known = np.ldexp(known, -self.exponent)
        if self.method == "quantile":
            n_quantiles = min(_N_QUANTILES, len(known))
            self.quantiles = QuantileTransformer(
                n_quantiles=n_quantiles, output_distribution="normal", subsample=None
            ).fit(known[:, None])
        elif self.method == "standard":
            self.centre, self.width = known.mean(), known.std()
        else:
            low, first, self.centre, third, high = np.quantile(known, [0, 0.25, 0.5, 0.75, 1])
            self.width = third - first or (high - low) / 2

    def apply(self, values):
        if self.is_constant:
            return np.zeros(len(values), dtype=np.float32)
        with np.errstate(over="ignore"):
            values = np.ldexp(values, -self.exponent)
            if self.method != "quantile":
                values = (values - self.centre) / self.width
        values = np.clip(values, -_LARGEST, _LARGEST)
        if self.method == "quantile":
            values = self.quantiles.transform(values[:, None])[:, 0] if len(values) else values
        elif self.method == "robust":
            values = values / np.sqrt(1 + (values / 3) ** 2)
        return np.nan_to_num(values, nan=0.0).astype(np.float32)


def _varies(values):
    known = values[~np.isnan(values)]
    return len(known) > 0 and known.min() < known.max()


def _numbers(column, name):
    """A column as float64, NaN where missing; durations in seconds."""
    dtype = column.dtype
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "complex":
        raise ValueError(f"Complex data not supported: TabularTransformer got complex numbers in column {name!r}.")
    if inferred.startswith("timedelta"):
        values = pd.to_timedelta(column).dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
    elif pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        with np.errstate(over="ignore"):
            if isinstance(dtype, np.dtype):
                values = column.to_numpy(dtype=np.float64)
            else:
                values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        values = _numbers_of_objects(column, name)
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('float64'): column {name!r} does in "
            f"{infinite.sum()} of {len(values)} cells ({_rows(infinite)}). Replace these, for example with "
            f"X.replace([np.inf, -np.inf], np.nan)."
        )
    return values


def _numbers_of_objects(column, name):
    codes, distinct = _distinct(column, name)
    distinct.append(np.nan)  # what the code -1 leads to
    real = _object_array([None if isinstance(v, complex) else v for v in distinct])
    try:
        numbers = np.asarray(pd.to_numeric(real, errors="coerce"), dtype=np.float64)
    except OverflowError:  # an integer beyond the largest float
        numbers = np.array([np.inf if isinstance(v, int) and v.bit_length() > 1023 else 0.0 for v in distinct])
    bad = [np.isnan(number) and not _says_nothing(v) for number, v in zip(numbers, distinct, strict=True)]
    if any(bad):
        _refuse(
            codes,
            distinct,
            bad,
            name,
            "numbers",
            f"Convert them first, for example with pd.to_numeric(X[{name!r}], errors='coerce'), or read the column as "
            f"categories with kinds={{{name!r}: 'categorical'}}.",
        )
    return numbers[codes]


def _dates(column, name):
    """A column as DatetimeIndex, NaT where missing. Dates of strings and of mixed time zones are in UTC."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(column)
    codes, distinct = _distinct(column, name)
    distinct.append(np.nan)  # what the code -1 leads to
    dates = _parse_dates(distinct)
    bad = [date is pd.NaT and not _says_nothing(v) for date, v in zip(dates, distinct, strict=True)]
    if any(bad):
        _refuse(
            codes,
            distinct,
            bad,
            name,
            "dates",
            f"Strings must be ISO 8601, like 2024-03-31 or 2024-03-31T12:00. Convert the column first, for example "
            f"with pd.to_datetime(X[{name!r}], format=...), or read it as categories with "
            f"kinds={{{name!r}: 'categorical'}}.",
        )
    return dates[codes]


def _parse_dates(values):
    """Strings and date objects as DatetimeIndex in UTC; NaT for what is none."""
    # Bare numbers are no dates: nobody can say whether they count days or seconds.
    datelike = [v if isinstance(v, str | datetime.date | np.datetime64) else None for v in values]
    return pd.to_datetime(_object_array(datelike), errors="coerce", utc=True, format="ISO8601")


def _distinct(column, name):
    """Codes of the cells (-1 where missing) and the list of distinct values, in order of appearance."""
    try:
        codes, values = pd.factorize(column)
    except (TypeError, NotImplementedError):  # values without a hash, and nested types of pyarrow
        codes, values = None, column.to_numpy(dtype=object)
    values = values.tolist()
    for value in values:
        if pd.api.types.is_list_like(value) or not isinstance(value, Hashable):
            raise TypeError(
                f"TabularTransformer cannot read column {name!r}: argument must be a string or a real number, not "
                f"{type(value).__name__!r}. Spread such cells over columns of their own, or leave the column out."
            )
    return codes, values


def _object_array(values):
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_blank(value):
    return isinstance(value, str) and not value.strip()


def _says_nothing(value):
    return str(value).strip().lower() in {"", "nan", "nat"}


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


def _rows(bad):
    rows = np.flatnonzero(bad)
    shown = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}"


def _refuse(codes, distinct, bad, name, what, advice):
    bad = np.array(bad)[codes]
    first = distinct[codes[bad.argmax()]]
    raise ValueError(
        f"TabularTransformer cannot read {bad.sum()} of {len(codes)} cells of column {name!r} as {what} "
        f"({_rows(bad)}). First: {first!r}. {advice}"
    )
