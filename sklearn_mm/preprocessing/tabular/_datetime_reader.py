"""A column of dates, or of strings that are dates, as times since 1970 and cyclic features (sine and cosine)."""

import numpy as np
import pandas as pd

from sklearn_mm.preprocessing.tabular._date_strings import ISO
from sklearn_mm.preprocessing.tabular._distinct_values import DistinctValues
from sklearn_mm.preprocessing.tabular._odd_cells import check_odd_cells
from sklearn_mm.preprocessing.tabular._parsed_values import read_dates
from sklearn_mm.preprocessing.tabular._scaling import Scaling, varies

__all__ = ["DatetimeReader"]

_EPOCH = pd.Timestamp(0).as_unit("s")


class DatetimeReader:
    """Read a column of dates as the scaled time since 1970 and its places in the year, month, week and day.

    A place is a pair of sine and cosine, so that December is next to January; one that never varies in fit is left out.
    """

    def __init__(self, name, scaling, add_indicator):
        self.name = name
        self.scaling = Scaling(scaling)
        self.add_indicator = add_indicator

    def fit_read(self, column):
        dates, self.format, odd = _dates(column, self.name, None)
        self.timezone = dates.tz
        seconds, phases = self._times(dates)
        self.scaling.fit(seconds)
        self.phases = [name for name, phase in phases.items() if varies(phase)]
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


def _dates(column, name, format):
    """Return a column as DatetimeIndex, NaT where missing; how strings are written; and `OddCells`."""
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.DatetimeIndex(column), format or ISO, None
    parsed = read_dates(DistinctValues(column), format)
    odd = check_odd_cells(parsed, column, name, "dates", format is None, f"pd.to_datetime(X[{name!r}], format=...)")
    return parsed.values, parsed.format, odd
