"""Whether paths whose endings say nothing lead to pictures: the one look at files that detection takes."""

import os
import stat

from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk, file_path
from sklearn_mm.preprocessing.image._formats import HEAD, is_sure_picture_head

__all__ = ["lead_to_pictures"]

_N_OPENED = 10  # files, at most
_LONGEST = 1000  # characters of a path


def lead_to_pictures(cells, root=None):
    """Return whether the first cells all lead to files that begin like pictures.

    Of most columns no file is looked for: cells must be path objects, or strings with a separator of folders (with a
    ``root``, any strings). It ends at the first cell that leads to no picture.

    Parameters
    ----------
    cells : array of shape (n,)
        Cells with something in them, at least one.
    root : str or path, default=None
        Folder of relative paths.
    """
    return all(_could_be_path(cell, root) and _is_picture_file(file_path(cell, root)) for cell in cells[:_N_OPENED])


def _could_be_path(cell, root):
    if isinstance(cell, os.PathLike):
        return True
    return isinstance(cell, str) and len(cell) <= _LONGEST and (root is not None or "/" in cell or os.sep in cell)


def _is_picture_file(path):
    try:
        path = as_spelt_on_disk(path)
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
            return False
        with open(path, "rb") as file:
            return is_sure_picture_head(file.read(HEAD))
    except (OSError, ValueError):  # no such file, or no possible name of one
        return False
