"""Cells that are lists, and cells with nothing in them, empty lists among these."""

import numpy as np
import torch

from sklearn_mm.preprocessing.cells._missing import is_missing, missing_rows

__all__ = ["STACK_OF_PICTURES", "empty_rows", "holds_nothing", "is_list"]

STACK_OF_PICTURES = 4  # its number of dimensions


def is_list(cell, stack_ndim=STACK_OF_PICTURES):
    """Return whether a cell is a list of things to read.

    That is a list, a tuple, a 1-D array of objects or strings, or an array or tensor of ``stack_ndim`` dimensions,
    which is a stack: of pictures by default. None says that there are no stacks.
    """
    if isinstance(cell, torch.Tensor):
        return cell.ndim == stack_ndim
    if isinstance(cell, np.ndarray):
        return cell.ndim == stack_ndim or (cell.ndim == 1 and cell.dtype.kind in "OU")
    return isinstance(cell, list | tuple)


def holds_nothing(cell, stack_ndim=STACK_OF_PICTURES):
    """Return whether a cell is missing, an empty array, or a list of nothing but missing ones."""
    if is_list(cell, stack_ndim):
        return all(map(is_missing, cell))
    return getattr(cell, "shape", None) == (0,) or is_missing(cell)


def empty_rows(cells, stack_ndim=STACK_OF_PICTURES):
    """Return where `holds_nothing` holds, for all cells of an object array of shape (n,): a bool array (n,)."""
    empty = missing_rows(cells)
    for row, cell in enumerate(cells):
        if not isinstance(cell, str) and holds_nothing(cell, stack_ndim):
            empty[row] = True
    return empty
