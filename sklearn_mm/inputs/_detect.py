"""What a column of a table holds, by a vote of its cells."""

import os
import re
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from sklearn_mm.inputs._files import lead_to_pictures
from sklearn_mm.preprocessing._cells import is_missing
from sklearn_mm.preprocessing._columns import detect_column_kind
from sklearn_mm.preprocessing._lists import empty_rows, holds_nothing, is_list
from sklearn_mm.preprocessing._plain import looks_like_picture
from sklearn_mm.preprocessing._vectors import is_vector

__all__ = [
    "Detected",
    "check_no_containers",
    "detect_kind",
    "detect_kinds",
    "detect_table_kind",
    "holds_strings",
    "is_all_missing",
]

_BYTES = (bytes, bytearray, memoryview)
_FLAT = (str, *_BYTES)  # what can be iterated, but is one thing
_LISTS = {list, tuple, np.ndarray}
_N_SAMPLED = 1000
_MANY = 30  # distinct values, above which a column of single words is no longer a list of categories
_REPEATS = 10  # cells per distinct value, from which on even sentences are categories

_DIGIT = re.compile(r"\d")
_NUMBERS_START = frozenset(["", *"+-.0123456789"])
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE)
_SPACELESS = re.compile(  # Thai to Burmese, Khmer, Japanese and Chinese: scripts that put no spaces between words
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_REASONS = {
    ("numeric", False): "numbers",
    ("numeric", True): "strings that are numbers with a point, a sign or an exponent",
    ("datetime", False): "dates",
    ("datetime", True): "strings that are ISO 8601 dates",
}


class Detected(NamedTuple):
    """What a column was taken for.

    Parameters
    ----------
    kind : {"image", "text", "numeric", "categorical", "datetime", "vector", "ignored"}
        What the column holds.
    reason : str
        Why, for people.
    """

    kind: str
    reason: str


def detect_kinds(frame, who="detect_kinds"):
    """Return what each column of a table holds, and why, as a dict from label to `Detected`.

    The first line of the following table that holds decides. Most cells are more than half of the up to 1,000 cells
    that are looked at, which are drawn evenly from those with something in them, always the same ones. Paths and URLs
    count as those of pictures if they end like one (.png, .jpg and so on), bytes and base64 if they begin like one.

    =========================================================================================== ===========
    the column has                                                                              kind
    =========================================================================================== ===========
    no cell with anything in it                                                                 ignored
    the category dtype, even if its categories are sentences                                    categorical
    in most cells a vector: a 1-D array of numbers, a tensor, or a list or tuple of numbers     vector
    in most cells a PIL image, an array of a picture, a picture's bytes, or a path of one       image
    paths without such endings, of which the first ten exist and begin like pictures            image
    in most cells other bytes or path objects                                                   ignored
    lists of strings, in most cells these or strings, that by the rules below are text          text
    another dict, list, or other container, or an array that is no picture, in any cell         TypeError
    the same value in each of two or more cells, none missing                                   ignored
    numbers (also whole ones that look like labels), durations, decimals                        numeric
    dates, or strings that all are ISO 8601 dates                                               datetime
    booleans, other objects, or a mixture with strings in less than half of the cells           categorical
    strings that all are numbers, one of them with a point, a sign or an exponent               numeric
    single words, all different, more than 30 of them, with a digit in each (identifiers)       ignored
    in most cells strings of digits or other numbers (these may be codes)                       categorical
    strings of 1.5 words or more on average, less than 10 cells per distinct value              text
    strings of fewer words, less than 2 cells per distinct value, more than 30 distinct values  text
    other strings                                                                               categorical
    =========================================================================================== ===========

    An array or tensor is one of a picture if it has 2 or 3 dimensions and is uint8, or has 3 dimensions, of which the
    first or the last has 1, 3 or 4 entries. A picture's bytes may also be base64, a ``data:`` URI, or in a dict
    ``{"bytes": ..., "path": ...}``, and its path in such a dict or a ``file://`` URI.

    Files are opened for one line only: if cells are path objects or strings with a separator of folders (with the
    ``root`` of an `ImageTransformer`, any strings), and end like no picture, the first ten are looked up, up to the
    first that leads to none.

    A list, a tuple or an array of pictures counts as a picture, so that single ones and lists may mix; what is
    missing in it is left out, and an empty one is missing. Lists are lists of texts if their strings are: tags of one
    word each must be named in an Input.

    In Chinese, Japanese, Thai and other scripts without spaces, two characters count as a word. The rules for
    strings see the cells that are looked at, so that they do not depend on how many more rows there are.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table; its labels are unique.
    who : str, default="detect_kinds"
        Who wants to know, for error messages.

    Returns
    -------
    kinds : dict of Detected
        Kind and reason for each label.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mm.inputs import detect_kinds
    >>> X = pd.DataFrame({"front": ["a.png", "b.png"], "review": ["Warm and light.", "Fell apart in a week."]})
    >>> {label: kind for label, (kind, reason) in detect_kinds(X).items()}
    {'front': 'image', 'review': 'text'}
    """
    return {label: detect_kind(column, label, who) for label, column in frame.items()}


def detect_kind(column, label, who, root=None):
    """Return what one column holds, and why: one entry of `detect_kinds`; ``root`` is the folder of relative paths."""
    if is_all_missing(column):
        return Detected("ignored", f"all of its {len(column)} cells are missing")
    if column.dtype.type is pd.CategoricalDtype.type:  # pandas's own, or pyarrow's dictionary
        return Detected("categorical", "category dtype")
    cells = column.dropna()
    if holds_strings(cells):
        cells = _sample(cells)
        has_lists = _holds_objects(column) and not _LISTS.isdisjoint(map(type, column.to_numpy(dtype=object)))
        detected = _detect_objects(cells, has_lists, root)
        check_no_containers(column, label, who, detected)
        if detected is not None:
            return detected
    if _is_constant(column):
        return Detected("ignored", f"all of its {len(column)} cells are the same")
    kind = detect_table_kind(column)
    if kind == "categorical":
        return _detect_words([cell for cell in cells if isinstance(cell, str)], len(cells))
    return Detected(kind, _REASONS[kind, isinstance(column.dropna().iloc[0], str)])


def detect_table_kind(column):
    """Return "numeric", "categorical", "datetime" or "vector" for a column that is known to belong to the table.

    The rules are those of `detect_kinds`, as far as these kinds go: strings are numeric if all are numbers and one of
    them has a point, a sign or an exponent, datetime if all are ISO 8601 dates, else categorical, however long.
    """
    if holds_strings(column) and any(_is_word(cell) for cell in column.dropna()):  # mostly over at once
        return "categorical"
    kind = detect_column_kind(column)
    if kind == "categorical" and holds_strings(column) and _are_measurements(column.dropna()):
        return "numeric"
    return kind


def is_all_missing(column):
    """Return whether no cell of a column has anything in it; blank strings and empty lists have not."""
    return all(map(holds_nothing, column.dropna()))  # mostly over at once


def holds_strings(column):
    """Return whether cells may be strings or objects, and are not numbers or dates of one dtype."""
    dtype = column.dtype
    return isinstance(dtype, pd.StringDtype) or dtype.kind == "U" or _holds_objects(column)


def check_no_containers(column, label, who, detected=None):
    """Raise TypeError, in scikit-learn's wording, where a cell is a container that no one reads.

    Vectors and lists are read in columns that were ``detected`` as such.
    """
    if not _holds_objects(column):
        return
    cells = column.to_numpy(dtype=object)
    is_read = _READS.get(detected and detected.kind, looks_like_picture)
    suspects = {kind for kind in set(map(type, cells)) if hasattr(kind, "__iter__") and not issubclass(kind, _FLAT)}
    if not suspects:
        return
    for row, cell in enumerate(cells):
        if type(cell) in suspects and not is_read(cell):
            shape = f" of shape {cell.shape} and dtype {cell.dtype}" if isinstance(cell, np.ndarray) else ""
            raise TypeError(
                f"{who} cannot read column {label!r}: argument must be a string or a number, not "
                f"{type(cell).__name__!r}{shape} (row {row}). Spread such cells over columns of their own, drop the "
                f"column, or name it in an Input that can read it (lists of strings: TextInput)."
            )


def _detect_objects(cells, has_lists, root):
    """Vectors, pictures, other media and lists of texts, or None."""
    vectors = sum(map(is_vector, cells))
    if 2 * vectors > len(cells):
        return Detected("vector", f"{_share(vectors, cells)} are vectors")
    lists = [cell for cell in cells if is_list(cell)]
    pictures = sum(map(looks_like_picture, cells)) + sum(map(_are_pictures, lists))
    if 2 * pictures > len(cells):
        listed = f", {len(lists)} of them lists" if lists else ""
        return Detected("image", f"{_share(pictures, cells)} are pictures or paths of pictures{listed}")
    if lead_to_pictures(cells, root):
        return Detected("image", "paths that lead to pictures")
    media = sum(isinstance(cell, (*_BYTES, os.PathLike)) for cell in cells)
    if 2 * media > len(cells):
        return Detected("ignored", f"{_share(media, cells)} are bytes or paths, but not of pictures")
    return _detect_texts(cells, lists) if has_lists else None


def _detect_texts(cells, lists):
    """Texts, where some cells of the column are lists, or None."""
    lists_of_strings = [items for items in map(_filled, lists) if all(isinstance(item, str) for item in items)]
    strings = [cell for cell in cells if isinstance(cell, str)]
    if 2 * (len(strings) + len(lists_of_strings)) <= len(cells):
        return None
    strings += chain.from_iterable(lists_of_strings)
    kind, reason = _detect_words(strings, len(strings))
    return Detected("text", f"{_share(len(lists), cells)} are lists; {reason}") if kind == "text" else None


def _detect_words(strings, n_sampled):
    """Categories or text: by how many words there are in a string, and how often it comes back."""
    if 2 * len(strings) < n_sampled:
        return Detected("categorical", "booleans, other objects, or a mixture")
    n_distinct = len(set(strings))
    n_words = sum(map(_count_words, strings)) / len(strings)
    reason = f"strings of {n_words:.1f} words, {n_distinct} distinct values in {len(strings)} cells"
    if n_words < 1.5 and n_distinct == len(strings) > _MANY and all(map(_DIGIT.search, strings)):
        return Detected("ignored", f"identifiers: {reason}, a digit in each")
    if 2 * sum(_NUMBER.fullmatch(string) is not None for string in strings) > len(strings):
        return Detected("categorical", f"strings of digits, {n_distinct} distinct values in {len(strings)} cells")
    if n_words >= 1.5:
        is_text = len(strings) < _REPEATS * n_distinct
    else:
        is_text = len(strings) < 2 * n_distinct and n_distinct > _MANY
    return Detected("text" if is_text else "categorical", reason)


def _count_words(string):
    return max(len(string.split()), len(_SPACELESS.findall(string)) / 2)


def _is_word(cell):
    """Whether a cell is a string that is neither blank nor can be a number or a date."""
    return isinstance(cell, str) and cell.strip()[:1] not in _NUMBERS_START


def _are_measurements(cells):
    """Whether all strings are numbers, and one of them could be no code."""
    if not all(isinstance(cell, str) for cell in cells):
        return False
    cells = [cell for cell in pd.unique(cells) if cell.strip()]
    return all(map(_NUMBER.fullmatch, cells)) and not all(cell.strip().isdigit() for cell in cells)


def _filled(cell):
    """What is in a list, without what is missing."""
    return [item for item in cell if not is_missing(item)]


def _are_pictures(cell):
    items = _filled(cell)
    return bool(items) and all(map(looks_like_picture, items))


def _sample(cells):
    """Up to 1,000 of the cells with something in them, always the same ones."""
    cells = cells.to_numpy(dtype=object)
    drawn = _draw(cells)
    filled = drawn[~empty_rows(drawn)]
    return filled if 2 * len(filled) > len(drawn) else _draw(cells[~empty_rows(cells)])


def _draw(cells):
    if len(cells) <= _N_SAMPLED:
        return cells
    return cells[np.sort(np.random.default_rng(0).choice(len(cells), _N_SAMPLED, replace=False))]


def _is_constant(column):
    first = column.iloc[0]
    if len(column) < 2 or not pd.api.types.is_scalar(first) or column.isna().any():
        return False
    return all(pd.api.types.is_scalar(cell) and cell == first for cell in column)  # mostly over at once


def _holds_objects(column):
    dtype = column.dtype
    of_one_type = (pd.StringDtype, pd.PeriodDtype, pd.IntervalDtype, pd.CategoricalDtype)
    return dtype.kind == "O" and not isinstance(dtype, of_one_type)


def _share(n, cells):
    return f"{n} of {len(cells)} cells looked at"


_READS = {  # which containers the transformer of a kind of columns reads, or complains of more precisely
    "vector": lambda cell: is_vector(cell) or holds_nothing(cell),
    "image": lambda cell: is_list(cell) or looks_like_picture(cell) or holds_nothing(cell),
    "text": is_list,
}
