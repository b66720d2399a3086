"""Checks of targets, which say which rows are at fault and what to do."""

import datetime

import numpy as np
import pandas as pd
from scipy import sparse

from sklearn_mm.utils._messages import first_few

__all__ = ["check_labels", "check_numbers"]

_TIMES = {
    "dates": ("M", (datetime.date, np.datetime64, pd.Period), "the time since one, ({0} - {0}.min())"),
    "durations": ("m", (datetime.timedelta, np.timedelta64), "how many units of time they are, {0}"),
}


def check_labels(y, name):
    """Raise where a label is missing or infinite, or where strings are mixed with others."""
    if sparse.issparse(y):
        return
    labels = np.asarray(y, dtype=object if isinstance(y, list | tuple) else None)  # else NaN would be a string
    _check_missing(pd.isna(labels), name)
    if labels.dtype.kind == "f":
        _check_infinite(np.isinf(labels), name)
    elif labels.dtype.kind == "O":
        _check_infinite(_where(labels, lambda cell: isinstance(cell, float | np.floating) and np.isinf(cell)), name)
    if labels.dtype.kind == "O" and len({isinstance(label, str) for label in labels.flat}) > 1:
        types = sorted({type(label).__name__ for label in labels.flat})
        raise ValueError(
            f"Labels in {name} must be all strings or none, got {types}. Convert them: {name}.astype(str)."
        )


def check_numbers(y, name, owner):
    """Raise where ``owner``, who predicts numbers, is given one that is missing or infinite, a time or a text."""
    values = np.asarray(y)
    for what, (kind, types, instead) in _TIMES.items():
        times = np.full(values.shape, values.dtype.kind == kind)
        if values.dtype.kind == "O":
            times = _where(values, lambda cell, types=types: isinstance(cell, types) and cell is not pd.NaT)
        _check_none(
            values,
            times,
            f"{owner} predicts numbers, got {what} in {name}",
            f"Predict {instead.format(name)} / pd.Timedelta(days=1) for example, so that the unit is yours.",
        )
    if values.dtype.kind in "OUS":
        _check_none(
            values,
            _where(values, _is_no_number),
            f"{owner} predicts numbers, got text that is no number in {name}",
            f"Convert it (pd.to_numeric({name}) reads plain numbers); labels are for a classifier.",
        )
        if any(np.ndim(cell) for cell in values.flat):
            return  # scikit-learn says what is wrong with the shape
        values = np.array([np.nan if pd.isna(cell) else float(cell) for cell in values.flat]).reshape(values.shape)
    if values.dtype.kind == "f":
        _check_missing(np.isnan(values), name)
        _check_infinite(np.isinf(values), name)


def _where(cells, condition):
    return np.array([condition(cell) for cell in cells.flat], dtype=bool).reshape(cells.shape)


def _is_no_number(cell):
    if not isinstance(cell, str | bytes):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def _rows(wrong):
    """Return how many rows have something wrong, and which: the beginning of what is said in brackets."""
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
    return f"{len(rows)} of {len(wrong)} rows (rows {first_few(rows)}"


def _check_none(values, wrong, fault, way_out):
    if wrong.any():
        raise ValueError(f"{fault}, in {_rows(wrong)}; first: {str(values[wrong][0])!r}). {way_out}")


def _check_missing(missing, name):
    if missing.any():
        raise ValueError(
            f"Input {name} contains NaN or None in {_rows(missing)}). Leave these rows out, as in X[{name}.notna()]."
        )


def _check_infinite(infinite, name):
    if infinite.any():
        raise ValueError(
            f"Input {name} contains infinity or a value too large for dtype('float64') in {_rows(infinite)}). Leave "
            "these rows out, or put a limit in their place."
        )
