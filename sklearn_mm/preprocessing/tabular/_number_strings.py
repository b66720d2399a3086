"""Numbers as people write them: "$1,234.50", "1.234,50 €", "12 %", "12 km", "(300)"."""

import re
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from sklearn_mm.preprocessing.tabular._missing_words import is_missing_word

__all__ = ["NumberFormat", "learn_number_format", "parse_numbers", "plain_numbers"]

_SIGN = r"[+\-\u2212]"
_SYMBOL = r"[$\u00a2-\u00a5\u0e3f\u20a0-\u20cf]"
# Of words before numbers only those of money: with "Room 1" and "A-1" the number is a name.
_PREFIX = (
    rf"(?:[A-Z]{{1,3}})?{_SYMBOL}|AED|AUD|BRL|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KRW|MXN|NOK|NZD|PLN|"
    r"RMB|RON|RUB|SAR|SEK|SGD|THB|TRY|USD|ZAR|Rs\.?|[Kk]r\.?"
)
# A sign, or words ("sq ft", "km/h"), the last of which may end with a power ("m2").
_SUFFIX = (
    rf"(?:[%\u2030\u00b0\"'\u2032\u2033]|{_SYMBOL}|[^\W\d_])[^0-9,()\[\]{{}}:;=&<>|]{{0,19}}(?:(?<=[^\W\d_])[23])?"
)
_SPACES = "'\u2019\u00a0\u2009\u202f "  # which set off thousands beside a decimal point and a decimal comma
_NOT_IN_NUMBERS = {ord(space): None for space in _SPACES}


class NumberFormat(NamedTuple):
    """How the numbers of a column are written.

    Parameters
    ----------
    decimal : {".", ","}, default="."
        What sets off the decimals. The other one may set off thousands, as may spaces and apostrophes.
    unit : str, default=""
        What stands before or behind most of the numbers, in lower case and without the s of a plural: "$", "%", "km".
    """

    decimal: str = "."
    unit: str = ""

    def __str__(self):
        parts = [f"the unit {self.unit!r}"] * bool(self.unit) + ["a decimal comma"] * (self.decimal == ",")
        return " and ".join(parts)


def _pattern(decimal):
    group = "," if decimal == "." else "."
    whole = rf"[1-9][0-9]{{0,2}}(?P<group>[{group}{_SPACES}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*|[0-9]+"
    if group == ",":
        whole = rf"[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}|{whole}"  # as in India: 12,34,567
    point = re.escape(decimal)
    return re.compile(
        rf"(?P<before>{_PREFIX})?\s?(?P<negative>\()?\s?(?P<sign>{_SIGN})?\s?(?P<prefix>{_PREFIX})?\s?"
        rf"(?(sign)|(?P<inner_sign>{_SIGN})?)\s?(?P<number>(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+\-]?[0-9]+)?)"
        rf"\s?(?P<suffix>{_SUFFIX})?(?(negative)\))"
    )


_PATTERNS = {decimal: _pattern(decimal) for decimal in ".,"}


def learn_number_format(strings, counts):
    """Return how the numbers of a column are written.

    A point sets off the decimals, as it does in Python, unless more of the cells are numbers with a comma. The unit is
    that of more than half of the cells that are numbers; there is none if these differ.

    Parameters
    ----------
    strings : numpy.ndarray of shape (n_values,), dtype object
        The distinct strings of the column.
    counts : numpy.ndarray of shape (n_values,)
        Number of cells that hold each.

    Returns
    -------
    format : NumberFormat
        How they are written.
    """
    is_plain = ~np.isnan(plain_numbers(strings))
    others = [i for i in np.flatnonzero(~is_plain) if not is_missing_word(strings[i])]
    if not others:
        return NumberFormat()
    matches = {".": {i: match for i in others if (match := _PATTERNS["."].fullmatch(strings[i].strip()))}}
    n_fitting = counts[is_plain].sum() + counts[list(matches["."])].sum()
    decimal = "."
    if len(matches["."]) < len(others) and any("," in strings[i] for i in others):
        pointed = [i for i in np.flatnonzero(is_plain) if "." in strings[i]]
        candidates = sorted({*others, *pointed})
        matches[","] = {i: match for i in candidates if (match := _PATTERNS[","].fullmatch(strings[i].strip()))}
        n_others = counts[is_plain].sum() - counts[pointed].sum() + counts[list(matches[","])].sum()
        if n_others > n_fitting:
            decimal, n_fitting = ",", n_others
    units = Counter()
    for i, match in matches[decimal].items():
        units[_unit(match)] += counts[i]
    units.pop("", None)
    unit, n_cells = units.most_common(1)[0] if units else ("", 0)
    return NumberFormat(decimal, unit if 2 * n_cells > n_fitting else "")


def parse_numbers(strings, format):
    """Return strings as numbers: those that are written as `NumberFormat` says, those with its unit left out too.

    Parameters
    ----------
    strings : numpy.ndarray of shape (n,), dtype object
        Strings.
    format : NumberFormat
        How numbers are written.

    Returns
    -------
    numbers : numpy.ndarray of shape (n,), dtype float64
        NaN where a string is no number.
    """
    numbers = plain_numbers(strings)
    is_open = np.isnan(numbers)
    if format.decimal == ",":
        is_open |= np.fromiter(("." in string for string in strings), dtype=bool, count=len(strings))
        numbers[is_open] = np.nan
    pattern = _PATTERNS[format.decimal]
    for i in np.flatnonzero(is_open):
        match = pattern.fullmatch(strings[i].strip())
        if match and _unit(match) in ("", format.unit):
            numbers[i] = _value(match, format.decimal)
    return numbers


def plain_numbers(strings):
    """Return strings that are numbers to pandas, with a point and without a unit, as float64; NaN for the others."""
    if not len(strings):
        return np.empty(0)
    return np.asarray(pd.to_numeric(strings, errors="coerce"), dtype=np.float64)


def _unit(match):
    unit = " ".join(part for part in match.group("before", "prefix", "suffix") if part).casefold().strip(" .")
    return unit[:-1] if len(unit) > 2 and unit.endswith("s") else unit


def _value(match, decimal):
    text = match["number"].translate(_NOT_IN_NUMBERS)
    text = text.replace(",", "") if decimal == "." else text.replace(".", "").replace(",", ".")
    is_negative = bool(match["negative"]) ^ ((match["sign"] or match["inner_sign"] or "+") != "+")
    return -float(text) if is_negative else float(text)
