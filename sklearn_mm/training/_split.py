"""Hold out rows for validation."""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

__all__ = ["split_validation"]


def split_validation(n_rows, fraction, seed, strata=None, groups=None):
    """Return the rows to train with and the rows to validate with; there is at least one of each.

    With ``strata``, the class of each row (n_rows,), classes are held out in proportion; those of one row only are
    trained with, and where there are fewer rows to hold out than classes the draw is plain. With ``groups``, the number
    of the group of each row (n_rows,), whole groups are held out, and never rows whose number is less than 0.
    """
    rows = np.arange(n_rows)
    if groups is not None:
        return _split_groups(groups, fraction, seed)
    single = np.zeros(n_rows, dtype=bool) if strata is None else np.bincount(strata)[strata] == 1
    candidates = rows[~single]
    if len(candidates) < 2:
        what = "2 rows" if strata is None else "2 rows of one class"
        raise ValueError(
            f"Early stopping needs at least {what} to hold out one, got {len(rows)} rows. Pass X_val and y_val, or "
            f"early_stopping=False."
        )
    n_held_out = min(int(np.ceil(fraction * len(candidates))), len(candidates) - 1)
    if strata is not None:
        strata = strata[candidates]
        n_classes = len(np.unique(strata))
        strata = strata if n_classes <= n_held_out <= len(candidates) - n_classes else None
    kept, held_out = train_test_split(candidates, test_size=n_held_out, random_state=seed, stratify=strata)
    return np.sort(np.concatenate([kept, rows[single]])), np.sort(held_out)


def _split_groups(groups, fraction, seed):
    candidates = np.flatnonzero(groups >= 0)
    if len(np.unique(groups[candidates])) < 2:
        raise ValueError(
            f"Early stopping needs at least 2 rows that share nothing to hold out one, got {len(candidates)} rows that "
            "can be validated with and are of one group: by `groups`, or as they share content. Pass X_val, or "
            "early_stopping=False."
        )
    splitter = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
    _, held_out = next(splitter.split(candidates, groups=groups[candidates]))
    return np.delete(np.arange(len(groups)), candidates[held_out]), candidates[held_out]
