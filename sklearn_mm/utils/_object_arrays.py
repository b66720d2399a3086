"""Arrays of Python objects: how to make one, and a sample of one."""

import numpy as np

__all__ = ["draw", "object_array"]

_N_SAMPLED = 1000


def draw(cells):
    """Return up to 1,000 of the cells of an array, drawn evenly, always the same ones."""
    if len(cells) <= _N_SAMPLED:
        return cells
    return cells[np.sort(np.random.default_rng(0).choice(len(cells), _N_SAMPLED, replace=False))]


def object_array(cells):
    """Return cells, whatever they are, as an object array of shape (n_cells,)."""
    array = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):  # one by one: a slice assignment would unpack cells that are arrays
        array[row] = cell
    return array
