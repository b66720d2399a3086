"""The warning of columns that detection leaves out, though they may say something."""

import re
import warnings

import pandas as pd

from sklearn_mm.inputs._column_assignment import looks
from sklearn_mm.inputs._column_contents import is_all_missing, is_constant

__all__ = ["warn_of_ignored"]

_MOST_SHOWN = 10
_NUMBERED = re.compile(r"(\D*)(\d{1,18})")


def warn_of_ignored(frame, detected, inputs, who, modalities):
    """Warn, once, of columns that are ignored although they are neither empty nor constant nor count the rows.

    Nothing is said of columns that an Input which names its columns does not name, or of a modality that is None: these
    are left out because someone said so.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    detected : dict of Detected
        Kind and reason by label, of the columns that were looked at.
    inputs : dict of Input
        Inputs by name.
    who : str
        Who ignores them.
    modalities : collection of str
        Names of the Inputs that are parameters of their own, and not in the list ``inputs``.
    """
    warned_of = {what for input_ in inputs.values() if looks(input_) for what in input_.warns_of}
    identifiers, media = [], []
    for label, (kind, reason) in detected.items():
        if kind != "ignored" or is_all_missing(frame[label]) or is_constant(frame[label]):
            continue
        cells = frame[label].dropna()
        if not isinstance(cells.iloc[0], str):
            media += [f"{label!r} ({reason})"] * ("files" in warned_of)
        elif "strings" in warned_of and not _counts_rows(cells):
            identifiers.append((label, f"{label!r} ({reason})"))
    if not identifiers and not media:
        return
    shown = [reason for _, reason in identifiers] + media
    lines = [f"{who} ignores {len(shown)} of the {frame.shape[1]} columns of X: {'; '.join(shown[:_MOST_SHOWN])}"]
    lines[0] += f"; and {len(shown) - _MOST_SHOWN} more." if len(shown) > _MOST_SHOWN else "."
    if identifiers:
        label = identifiers[0][0]
        kinds = f"TabularInput(transformer=TabularTransformer(kinds={{{label!r}: 'categorical'}}))"
        written = f"tabular={kinds}" if set(inputs) <= set(modalities) else f"{kinds} in `inputs`"
        lines.append(f"{written} reads {label!r} as categories, a TextInput that names it as text.")
    if media:
        lines.append("Files that are no pictures are read by an Input of your own, in `inputs`.")
    lines.append("Without these columns in X, nothing is said.")
    warnings.warn(" ".join(lines), UserWarning, stacklevel=4)


def _counts_rows(cells):
    """Whether strings are numbers of rows, or of most rows of a larger table, perhaps behind one word: "row 17"."""
    matches = [_NUMBERED.fullmatch(cell.strip()) if isinstance(cell, str) else None for cell in cells]
    if None in matches or len({match[1] for match in matches}) > 1:
        return False
    numbers = pd.Series([int(match[2]) for match in matches])
    return numbers.is_unique and 2 * len(numbers) > numbers.max() - numbers.min()
