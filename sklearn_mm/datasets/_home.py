"""The folder that data sets are unpacked into."""

import os
import re
import shutil
from os import PathLike
from pathlib import Path

__all__ = ["clear_data_home", "describe_failure", "get_data_home"]

# A data set's name and the start of its archive's hash; with a dot, what an interrupted process left of unpacking it.
_UNPACKED = re.compile(r"emoji-[0-9a-f]{12}|\.emoji-[0-9a-f]{12}-\w+")


def get_data_home(data_home: str | PathLike | None = None) -> str:
    """Return the path of the folder that data sets are unpacked into; it is made if it is not there.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder. By default it is the one that the environment variable ``SKLEARN_MM_DATA`` names, or else
        ``~/sklearn_mm_data``. ``~`` stands for the user's home.

    Returns
    -------
    str
        The absolute path.

    See Also
    --------
    clear_data_home : Delete what was unpacked there.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_mm.datasets import get_data_home
    >>> folder = tempfile.TemporaryDirectory()
    >>> get_data_home(f"{folder.name}/data")
    '...data'
    >>> folder.cleanup()
    """
    home = _locate(data_home)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(describe_failure(home, error)) from error
    return str(home)


def clear_data_home(data_home: str | PathLike | None = None) -> None:
    """Delete what this package unpacked into the data home; it is unpacked again when it is next loaded.

    Other files in the folder stay. The folder itself goes if nothing is left in it.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder, found as in `get_data_home`. A folder that is not there is no error.

    See Also
    --------
    get_data_home : Where the folder is.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn_mm.datasets import clear_data_home, load_emoji
    >>> folder = tempfile.TemporaryDirectory()
    >>> images = load_emoji(data_home=folder.name).image_dir
    >>> clear_data_home(folder.name)
    >>> import os
    >>> os.path.exists(images)
    False
    """
    home = _locate(data_home)
    if not home.is_dir():
        return
    for entry in home.iterdir():
        if entry.is_dir() and _UNPACKED.fullmatch(entry.name):
            shutil.rmtree(entry)
    if not any(home.iterdir()):
        home.rmdir()


def _locate(data_home):
    """Return the absolute path of the data home, which need not be there."""
    if data_home is None:
        data_home = os.environ.get("SKLEARN_MM_DATA") or Path("~", "sklearn_mm_data")
    return Path(os.path.abspath(Path(data_home).expanduser()))


def describe_failure(home, error):
    """Return the message for an ``error`` while writing to ``home``."""
    return (
        f"sklearn_mm.datasets cannot write to the data home {str(home)!r}: {error.strerror or error}. Pass data_home=, "
        "or set the environment variable SKLEARN_MM_DATA, to a folder that can be written to."
    )
