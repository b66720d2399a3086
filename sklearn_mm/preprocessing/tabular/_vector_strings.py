"""Vectors as files of text store them: "[0.1, -0.2]", "[0.1 -0.2]", "(1, 2)", "{0.5,0.25}"."""

import re
from collections import Counter

import numpy as np

from sklearn_mm.preprocessing.tabular._missing_words import is_missing_word
from sklearn_mm.preprocessing.tabular._odd_cells import are_few

__all__ = ["parse_vector", "vector_length"]

_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_CALL = re.compile(r"(?:np\.|numpy\.)?(?:array|tensor)\((.*?)(?:,\s*dtype=[\w.']+)?\)", re.DOTALL)
_WRAPPED = re.compile(r"np\.\w+\(([^()]*)\)")  # an element, in the `repr` of a list of NumPy's numbers
_MISSING = {"None": "nan", "null": "nan", "NULL": "nan"}


def parse_vector(string):
    """Return the numbers that a string lists in brackets, NaN where one is missing, or None if it lists none.

    Between them are commas, blanks or both: as `str` of lists and arrays, JSON and databases write them.
    """
    text = string.strip()
    if match := _CALL.fullmatch(text):
        text = match[1].strip()
    if len(text) < 3 or _BRACKETS.get(text[0]) != text[-1]:
        return None
    parts = _WRAPPED.sub(r"\1", text[1:-1]).replace(",", " ").split()
    try:
        numbers = list(map(float, parts))
    except ValueError:
        try:
            numbers = [float(_MISSING.get(part, part)) for part in parts]
        except ValueError:
            return None
    return np.array(numbers) if numbers else None


def vector_length(cells):
    """Return the length of vectors that nearly all of some cells are as strings; 0 if they are not."""
    strings = [cell for cell in cells if isinstance(cell, str) and not is_missing_word(cell)]
    if 2 * len(strings) <= len(cells) or 2 * sum(string.lstrip()[0] in "[({atn" for string in strings) < len(strings):
        return 0
    lengths = Counter(0 if (vector := parse_vector(string)) is None else len(vector) for string in strings)
    length, n_cells = lengths.most_common(1)[0]
    return length if length > 1 and are_few(len(strings) - n_cells, len(strings)) else 0
