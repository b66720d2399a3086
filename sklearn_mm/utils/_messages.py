"""What messages to users are made of: abbreviations, lists of which the first few are named, and rows in words."""

import numpy as np

__all__ = ["abbreviate", "abbreviated_repr", "first_few", "name_column", "name_function", "name_rows", "of_column"]


def abbreviate(text, length=60):
    """Return a text, or its beginning and "..." where it is longer than so many characters."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def abbreviated_repr(value, length=60):
    """Return the `repr` of a value, abbreviated."""
    return abbreviate(repr(value), length)


def first_few(values, most=5, text=str):
    """Return the first few of a sequence of values, separated by commas, and "..." where there are more.

    Parameters
    ----------
    values : sequence
        The values.
    most : int, default=5
        How many are named.
    text : callable, default=str
        What makes a string of a value.
    """
    return ", ".join(map(text, values[:most])) + (", ..." if len(values) > most else "")


def name_rows(rows, most=5):
    """Return rows in words, "row 4" or "rows 1, 2, 3, 5, 8, ...", of their numbers or of a mask over all rows."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    return f"{'row' if len(rows) == 1 else 'rows'} {first_few(rows, most)}"


def name_column(name):
    """Return how to call a column: "column 'price'", or "the column" where it has no name."""
    return "the column" if name is None else f"column {name!r}"


def name_function(function):
    """Return how to call a function: as it is called where it is defined, or as the class of an object."""
    return getattr(function, "__qualname__", type(function).__name__)


def of_column(name):
    """Return " of column 'price'", or nothing where the column has no name."""
    return "" if name is None else f" of column {name!r}"
