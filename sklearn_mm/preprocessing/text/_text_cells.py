"""Which cells of a column are texts, and a complaint about those that are anything else."""

import numpy as np

from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.preprocessing.containers._tables import check_not_empty
from sklearn_mm.utils._messages import abbreviated_repr

__all__ = ["check_texts"]


def check_texts(items, who="TextTransformer"):
    """Return where there are texts; raise where there is anything but texts and missing cells."""
    check_not_empty((items.n_rows,), who)
    present = ~missing_rows(items.cells)
    bad = [item for item in np.flatnonzero(present) if not isinstance(items.cells[item], str)]
    if bad:
        first = items.cells[bad[0]]
        raise TypeError(
            f"{who} reads strings, but {len(bad)} of {len(present)} {items.noun} are something else "
            f"({items.which_rows(bad)}). First, {items.where(bad[0])}: {abbreviated_repr(first)} of type "
            f"{type(first).__name__}. Turn them into strings, for example with X[column].astype('string'), which "
            f"leaves missing cells missing."
        )
    return present
