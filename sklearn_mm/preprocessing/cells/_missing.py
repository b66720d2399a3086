"""Missing cells: None, NaN, blank strings, and records (dicts of "bytes" and "path") of nothing else."""

import pandas as pd

__all__ = ["held_by_record", "is_missing", "is_record", "missing_rows"]

_RECORD_KEYS = frozenset(["bytes", "path"])


def is_record(cell):
    """Return whether a cell is a dict of "bytes" and "path", as data sets of Hugging Face hold media."""
    return isinstance(cell, dict) and bool(cell) and _RECORD_KEYS.issuperset(cell)


def held_by_record(record):
    """Return what a dict of "bytes" and "path" holds: the bytes where there are any, else the path."""
    content = record.get("bytes")
    return record.get("path") if is_missing(content) else content


def is_missing(cell):
    """Return whether there is nothing in a cell: None, NaN, pd.NA, NaT, empty or blank strings, and dicts of these."""
    if isinstance(cell, str):
        return not cell.strip()
    if is_record(cell):
        return all(map(is_missing, cell.values()))
    return bool(pd.api.types.is_scalar(cell) and pd.isna(cell))


def missing_rows(cells):
    """Return where `is_missing` holds, for all cells of an object array of shape (n,): a bool array (n,)."""
    missing = pd.isna(cells)
    for row, cell in enumerate(cells):
        if isinstance(cell, str):
            missing[row] = not cell or cell.isspace()
        elif is_record(cell):
            missing[row] = is_missing(cell)
    return missing
