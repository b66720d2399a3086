"""A column whose cells are vectors, such as embeddings computed elsewhere, as numbers of a table."""

import numpy as np
import torch

from sklearn_mm.preprocessing.cells._lists import empty_rows
from sklearn_mm.preprocessing.tabular._missing_words import is_missing_word
from sklearn_mm.preprocessing.tabular._odd_cells import OddCells, are_few
from sklearn_mm.preprocessing.tabular._vector_strings import parse_vector
from sklearn_mm.preprocessing.tabular._vectors import is_vector
from sklearn_mm.utils._messages import name_rows

__all__ = ["VectorReader"]

_LARGEST = 1e9  # of a scaled number; its square is still far from the end of float32


class VectorReader:
    """Read a column of vectors of one length as numbers.

    The vectors are centred and divided by one number, the root of the mean variance of their elements: directions and
    relative distances, which are what an embedding says, stay as they are. Where elements are missing they become the
    centre, 0, and where whole cells were missing in ``fit``, a column of 0 and 1 says so.
    """

    def __init__(self, name, add_indicator):
        self.name = name
        self.add_indicator = add_indicator

    def fit_read(self, column):
        values, missing, odd = self._stack(column, width=None)
        self.width = values.shape[1]
        is_number = ~np.isnan(values)
        n_numbers = np.maximum(is_number.sum(axis=0), 1)
        # Sums in float64 over what stays float32.
        self.centre = (values.sum(axis=0, dtype=np.float64, where=is_number) / n_numbers).astype(np.float32)
        values = self._centred(values)
        squares = np.einsum("ij,ij->j", values, values, dtype=np.float64)
        self.scale = np.sqrt(np.mean(squares / n_numbers))
        self.has_indicator = bool(self.add_indicator and missing.any())
        return *self._features(values, missing), odd

    def read(self, column):
        values, missing, odd = self._stack(column, self.width)
        return *self._features(self._centred(values), missing), odd

    def feature_names(self, name):
        return [f"{name}_{i}" for i in range(self.width)] + [f"{name}_missing"] * self.has_indicator

    def _centred(self, values):
        with np.errstate(over="ignore"):
            values -= self.centre
        return np.nan_to_num(values, copy=False)

    def _features(self, values, missing):
        """Put the scaled vectors of the cells that are there into the rows of all."""
        features = np.zeros((len(missing), self.width + self.has_indicator), dtype=np.float32)
        if self.scale > 0:
            with np.errstate(over="ignore"):
                values /= self.scale
            features[~missing, : self.width] = np.clip(values, -_LARGEST, _LARGEST, out=values)
        if self.has_indicator:
            features[:, -1] = missing
        return features, missing

    def _stack(self, column, width):
        """Return the vectors of the cells that are there, float32 (n_present, width), which are missing, `OddCells`."""
        cells, missing = _parsed(column.to_numpy(dtype=object))
        is_odd = ~missing
        is_odd[is_odd] = [not is_vector(cell) for cell in cells[is_odd]]
        odd = OddCells.of(column, self.name, "vectors", is_odd)
        if odd and width is None and not are_few(len(odd.rows), np.count_nonzero(~missing)):
            self._refuse(odd)
        missing |= is_odd
        rows = np.flatnonzero(~missing)
        lengths = np.fromiter(map(len, cells[rows]), dtype=np.int64, count=len(rows))
        width = self._check_lengths(rows, lengths, width)
        vectors = [cell.detach().cpu().float() if isinstance(cell, torch.Tensor) else cell for cell in cells[rows]]
        with np.errstate(over="ignore"):
            values = np.array(vectors, dtype=np.float32).reshape(len(rows), width)
        infinite = np.isinf(values).any(axis=1)
        if infinite.any():
            raise ValueError(
                f"Input X contains infinity or a value too large for dtype('float32'): column {self.name!r} does in "
                f"{infinite.sum()} of {len(cells)} cells ({name_rows(rows[infinite])}). Replace these, for example "
                f"with np.nan."
            )
        nothing = np.isnan(values).all(axis=1)
        if nothing.any():
            missing[rows[nothing]] = True
            values = values[~nothing]
        return values, missing, odd

    def _refuse(self, odd):
        first = odd.first
        got = f" of dtype {first.dtype} and shape {first.shape}" if isinstance(first, np.ndarray) else ""
        if isinstance(first, str):
            got = f" {first[:60]!r}" + (", whose elements were left out when it was written" if "..." in first else "")
        raise TypeError(
            f"TabularTransformer reads column {self.name!r} as vectors (1-D arrays, lists or tuples of numbers, or "
            f"strings of these), but {len(odd.rows)} of {odd.n_rows} cells are something else ({odd.where}). First: "
            f"{type(first).__name__!r}{got}. Drop these rows, or put None there."
        )

    def _check_lengths(self, rows, lengths, width):
        if width is None and not len(lengths):
            raise ValueError(f"TabularTransformer found no vector in column {self.name!r}: all cells are missing.")
        expected = np.bincount(lengths).argmax() if width is None else width
        bad = lengths != expected
        if bad.any():
            usual = "most have" if width is None else "in `fit` all had"
            raise ValueError(
                f"TabularTransformer needs vectors of one length in column {self.name!r}, but {bad.sum()} of "
                f"{len(lengths)} have another one than {expected}, which {usual}: lengths "
                f"{sorted(set(lengths[bad].tolist()))[:5]} ({name_rows(rows[bad])}). Cut or pad them, or put None "
                f"there."
            )
        return expected


def _parsed(cells):
    """Return cells with the strings among them as vectors, if they are, and which cells are missing."""
    missing = empty_rows(cells)
    strings = [row for row in np.flatnonzero(~missing) if isinstance(cells[row], str)]
    if strings:
        cells = cells.copy()
        for row in strings:
            missing[row] = is_missing_word(cells[row])
            vector = parse_vector(cells[row])
            cells[row] = cells[row] if vector is None else vector
    return cells, missing
