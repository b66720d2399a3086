"""What is cut off texts that are too long, and one warning of it for all columns of a fit."""

import warnings
from typing import NamedTuple

import numpy as np

from sklearn_mm.utils._messages import of_column

__all__ = ["CutTexts", "count_cut_texts", "warn_of_cut_texts"]

_MOST_SHOWN = 5
_KEEPS_ALL = "With long_texts='chunk', texts are read to the end, in windows of this length."


class CutTexts(NamedTuple):
    """How many of the texts of a column were longer than a row of ids.

    Parameters
    ----------
    column : str or None
        The column.
    n_cut, n_texts : int
        How many were cut, of how many.
    max_length, longest : int
        Ids per row, and of the longest text.
    framed : bool
        Whether special tokens are among them, as for a pretrained model, which may know no longer rows.
    """

    column: str | None
    n_cut: int
    n_texts: int
    max_length: int
    longest: int
    framed: bool


def count_cut_texts(lengths, max_length, column, framed):
    """Return `CutTexts` of texts of these lengths, or None if none was too long."""
    n_cut = int(np.count_nonzero(lengths > max_length))
    return CutTexts(column, n_cut, len(lengths), max_length, int(lengths.max()), framed) if n_cut else None


def warn_of_cut_texts(cuts, who):
    """Warn, once, of the columns whose texts were cut."""
    if not cuts:
        return
    if len(cuts) == 1:
        (cut,) = cuts
        message = (
            f"TextTransformer cut {cut.n_cut} of {cut.n_texts} texts{of_column(cut.column)} "
            f"({cut.n_cut / cut.n_texts:.1%}) at max_length={cut.max_length} tokens; the longest has {cut.longest}. "
            f"{_KEEPS_ALL if cut.framed else 'A larger max_length keeps more.'}"
        )
    else:
        framed = any(cut.framed for cut in cuts)
        shown = [
            f"{cut.column!r} ({cut.n_cut} of {cut.n_texts} at max_length={cut.max_length}; the longest has "
            f"{cut.longest})"
            for cut in cuts[:_MOST_SHOWN]
        ]
        more = f" and {len(cuts) - _MOST_SHOWN} more" if len(cuts) > _MOST_SHOWN else ""
        message = (
            f"{who} cut texts of {len(cuts)} columns: {', '.join(shown)}{more}. {_KEEPS_ALL + ' ' if framed else ''}"
            f"A larger max_length, in tokens, keeps more: TextInput(transformer=TextTransformer(max_length=...))."
        )
    warnings.warn(message, UserWarning, stacklevel=3)
