"""A user's function from a list of cells to an array: handed lists of them, and held to what it promises."""

import numpy as np
import torch

from sklearn_mm.utils._messages import abbreviate, name_column, name_function

__all__ = ["CellFunction"]


class CellFunction:
    """Embed items of a column by a function, some at a time.

    Parameters
    ----------
    who : str
        Who reads, for error messages.
    function : callable
        Maps a list of cells to their vectors.
    batch_size : int
        How many cells it is handed at most.
    items : Items
        The column.
    chosen : numpy.ndarray of shape (n_chosen,), dtype int64
        The items that are there.
    width : int, default=None
        Of the vectors; None learns it from the first that come.
    """

    def __init__(self, who, function, batch_size, items, chosen, width=None):
        self.who = who
        self.function = function
        self.batch_size = batch_size
        self.items = items
        self.chosen = chosen
        self.width = width

    def __call__(self, places):
        """Return the vectors of the items at some places in ``chosen``, float32 (n_places, width)."""
        items = self.chosen[places]
        starts = range(0, len(items), self.batch_size)
        parts = [self._embed(items[start : start + self.batch_size]) for start in starts]
        return np.concatenate(parts) if parts else np.zeros((0, self.width or 0), dtype=np.float32)

    def _embed(self, items):
        try:
            result = self.function(list(self.items.cells[items]))
        except MemoryError:
            raise
        except Exception as error:  # it is the user's, and calls libraries that raise errors of their own
            raise RuntimeError(
                f"{self.who}: {name_function(self.function)} raised {type(error).__name__}, handed "
                f"{self._described(items)}: {abbreviate(str(error), 300)}"
            ) from error
        vectors = self._as_array(result, items)
        if vectors.ndim != 2 or len(vectors) != len(items) or not vectors.shape[1]:
            raise self._wrong(f"an array of shape {vectors.shape}", items)
        if self.width not in (None, vectors.shape[1]):
            raise self._wrong(f"vectors of width {vectors.shape[1]}, where those before had {self.width}", items)
        bad = ~np.isfinite(vectors).all(axis=1)
        if bad.any():
            where = self.items.which_rows(items[bad])
            raise self._wrong(f"NaN, infinity or what is too large for float32 in {bad.sum()} ({where})", items)
        self.width = vectors.shape[1]
        return vectors

    def _as_array(self, result, items):
        """Return a result as float32; lists of vectors are fine, too."""
        parts = list(map(_on_cpu, result)) if isinstance(result, list | tuple) else _on_cpu(result)
        try:
            array = np.asarray(parts)
            with np.errstate(over="ignore"):
                vectors = array.astype(np.float32) if array.dtype.kind in "biufO" else None
        except (TypeError, ValueError) as error:
            raise self._wrong(f"a {type(result).__name__} that makes no array of numbers ({error})", items) from error
        if vectors is None:
            raise self._wrong(f"an array of dtype {array.dtype}", items)
        return vectors

    def _wrong(self, got, items):
        return ValueError(
            f"{self.who} needs a function that returns an array of numbers with a vector for each cell, all of one "
            f"width: {name_function(self.function)} returned {got} for {self._described(items)}."
        )

    def _described(self, items):
        """Return what the function was handed, in words."""
        n_cells = f"{len(items)} cell{'s' * (len(items) != 1)}"
        return f"{n_cells} of {name_column(self.items.name)} ({self.items.which_rows(items)})"


def _on_cpu(value):
    return value.detach().cpu().float().numpy() if isinstance(value, torch.Tensor) else value
