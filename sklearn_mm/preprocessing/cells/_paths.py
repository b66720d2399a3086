"""Paths in cells: below which folder, and as the file system spells them."""

import os
import unicodedata
from pathlib import Path

__all__ = ["as_spelt_on_disk", "file_path"]


def file_path(cell, root=None):
    """Return the path in a cell as a string, with ``~`` expanded, below ``root`` if it is relative."""
    path = os.path.expanduser(os.fsdecode(cell))
    return path if root is None else os.path.join(os.path.expanduser(os.fsdecode(root)), path)


def as_spelt_on_disk(path):
    """Return a path in the spelling in which it leads to a file, and as it is where that leads nowhere either.

    Letters with marks have two spellings in Unicode, composed (NFC) and decomposed (NFD). Archives and tables from
    macOS often have the second, and most file systems take the two for different names.

    Parameters
    ----------
    path : str
        The path. What has exactly this name comes first, then what has it in NFC, then in NFD, folder by folder.
    """
    if path.isascii() or os.path.lexists(path):
        return path
    found = ""
    for part in Path(path).parts:
        forms = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
        found = next((place for place in (os.path.join(found, form) for form in forms) if os.path.lexists(place)), None)
        if found is None:
            return path
    return found
