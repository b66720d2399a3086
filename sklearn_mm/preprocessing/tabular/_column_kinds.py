"""What kind of column of a table a column is: numbers, dates, vectors or categories."""

import re

import numpy as np
import pandas as pd

from sklearn_mm.preprocessing.tabular._date_strings import ISO, describe_date_format, is_ambiguous, looks_like_date
from sklearn_mm.preprocessing.tabular._distinct_values import DistinctValues
from sklearn_mm.preprocessing.tabular._number_strings import plain_numbers
from sklearn_mm.preprocessing.tabular._odd_cells import are_few
from sklearn_mm.preprocessing.tabular._parsed_values import read_dates, read_numbers
from sklearn_mm.preprocessing.tabular._vector_strings import vector_length
from sklearn_mm.preprocessing.tabular._vectors import are_vectors
from sklearn_mm.utils._object_arrays import draw, object_array

__all__ = ["KINDS", "detect_column_kind", "explain_column_kind"]

KINDS = ("numeric", "categorical", "datetime", "vector")

_NUMERIC = {"integer", "floating", "mixed-integer-float", "decimal", "complex", "timedelta", "timedelta64"}
_DATETIME = {"datetime", "datetime64", "date", "period"}
_CATEGORICAL = {"boolean", "categorical", "bytes", "empty", "time", "interval"}
_ISO_DATE = re.compile(r"\s*\d{4}([-/])\d{1,2}\1\d{1,2}([T ]\d{2}:\d{2}.*)?\s*")
_LONG = 5  # digits, from which on strings of one length look like codes: postal codes, telephone numbers
_MANY = 30  # distinct numbers, above which they are no levels


def detect_column_kind(column):
    """Return "numeric", "categorical", "datetime" or "vector" for a column of a pandas table.

    Numbers and durations are numeric, also with a few strings among them. Dates, and strings that are dates, are
    datetime. Columns with vectors in most cells (1-D arrays, lists or tuples of numbers) are vectors. Everything else
    is categorical: other strings (those of numbers too, which may be codes), booleans, the category dtype, mixtures,
    and object columns without any value.

    Parameters
    ----------
    column : pandas.Series
        The column.

    Returns
    -------
    kind : {"numeric", "categorical", "datetime", "vector"}
        What the column is read as.
    """
    return explain_column_kind(column, parse_numbers=False)[0]


def explain_column_kind(column, parse_numbers=True):
    """Return what a column of a pandas table is read as, and why; the reason is None for categories.

    Parameters
    ----------
    column : pandas.Series
        The column.
    parse_numbers : bool, default=True
        Whether strings that are numbers, and look like measurements rather than codes, are numeric.
    """
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred in _NUMERIC:
        return "numeric", "numbers"
    if inferred in _DATETIME:
        return "datetime", "dates"
    if inferred in _CATEGORICAL:
        return "categorical", None
    cells = column.dropna().to_numpy(dtype=object)
    sample = draw(cells)
    if inferred != "string" and are_vectors(sample):
        return "vector", "vectors"
    if any(isinstance(cell, bool | np.bool_) for cell in sample):
        return "categorical", None
    if parse_numbers and (length := vector_length(sample)):
        return "vector", f"strings that are vectors of {length} numbers"
    reason = _find_numbers(column, sample, parse_numbers)
    if reason:
        return "numeric", reason
    reason = _find_dates(column, sample)
    return ("datetime", reason) if reason else ("categorical", None)


def _find_numbers(column, sample, parse_numbers):
    """Why a column is numeric, or None."""
    if _is_promising(read_numbers(DistinctValues(pd.Series(sample, dtype=object)))):
        parsed = read_numbers(DistinctValues(column))
        if parsed.n_filled and parsed.has_few_odd() and _are_measurements(parsed, parse_numbers):
            return f"{_describe_numbers(parsed)}{_describe_odd(parsed)}"
    return None


def _find_dates(column, sample):
    """Why a column is datetime, or None."""
    strings = [cell for cell in sample if isinstance(cell, str)]
    if 2 * len(strings) > len(sample) and 2 * sum(map(looks_like_date, strings)) < len(strings):
        return None
    if _is_promising(read_dates(DistinctValues(pd.Series(sample, dtype=object)))):
        parsed = read_dates(DistinctValues(column))
        if parsed.n_filled and parsed.has_few_odd() and _are_dates(parsed):
            return f"{_describe_dates(parsed)}{_describe_odd(parsed)}"
    return None


def _is_promising(parsed):
    """Whether a sample leaves it open that nearly all cells of the column are like that."""
    return parsed.has_few_odd(one_in=4)


def _are_measurements(parsed, parse_numbers):
    """Whether numbers are no codes: unlike those, they are no strings of digits that nothing but choice made strings.

    Codes are also strings of digits with a zero in front, or all of one length of five digits or more, those with
    letters in some, and those few that come back often.
    """
    distinct = parsed.distinct
    written = parsed.is_parsed & distinct.is_string
    strings = [distinct.values[i].strip() for i in np.flatnonzero(written)]
    are_digits = all(map(str.isdigit, strings))
    if are_digits and any(string[0] == "0" and len(string) > 1 for string in strings):
        return False
    if (parsed.is_parsed & ~written).any():
        return True
    if not parse_numbers or not are_digits:
        return parse_numbers
    others = [str(distinct.values[i]) for i in np.flatnonzero(~parsed.is_parsed)]
    is_forced = any(other.strip() for other in others)  # a file's reader would have made numbers of the rest
    has_codes = any(character.isdigit() for other in others for character in other)
    if not is_forced or has_codes or (len(strings[0]) >= _LONG and len(set(map(len, strings))) == 1):
        return False
    return len(strings) > _MANY or parsed.n_cells(written) < 2 * len(strings)


def _are_dates(parsed):
    """Whether dates are either strings or date objects, but for a few, and the strings say day, month and year."""
    distinct = parsed.distinct
    places = np.flatnonzero(parsed.is_parsed & distinct.is_string)
    n_strings = parsed.n_cells(places)
    n_objects = parsed.n_cells(parsed.is_parsed & ~distinct.is_string)
    if not are_few(min(n_strings, n_objects), parsed.n_filled):
        return False
    if parsed.format != ISO or not n_strings:
        return True
    vague = [place for place in places if not _ISO_DATE.fullmatch(distinct.values[place])]
    return are_few(parsed.n_cells(parsed.is_odd) + parsed.n_cells(vague), parsed.n_filled)


def _describe_numbers(parsed):
    is_string = parsed.is_parsed & parsed.distinct.is_string
    if parsed.n_cells(is_string) * 2 <= parsed.n_filled:
        return "numbers"
    how = str(parsed.format)
    if how:
        return f"strings that are numbers with {how}"
    strings = [parsed.distinct.values[i].strip() for i in np.flatnonzero(is_string)]
    if all(map(str.isdigit, strings)):
        return "strings that are whole numbers"
    if np.isnan(plain_numbers(object_array(strings))).any():
        return "strings that are numbers with separators or in brackets"
    return "strings that are numbers with a point, a sign or an exponent"


def _describe_dates(parsed):
    places = np.flatnonzero(parsed.is_parsed & parsed.distinct.is_string)
    if 2 * parsed.n_cells(places) <= parsed.n_filled:
        return "dates"
    if parsed.format == ISO:
        return "strings that are ISO 8601 dates"
    strings = np.array([parsed.distinct.values[place] for place in places], dtype=object)
    reason = f"strings that are dates like {describe_date_format(parsed.format)}"
    if is_ambiguous(strings, parsed.format):
        reason += " (no cell tells whether day or month comes first)"
    return reason


def _describe_odd(parsed):
    n_odd = parsed.n_cells(parsed.is_odd)
    return f", but for {n_odd} of {parsed.n_filled} cells" if n_odd else ""
