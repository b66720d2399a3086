"""How one column of a table becomes numbers or codes: a reader for each kind of columns."""

from decimal import Decimal
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.preprocessing import QuantileTransformer

from sklearn_mm.preprocessing.cells._odd_cells import OddCells, can_be_missing, refuse
from sklearn_mm.preprocessing.containers._distinct import Container, Distinct
from sklearn_mm.preprocessing.tabular._date_strings import ISO
from sklearn_mm.preprocessing.tabular._number_strings import NumberFormat
from sklearn_mm.preprocessing.tabular._parsing import read_dates, read_numbers
from sklearn_mm.utils._messages import name_rows

__all__ = ["CategoricalReader", "DatetimeReader", "NumericReader"]

_UNSEEN, _MISSING, _FIRST_LEVEL = 0, 1, 2  # codes, as TabularSpec says
_EPOCH = pd.Timestamp(0).as_unit("s")
_N_QUANTILES = 1000
_LARGEST = 1e9  # of a scaled number; its square is still far from the end of float32


class NumericReader:
    """Read a column of numbers as its scaled values and, where some were missing in fit, a 0/1 column that says so.

    Strings are read as those of ``fit`` were written. ``fit_read`` and ``read`` of all readers return the numbers or
    codes, which cells are missing, and which of these are odd (`OddCells` or None): too many in ``fit`` are an error.
    """

    def __init__(self, name, scaling, add_indicator):
        self.name = name
        self.scaling = _Scaling(scaling)
        self.add_indicator = add_indicator

    def fit_read(self, column):
        values, self.format, odd = _numbers(column, self.name, None)
        self.scaling.fit(values)
        self.has_indicator = bool(self.add_indicator and np.isnan(values).any())
        return *self._features(values), odd

    def read(self, column):
        values, _, odd = _numbers(column, self.name, self.format)
        return *self._features(values), odd

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
        dates, self.format, odd = _dates(column, self.name, None)
        self.timezone = dates.tz
        seconds, phases = self._times(dates)
        self.scaling.fit(seconds)
        self.phases = [name for name, phase in phases.items() if _varies(phase)]
        self.has_indicator = bool(self.add_indicator and np.isnan(seconds).any())
        return *self._features(seconds, phases), odd

    def read(self, column):
        dates, _, odd = _dates(column, self.name, self.format)
        return *self._features(*self._times(dates)), odd

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
        distinct = Distinct(column)
        odd = distinct.spread(distinct.is_container, False)
        odd = OddCells.of(column, self.name, "single values", odd)
        if odd and not can_be_missing(column.iloc[odd.rows], distinct.counts.sum()):
            refuse(odd, column, "Make strings of them.")
        least = self.min_frequency or 0
        if least < 1:
            least *= len(column)
        values = distinct.values
        frequent = sorted(
            (-count, _order(value), i)
            for i, (value, count) in enumerate(zip(values, distinct.counts, strict=True))
            if count >= least and not _says_nothing(value)
        )[: self.max_categories]
        self.levels = sorted((_plain(values[i]) for *_, i in frequent), key=_order)
        self.cardinality = _FIRST_LEVEL + len(self.levels)
        return *self._codes(distinct.codes, values), odd

    def read(self, column):
        distinct = Distinct(column)
        odd = distinct.spread(distinct.is_container, False)
        return *self._codes(distinct.codes, distinct.values), OddCells.of(column, self.name, "single values", odd)

    def _codes(self, codes, values):
        known = {level: code for code, level in enumerate(self.levels, start=_FIRST_LEVEL)}
        table = [_MISSING if _says_nothing(value) else known.get(value, _UNSEEN) for value in values]
        table = np.array([*table, _MISSING], np.int32)
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


def _numbers(column, name, format):
    """Return a column as float64, NaN where missing, durations in seconds; how strings are written; and `OddCells`."""
    dtype = column.dtype
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "complex":
        raise ValueError(f"Complex data not supported: TabularTransformer got complex numbers in column {name!r}.")
    odd = None
    if inferred.startswith("timedelta"):
        values = pd.to_timedelta(column).dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
    elif pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        with np.errstate(over="ignore"):
            if isinstance(dtype, np.dtype):
                values = column.to_numpy(dtype=np.float64)
            else:
                values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        reading = read_numbers(Distinct(column), format)
        odd = _odd_cells(
            reading, column, name, "numbers", format is None, f"pd.to_numeric(X[{name!r}], errors='coerce')"
        )
        values, format = reading.values, reading.format
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('float64'): column {name!r} does in "
            f"{infinite.sum()} of {len(values)} cells ({name_rows(infinite)}). Replace these, for example with "
            f"X.replace([np.inf, -np.inf], np.nan)."
        )
    return values, format or NumberFormat(), odd


def _dates(column, name, format):
    """Return a column as DatetimeIndex, NaT where missing; how strings are written; and `OddCells`."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(column), format or ISO, None
    reading = read_dates(Distinct(column), format)
    odd = _odd_cells(reading, column, name, "dates", format is None, f"pd.to_datetime(X[{name!r}], format=...)")
    return reading.values, reading.format, odd


def _odd_cells(reading, column, name, kind, fits, conversion):
    """Return the `OddCells` of a column; raise if it ``fits`` and these cannot be missing."""
    odd = OddCells.of(column, name, kind, reading.odd)
    if odd and fits and not can_be_missing(column.iloc[odd.rows], reading.n_filled):
        refuse(
            odd,
            column,
            f"Convert the column first, for example with {conversion}, or read it as categories with "
            f"kinds={{{name!r}: 'categorical'}}.",
        )
    return odd


def _says_nothing(value):
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
