"""Hold out rows for validation."""

import numpy as np
from sklearn.model_selection import train_test_split

__all__ = ["split_validation"]


def split_validation(target, fraction, seed, stratify):
    """Return the rows to train with and the rows to validate with; there is at least one of each.

    With ``stratify``, classes are held out in proportion; those of one row only are trained with, and where there are
    fewer rows to hold out than classes the draw is plain.
    """
    rows = np.arange(len(target))
    single = np.bincount(target)[target] == 1 if stratify else np.zeros(len(rows), dtype=bool)
    candidates = rows[~single]
    if len(candidates) < 2:
        what = "2 rows of one class" if stratify else "2 rows"
        raise ValueError(
            f"Early stopping needs at least {what} to hold out one, got {len(rows)} rows. Pass X_val and y_val, or "
            f"early_stopping=False."
        )
    n_held_out = min(int(np.ceil(fraction * len(candidates))), len(candidates) - 1)
    n_classes = len(np.unique(target[candidates])) if stratify else 0
    proportional = stratify and n_classes <= n_held_out <= len(candidates) - n_classes
    kept, held_out = train_test_split(
        candidates, test_size=n_held_out, random_state=seed, stratify=target[candidates] if proportional else None
    )
    return np.sort(np.concatenate([kept, rows[single]])), np.sort(held_out)
