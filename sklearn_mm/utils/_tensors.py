"""Tensors: of rows of an array, and of a module."""

import numpy as np
import torch

__all__ = ["as_tensors", "module_tensors"]


def as_tensors(rows):
    """Return an array as a tensor, and a structured one as a dict of one tensor per field."""
    if rows.dtype.names:
        return {field: as_tensors(rows[field]) for field in rows.dtype.names}
    return torch.from_numpy(np.ascontiguousarray(rows))


def module_tensors(module):
    """Return all parameters and buffers of a module."""
    return [*module.parameters(), *module.buffers()]
