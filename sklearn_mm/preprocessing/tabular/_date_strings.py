"""Dates as people write them: "2024-03-31", "03/31/2024", "31.03.2024 12:00", "31 Mar 2024"."""

import re

import numpy as np
import pandas as pd

from sklearn_mm.utils._object_arrays import draw, object_array

__all__ = ["ISO", "describe_date_format", "is_ambiguous", "learn_date_format", "looks_like_date", "parse_dates"]

ISO = "ISO8601"
# Where nothing tells, the earlier one: as in pandas, the month comes first between slashes and strokes, and as
# wherever points are written, the day between points.
_DAYS = (
    *("%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%Y", "%m.%d.%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d"),
    *("%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%m-%d-%y", "%d-%m-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d. %B %Y"),
)
_TIMES = (" %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S.%f", "T%H:%M", "T%H:%M:%S")
_DATE = re.compile(
    r"(\d{1,4}([./-])\d{1,2}\2\d{1,4}|\d{1,2}(\.? |-)[A-Za-z]{3,9}[ -]\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4})([T ].*)?"
)
_SAMPLE_DATE = pd.Timestamp("2024-03-31")


def learn_date_format(strings, counts):
    """Return how the dates of a column are written: ``ISO``, or the day's part of a format of `time.strftime`.

    It is the one by which most cells are dates. Whether day or month comes first is hence decided by all cells.

    Parameters
    ----------
    strings : numpy.ndarray of shape (n_values,), dtype object
        The distinct strings of the column.
    counts : numpy.ndarray of shape (n_values,)
        Number of cells that hold each.
    """
    n_iso = counts[~parse_dates(strings, ISO).isna()].sum()
    if n_iso == counts.sum():
        return ISO
    sample = draw(strings)
    written = "".join(sample)
    candidates = [format for format in _DAYS if format[2] in written]  # which sets off what comes first
    candidates = [format for format in candidates if not parse_dates(sample, format).isna().all()]
    fitting = {format: counts[~parse_dates(strings, format).isna()].sum() for format in candidates}
    return max([ISO, *candidates], key={ISO: n_iso, **fitting}.get)


def parse_dates(strings, format):
    """Return strings, with or without a time of day, as DatetimeIndex in UTC; NaT for what is not of the format.

    Parameters
    ----------
    strings : numpy.ndarray of shape (n,), dtype object
        Strings.
    format : str
        As of `learn_date_format`.
    """
    strings = [string.strip() for string in strings]
    # pandas takes two words for the time at which it reads them.
    strings = object_array(["" if string.lower() in ("now", "today") else string for string in strings])
    if format == ISO:
        return pd.to_datetime(strings, errors="coerce", utc=True, format=ISO)
    dates = np.full(len(strings), "NaT", dtype="datetime64[us]")
    times = ("",)
    if any(":" in string for string in strings):
        sample = draw(strings)
        times = sorted(("", *_TIMES), key=lambda time: _parse(sample, format + time).isna().sum())
    for time in times:
        rows = np.flatnonzero(np.isnat(dates))
        if not len(rows):
            break
        dates[rows] = _parse(strings[rows], format + time).to_numpy()
    return pd.DatetimeIndex(dates).tz_localize("UTC")


def _parse(strings, format):
    return pd.to_datetime(strings, errors="coerce", format=format)


def looks_like_date(string):
    """Return whether a string is perhaps a date, by its digits and what is between them: a quick test."""
    return _DATE.fullmatch(string.strip()) is not None


def is_ambiguous(strings, format):
    """Return whether all strings that are dates by a format would be so with day and month the other way round."""
    if format[1::3][:2] not in ("md", "dm"):
        return False
    other = format.translate({ord("m"): "d", ord("d"): "m"})
    for sample in (draw(strings), strings):  # most often a sample tells
        if (parse_dates(sample, other).isna() & ~parse_dates(sample, format).isna()).any():
            return False
    return True


def describe_date_format(format):
    """Return an example of a format, for people: "03/31/2024"."""
    return _SAMPLE_DATE.strftime("%Y-%m-%d" if format == ISO else format)
