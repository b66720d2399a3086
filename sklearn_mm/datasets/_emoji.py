"""Emoji with their names: a small data set of pictures and text that ships with the package."""

import csv
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Sequence
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from sklearn_mm.datasets._home import describe_failure, get_data_home

__all__ = ["load_emoji"]

_DATA = files("sklearn_mm.datasets") / "data"
_FILE_SIZE = 16_516  # bytes; all pictures are uncompressed PNG files of 64 × 64 RGBA pixels


def load_emoji(
    *,
    as_frame: bool = True,
    return_X_y: bool = False,
    languages: Sequence[str] = (),
    data_home: str | PathLike | None = None,
) -> Any:
    """Load 1,870 emoji, each a picture and a name, to be told apart by category.

    The pictures ship with the package. The first call unpacks them (31 MB) into the data home; nothing is downloaded.

    =================   ==============================
    Classes                                          9
    Samples per class                        85 to 350
    Samples total                                 1870
    Columns             image (a path), text (a name)
    =================   ==============================

    Parameters
    ----------
    as_frame : bool, default=True
        Whether the data is a pandas DataFrame and the target a Series. If False, they are object arrays.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a `sklearn.utils.Bunch`.
    languages : sequence of str, default=()
        Languages, besides English, that the names are wanted in: "de", "es", "fr", "ja", "ko", "pt", "ru", "zh". Each
        adds a column such as ``text_de``; a name that is missing there is None.
    data_home : str or path-like, default=None
        Folder to unpack the pictures into. By default it is the one that the environment variable
        ``SKLEARN_MM_DATA`` names, or else ``~/sklearn_mm_data``.

    Returns
    -------
    data : Bunch
        With the following attributes; the rows come in a fixed order that has no meaning.

        data : DataFrame or ndarray of shape (1870, 2 + n_languages)
            The columns ``image`` (absolute path of a PNG file, 64 × 64 pixels, RGBA), ``text`` (English name) and
            one ``text_xx`` for each of the ``languages``. No name holds a word of the name of any category.
        target : Series or ndarray of shape (1870,)
            The category, a string.
        target_names : list of str
            The 9 categories, sorted.
        feature_names : list of str
            The columns of ``data``.
        groups : ndarray of int of shape (1870,)
            Equal for emoji that are variants of one another (such as the genders of a profession, or a shape in
            several colours). With `sklearn.model_selection.StratifiedGroupKFold`, none is tested on whose twin was
            trained on.
        frame : DataFrame or None
            ``data`` and ``target`` in one, if ``as_frame``.
        DESCR : str
            How the data was made, and the licences of its parts.
        image_dir : str
            The folder of the pictures.

    (data, target) : tuple
        If ``return_X_y``.

    See Also
    --------
    get_data_home : Where the pictures are unpacked.
    clear_data_home : Delete the unpacked pictures.

    Examples
    --------
    >>> from sklearn_mm.datasets import load_emoji
    >>> emoji = load_emoji(languages=["de"])
    >>> emoji.data[["text", "text_de"]].iloc[2].tolist()
    ['control knobs', 'Drehregler']
    >>> emoji.target.value_counts().head(3)
    category
    People & Body    350
    Flags            270
    Objects          264
    Name: count, dtype: int64
    """
    table = _read_table()
    available = sorted(name.removeprefix("text_") for name in table if name.startswith("text_"))
    languages = _check_languages(languages, available)
    image_dir = _unpack_images(table["image"], data_home)

    columns = {"image": [os.path.join(image_dir, name) for name in table["image"]], "text": table["text"]}
    for language in languages:
        columns[f"text_{language}"] = [name or None for name in table[f"text_{language}"]]
    data = pd.DataFrame(columns, dtype=object)  # so that a missing name is None in all versions of pandas
    target = pd.Series(table["category"], name="category", dtype=object)
    frame = data.assign(category=target) if as_frame else None
    if not as_frame:
        data, target = data.to_numpy(), target.to_numpy()
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=sorted(set(table["category"])),
        feature_names=list(columns),
        groups=np.array(table["group"], dtype=np.int64),
        frame=frame,
        DESCR=(_DATA / "emoji.rst").read_text("utf-8"),
        image_dir=image_dir,
    )


def _read_table():
    """Return the columns of the table as lists of strings by name."""
    with (_DATA / "emoji.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def _check_languages(languages, available):
    """Return the ``languages``, each once, all of which must be ``available``."""
    if isinstance(languages, str):
        raise ValueError(
            f"load_emoji needs `languages` to be a sequence, got the string {languages!r}; write [{languages!r}]."
        )
    languages = list(dict.fromkeys(languages))
    unknown = [language for language in languages if language not in available]
    if unknown:
        raise ValueError(
            f"load_emoji has no names in the languages {unknown}; besides English, which is always there, it has "
            f"{available}."
        )
    return languages


def _unpack_images(names, data_home):
    """Return the folder of the pictures, after unpacking those of them that are not there."""
    archive = (_DATA / "emoji.tar.xz").read_bytes()
    home = get_data_home(data_home)
    folder = Path(home, f"emoji-{hashlib.sha256(archive).hexdigest()[:12]}")
    try:
        if _find_missing(folder, names):
            _unpack(archive, names, folder)
    except OSError as error:
        raise OSError(describe_failure(home, error)) from error
    return str(folder)


def _find_missing(folder, names):
    """Return those of the files ``names`` that are not in ``folder``, or not whole."""
    try:
        with os.scandir(folder) as entries:
            whole = {entry.name for entry in entries if entry.stat().st_size == _FILE_SIZE}
    except FileNotFoundError:
        return list(names)
    return [name for name in names if name not in whole]


def _unpack(archive, names, folder):
    """Unpack ``archive`` so that ``folder``, which other processes may be reading, never holds half a file."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        unpacked = Path(temporary, folder.name)
        unpacked.mkdir()
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:xz") as tar:
            for member in tar:
                (unpacked / member.name).write_bytes(tar.extractfile(member).read())
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            # It has some of the pictures, or another process was faster and it has them all.
            for name in _find_missing(folder, names):
                (unpacked / name).replace(folder / name)
