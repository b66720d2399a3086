"""Cells that are vectors: 1-D arrays, lists and tuples of numbers."""

from numbers import Real

import numpy as np
import torch

__all__ = ["are_vectors", "is_vector"]


def is_vector(cell):
    """Return whether a cell is a 1-D array or tensor of numbers, or a list or tuple of numbers, not an empty one."""
    if isinstance(cell, np.ndarray) and cell.dtype.kind != "O":
        return cell.ndim == 1 and cell.dtype.kind in "iufb" and len(cell) > 0
    if isinstance(cell, torch.Tensor):
        return cell.ndim == 1 and not cell.is_complex() and len(cell) > 0
    if isinstance(cell, list | tuple) or (isinstance(cell, np.ndarray) and cell.ndim == 1):
        kinds = set(map(type, cell)) - {type(None)}  # a missing number, as NaN is
        return bool(kinds) and all(issubclass(kind, Real | np.bool_) for kind in kinds)
    return False


def are_vectors(cells):
    """Return whether most of some cells are vectors."""
    return 2 * sum(map(is_vector, cells)) > len(cells)
