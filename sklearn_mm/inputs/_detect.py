"""What a column of a table holds, by a vote of its cells."""

import os
import re
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

from sklearn_mm.inputs._column_contents import filled, holds_objects, holds_strings, is_all_missing, is_constant
from sklearn_mm.inputs._modalities import MODALITIES
from sklearn_mm.preprocessing.cells._lists import empty_rows, holds_nothing, is_list
from sklearn_mm.preprocessing.image._picture_cells import looks_like_picture
from sklearn_mm.preprocessing.tabular._column_kinds import explain_column_kind
from sklearn_mm.preprocessing.tabular._odd_cells import can_be_missing
from sklearn_mm.preprocessing.tabular._vectors import is_vector
from sklearn_mm.utils._object_arrays import draw

__all__ = ["Detected", "detect_kind", "detect_kinds"]

_BYTES = (bytes, bytearray, memoryview)
_FLAT = (str, *_BYTES)  # what can be iterated, but is one thing
_LISTS = {list, tuple, np.ndarray}
_MANY = 30  # distinct values, above which a column of single words is no longer a list of categories
_TABLE = ("numeric", "categorical", "datetime")
_REPEATS = 10  # cells per distinct value, from which on even sentences are categories

_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE)
_SPACELESS = re.compile(  # Thai to Burmese, Khmer, Japanese and Chinese: scripts that put no spaces between words
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


class Detected(NamedTuple):
    """What a column was taken for.

    Parameters
    ----------
    kind : {"image", "audio", "text", "video", "numeric", "categorical", "datetime", "vector", "ignored"}
        What the column holds.
    reason : str
        Why, for people.
    """

    kind: str
    reason: str


def detect_kinds(frame: pd.DataFrame, who: str = "detect_kinds") -> dict:
    """Return what each column of a table holds, and why, as a dict from label to `Detected`.

    The first line of the following table that holds decides. Most cells are more than half of the up to 1,000 cells
    that are looked at, which are drawn evenly from those with something in them, always the same ones. Paths and URLs
    count as those of pictures or videos if they end like one (.png, .jpg, .mp4, .webm and so on), bytes and base64 if
    they begin like one. A GIF is a picture, unless its column is named in a `VideoInput`.

    =========================================================================================== ===========
    the column has                                                                              kind
    =========================================================================================== ===========
    no cell with anything in it                                                                 ignored
    the category dtype, even if its categories are sentences                                    categorical
    in most cells a vector: a 1-D array of numbers, a tensor, or a list or tuple of numbers     vector
    in most cells a PIL image, an array of a picture, a picture's bytes, or a path of one       image
    paths without such endings, of which the first ten exist and begin like pictures            image
    in most cells a sound: an array with its rate, a sound's bytes, or a path of one            audio
    in most cells a video's bytes, an open file of one, or a path of one                        video
    in most cells other bytes or path objects                                                   ignored
    lists of strings, in most cells these or strings, that by the rules below are text          text
    the same value in each of two or more cells, none missing                                   ignored
    booleans                                                                                    categorical
    strings that list numbers in brackets, nearly all as many: "[0.1, -0.2]", "[0.1 -0.2]"      vector
    numbers (also whole ones that look like labels), durations, decimals                        numeric
    strings that are numbers, one of them with more than digits                                 numeric
    strings of digits that only odd cells kept from being numbers, unless they look like codes  numeric
    dates, or strings that are dates of one format                                              datetime
    other objects, or a mixture with strings in less than half of the cells                     categorical
    single words, all different, more than 30 of them, with a digit in each (identifiers)       ignored
    in most cells strings of digits or other numbers (these may be codes)                       categorical
    strings of 1.5 words or more on average, less than 10 cells per distinct value              text
    strings of fewer words, less than 2 cells per distinct value, more than 30 distinct values  text
    other strings                                                                               categorical
    =========================================================================================== ===========

    Numbers and dates are so if nearly all cells are: nine in ten, of all that are not missing. Well-known words and
    signs for "missing" are missing there ("?", "N/A", "-", "unknown", "NULL" and their like), and the odd cells are
    read as missing, with a warning. Lists, tuples and arrays are odd cells of numbers, dates and categories too;
    where they are more than that, and no Input reads them, they are a TypeError, as a dict or a set is in any cell.

    Numbers may be written with a unit, before it or behind ("$1,234.50", "12 %", "12 km"), which is that of most cells,
    with separators between the thousands, and in brackets if they are negative ("(300)"). A comma sets off the decimals
    if more cells are numbers so than with a point. Dates may be written in ISO 8601 or, with or without a time of day,
    as in 03/31/2024, 31.03.2024, 31-Mar-24 or March 31, 2024; what comes first is told by all cells together, and
    where none tells it, the month does between slashes and strokes, and the day between points. Later rows are read as
    those of ``fit`` were written.

    Strings of digits are numbers if something beside them, a word for "missing" or an odd cell, has kept whoever read
    the file from making numbers of them. They look like codes if one begins with 0, if all have the same five digits or
    more, if an odd cell has digits too ("12A"), or if there are at most 30 of them, which come back.
    An array or tensor is one of a picture if it has 2 or 3 dimensions and is uint8, or has 3 dimensions, of which the
    first or the last has 1, 3 or 4 entries. A picture's bytes may also be base64, a ``data:`` URI, or in a dict
    ``{"bytes": ..., "path": ...}``, and its path in such a dict or a ``file://`` URI. Of sounds the same holds, but for
    base64; their arrays are in pairs ``(array, rate)`` or in dicts ``{"array": ..., "sampling_rate": ...}``.

    Files are opened for one line only: if cells are path objects or strings with a separator of folders (with the
    ``root`` of an `ImageTransformer`, any strings), and end like no picture, the first ten are looked up, up to the
    first that leads to none.

    A list, a tuple or an array of pictures counts as a picture, and a list of sounds as a sound, so that single ones
    and lists may mix; what is missing in it is left out, and an empty one is missing. Lists are lists of texts if their
    strings are: tags of one word each must be named in an Input.

    Within an estimator or a `ModalityTransformer`, Inputs of your own that ``recognise`` cells are asked before vectors
    are looked for, of columns that may hold strings or objects.

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
    inputs = [input_() for input_ in MODALITIES.values()]
    return {label: detect_kind(column, label, who, inputs) for label, column in frame.items()}


def detect_kind(column, label, who, inputs):
    """Return what one column holds, and why: one entry of `detect_kinds`.

    Parameters
    ----------
    column : pandas.Series
        The column.
    label : hashable
        Its label, for error messages.
    who : str
        Who wants to know, for error messages.
    inputs : list of Input
        One for each modality whose cells are recognised; those of a user's own are asked before all other rules.

    Returns
    -------
    detected : Detected
        Kind and reason.
    """
    if is_all_missing(column):
        return Detected("ignored", f"all of its {len(column)} cells are missing")
    if column.dtype.type is pd.CategoricalDtype.type:  # pandas's own, or pyarrow's dictionary
        return Detected("categorical", "category dtype")
    cells = column.dropna()
    if holds_strings(cells):
        cells = _sample(cells)
        has_lists = holds_objects(column) and not _LISTS.isdisjoint(map(type, column.to_numpy(dtype=object)))
        detected = _detect_objects(cells, has_lists, inputs)
        if detected is not None:
            takes = {input_.kind: input_.takes for input_ in inputs} | _TAKES
            _check_no_containers(column, label, who, detected.kind, takes.get(detected.kind, looks_like_picture))
            return detected
    detected = _detect_scalars(column, cells)
    # A text of single strings has no lists of strings, or it had been found as one.
    takes = looks_like_picture if detected.kind == "text" else _TAKES.get(detected.kind, looks_like_picture)
    _check_no_containers(column, label, who, detected.kind, takes)
    return detected


def _detect_scalars(column, cells):
    """What a column of single values holds, of which some are looked at."""
    if is_constant(column):
        return Detected("ignored", f"all of its {len(column)} cells are the same")
    kind, reason = explain_column_kind(column)
    if kind != "categorical":
        return Detected(kind, reason)
    return _detect_words([cell for cell in cells if isinstance(cell, str)], len(cells))


def _check_no_containers(column, label, who, kind, takes):
    """Raise TypeError, in scikit-learn's wording, where a cell is a container that no one ``takes``.

    In columns of the table, a few odd ones are read as missing.
    """
    if not holds_objects(column):
        return
    cells = column.to_numpy(dtype=object)
    suspects = {kind for kind in set(map(type, cells)) if hasattr(kind, "__iter__") and not issubclass(kind, _FLAT)}
    if not suspects:
        return
    bad = [row for row, cell in enumerate(cells) if type(cell) in suspects and not takes(cell)]
    if not bad or (kind in _TABLE and can_be_missing(cells[bad], column.notna().sum())):
        return
    cell = cells[bad[0]]
    shape = f" of shape {cell.shape} and dtype {cell.dtype}" if isinstance(cell, np.ndarray) else ""
    raise TypeError(
        f"{who} cannot read column {label!r}: argument must be a string or a number, not "
        f"{type(cell).__name__!r}{shape} (row {bad[0]}). Spread such cells over columns of their own, drop the column, "
        f"or name it in an Input that can read it (lists of strings: TextInput)."
    )


def _detect_objects(cells, has_lists, inputs):
    """What cells themselves tell: a modality of one's own, vectors, pictures, sound, files, lists of texts; or None.

    Which words strings are made of is looked at later.
    """
    own = [_by(input_) for input_ in inputs if input_.kind not in MODALITIES]
    given = [_by(input_) for input_ in inputs if input_.kind in MODALITIES]
    for rule in (*own, _detect_vectors, *given, _detect_other_files):
        detected = rule(cells)
        if detected is not None:
            return detected
    return _detect_texts(cells, [cell for cell in cells if is_list(cell)]) if has_lists else None


def _by(input_):
    """Return the rule of an Input: a function that says what cells are, or None."""

    def rule(cells):
        reason = input_.recognise(cells)
        return None if reason is None else Detected(input_.kind, reason)

    return rule


def _detect_vectors(cells):
    n_vectors = sum(map(is_vector, cells))
    return Detected("vector", f"{_share(n_vectors, cells)} are vectors") if 2 * n_vectors > len(cells) else None


def _detect_other_files(cells):
    n_files = sum(isinstance(cell, (*_BYTES, os.PathLike)) for cell in cells)
    if 2 * n_files <= len(cells):
        return None
    return Detected("ignored", f"{_share(n_files, cells)} are bytes or paths, but not of pictures")


def _detect_texts(cells, lists):
    """Texts, where some cells of the column are lists, or None."""
    lists_of_strings = [items for items in map(filled, lists) if all(isinstance(item, str) for item in items)]
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


def _sample(cells):
    """Up to 1,000 of the cells with something in them, always the same ones."""
    cells = cells.to_numpy(dtype=object)
    drawn = draw(cells)
    present = drawn[~empty_rows(drawn)]
    return present if 2 * len(present) > len(drawn) else draw(cells[~empty_rows(cells)])


def _share(n, cells):
    return f"{n} of {len(cells)} cells looked at"


_TAKES = {  # which containers the transformer of a kind of columns reads, or complains of more precisely
    "vector": lambda cell: is_vector(cell) or holds_nothing(cell),
    "text": is_list,
}
