"""Hold out rows for validation."""

import numpy as np
from sklearn.model_selection import train_test_split

__all__ = ["split_validation"]


def split_validation(target, fraction, seed, stratify):
    """Return the rows to train with and the rows to validate with.

    With ``stratify``, classes are held out in proportion; those of one row only are trained with, and where there are
    fewer rows to hold out than classes the draw is plain.
    """
    rows = np.arange(len(target))
    if len(rows) < 2:
        raise ValueError("Early stopping needs at least 2 rows, got 1. Pass X_val and y_val, or early_stopping=False.")
    if not stratify:
        kept, held_out = train_test_split(rows, test_size=fraction, random_state=seed)
        return np.sort(kept), np.sort(held_out)
    counts = np.bincount(target)
    single = counts[target] == 1
    candidates = rows[~single]
    n_held_out = int(np.ceil(fraction * len(candidates)))
    n_classes = np.count_nonzero(counts > 1)
    proportional = n_classes <= n_held_out <= len(candidates) - n_classes
    kept, held_out = train_test_split(
        candidates, test_size=n_held_out, random_state=seed, stratify=target[candidates] if proportional else None
    )
    return np.sort(np.concatenate([kept, rows[single]])), np.sort(held_out)
