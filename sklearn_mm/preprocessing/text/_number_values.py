"""The values of numbers as they stand in texts: separators, decimals, fractions, dates, versions and codes."""

import re
from functools import lru_cache

from sklearn_mm.preprocessing.text._number_spelling import NO_BREAK

__all__ = ["learn_decimal", "read_chain", "read_fraction", "read_run"]

_LONGEST_BARE = 9  # digits; a longer integer without separators is a code: an ISBN, a phone number, a timestamp
_LONGEST_RUN = 300  # characters; longer ones are data, such as the digits of pi
_LONGEST = 15  # digits of a number with separators, which float64 still holds
_THOUSANDS = rf"[1-9][0-9]{{0,2}}(?P<group>[.,'{NO_BREAK} ])[0-9]{{3}}(?>(?:(?P=group)[0-9]{{3}})*)"
_INDIAN = r"[1-9][0-9]?(?>(?:,[0-9]{2}(?=,))+),[0-9]{3}"
_GROUPED = re.compile(rf"(?P<whole>{_THOUSANDS}|{_INDIAN})(?:(?P<point>[.,])(?P<decimals>[0-9]++))?")
_ONE_POINT = re.compile(r"(?P<whole>[0-9]*+)(?P<point>[.,])(?P<decimals>[0-9]++)")
_SEPARATORS = re.compile(rf"[,'{NO_BREAK} ]")
_LARGEST_DENOMINATOR = 100
# Numbers whose comma or point can only set off decimals.
_DECIMALS = re.compile(
    r"(?<![0-9.,])(?:0([.,])[0-9]{1,9}|[0-9]{1,9}([.,])(?:[0-9]{1,2}|[0-9]{4,9}))(?![0-9]|[.,][0-9])"
)


def learn_decimal(texts):
    """Return what sets off decimals in texts: "," where more numbers say so than say "."."""
    n_commas = n_points = 0
    for text in texts:
        for zero, other in _DECIMALS.findall(text):
            if (zero or other) == ",":
                n_commas += 1
            else:
                n_points += 1
    return "," if n_commas > n_points else "."


def read_run(run, decimal):
    """Return the values of digits with separators between them: mostly one, none of a code, several of a list.

    Parameters
    ----------
    run : str
        Such as "12", "1,234.5", "3.2.1", "1,2,3", ".5".
    decimal : {".", ","}
        What a single comma or point with three digits behind it is taken for: "1,234" is 1234 with "." here.
    """
    return _read_run(run, decimal) if len(run) <= _LONGEST_RUN else ()


@lru_cache(maxsize=10_000)
def _read_run(run, decimal):
    if run.isdecimal():
        return (float(run),) if len(run) <= _LONGEST_BARE else ()
    single, grouped = _ONE_POINT.fullmatch(run), _GROUPED.fullmatch(run)
    if single and not (grouped and single["point"] != decimal):
        return _number(single["whole"], single["decimals"])
    # What sets off thousands does not set off decimals too.
    if grouped and (grouped["point"] is None or grouped["point"] != grouped["group"]):
        return _number("".join(filter(str.isdecimal, grouped["whole"])), grouped["decimals"])
    parts = _SEPARATORS.split(run)
    if len(parts) > 1:
        return tuple(value for part in parts for value in read_run(part, decimal))
    return _read_points(run.split("."))


def _number(whole, decimals):
    if len(whole) > _LONGEST:
        return ()
    return (float(f"{whole or 0}.{(decimals or '0')[:_LONGEST]}"),)


def _read_points(parts):
    """Return the year of a date ("03.05.2021"), or the first two parts of a version ("3.2.1")."""
    year = _year(parts)
    if year is not None:
        return year
    is_short_date = len(parts) == 3 and {*map(len, parts)} == {2} and "0" in (parts[0][0], parts[1][0])
    return () if is_short_date else _number(parts[0], parts[1])


def _year(parts):
    """Return the year of the parts of a date, in which it has four digits; None where they are no date."""
    lengths = [len(part) for part in parts[:4]]
    if len(lengths) == 3 and max(lengths[1:]) <= 2 and lengths[0] == 4:
        return (float(parts[0]),)
    if len(lengths) == 3 and max(lengths[:2]) <= 2 and lengths[2] == 4:
        return (float(parts[2]),)
    return None


def read_chain(chain):
    """Return the year of a date with hyphens or slashes, whatever the time of day behind it.

    Other chains, such as phone numbers, have no value.
    """
    date = chain.partition("T")[0].partition(" ")[0]
    return _year(re.split("[-/]", date, maxsplit=3)) or ()


def read_fraction(whole, numerator, denominator, is_certain):
    """Return the value of a fraction, or its numbers where it is none, as in "110/220" and "24/7".

    It is one where it is at most 1 and its denominator at most 100, or where its sign says so (``is_certain``).
    """
    top, bottom = float(numerator.replace(",", ".")), float(denominator)
    if bottom and (is_certain or top <= bottom <= _LARGEST_DENOMINATOR):
        return (float(whole or 0) + top / bottom,)
    return (*([float(whole)] if whole else []), top, bottom)
