"""Many cells to pictures: in threads, and through a store if there is one."""

import multiprocessing
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

import joblib
import numpy as np
import PIL
import torch
from PIL import Image, ImageFile

from sklearn_mm.preprocessing.cells._cells import is_missing, missing_rows
from sklearn_mm.preprocessing.cells._content_keys import hash_cells
from sklearn_mm.preprocessing.image._decode import decode, read_header, read_statistics
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.image._picture_cells import can_hold_picture, plain_cell
from sklearn_mm.preprocessing.image._pillow_errors import UnreadableError
from sklearn_mm.preprocessing.image._pillow_settings import parents_settings
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.storage._store import BlockStore
from sklearn_mm.storage._stored_rows import StoredRows
from sklearn_mm.utils._messages import abbreviate, abbreviated_repr, name_column

__all__ = ["PictureReader", "n_decoding_threads"]

_VERSION = 2  # of `decode`: to be raised when it comes to give other pixels
_LOADED_AT_ONCE = 256  # cells that a loader has brought and that are held in memory


@dataclass(frozen=True)
class PictureReader:
    """Read the items of a column into pictures of one shape.

    Parameters
    ----------
    who : str
        Who reads, for error messages.
    framing : Framing
        Size, colour and part of the pictures.
    root : str or path, default=None
        Folder of relative paths.
    layout : {"first", "last"} or None, default=None
        Where the channels are in arrays whose shape leaves it open.
    loader : callable, default=None
        Called with each item; returns what is read in its place.
    n_jobs : int or None, default=None
        Number of threads.
    store : BlockStore, default=None
        Where pictures are looked for before they are decoded, and kept.
    loaded : dict of int to object
        What the loader has brought already, by item, or the `UnreadableError`; it is taken out as it is read.
    """

    who: str
    framing: Framing
    root: Any = None
    layout: str | None = None
    loader: Any = None
    n_jobs: int | None = None
    store: BlockStore | None = None
    loaded: dict = field(default_factory=dict)

    @property
    def settings(self):
        """All that pictures of equal content may differ by."""
        with parents_settings():
            return _VERSION, self.framing, PIL.__version__, ImageFile.LOAD_TRUNCATED_IMAGES

    def read(self, items):
        """Return the pictures, whether each is present, and (item, cause) of those that cannot be read."""
        present, filled = self._filled(items)
        with self._threads(len(filled)) as run:
            if self.store is None:
                pictures = np.zeros((len(items.cells), *self._shape), dtype=np.uint8)
                failures = run(partial(self._fill, items, present, pictures), filled, filled)
            else:
                pictures, failures = self._read_stored(run, items, present, filled)
        return pictures, present, failures

    def look(self, items):
        """Return what is known of the pictures before they are decoded.

        Of a column with a ``loader``, some cells stand for all, so that not all need be held in memory.

        Parameters
        ----------
        items : Items
            The column.

        Returns
        -------
        headers : numpy.ndarray of shape (n_items, 3), dtype int32
            Width and height in pixels, and kind of the values, as of `read_header`; zeros where not known.
        """
        _, filled = self._filled(items)
        headers = np.zeros((len(items.cells), 3), dtype=np.int32)
        with self._threads(len(filled)) as run:
            if self.loader is not None:
                filled = _sample(items.cells, filled)
                run(partial(self._keep_loaded, items), filled)
            self._fill_facts(run, items, filled, headers, "header", read_header)
        return headers

    def statistics(self, items, deep):
        """Return the `value_statistics` of some items, which `look` has found deep.

        Parameters
        ----------
        items : Items
            The column.
        deep : numpy.ndarray of shape (n_deep,), dtype int64
            The items.

        Returns
        -------
        statistics : numpy.ndarray of shape (n_deep, 4), dtype float64
            NaN where a picture cannot be read.
        """
        statistics = np.full((len(items.cells), 4), np.nan)
        with self._threads(len(deep)) as run:
            self._fill_facts(run, items, deep, statistics, "values", read_statistics)
        return statistics[deep]

    def _fill_facts(self, run, items, some, facts, what, read_fact):
        """Fill in what ``read_fact`` tells of some items; it is kept in the store, if there is one."""

        def fill(some, places, facts, known):
            for item, place in zip(some, places, strict=True):
                cell = self.loaded.get(item, items.cells[item])
                if not (is_missing(cell) or isinstance(cell, UnreadableError)):
                    with suppress(UnreadableError):  # which is reported when the picture is read
                        facts[place] = read_fact(cell, self.root, self.layout)
                        known[place] = True
            return ()

        if self.store is None or self.loader is not None:
            run(partial(fill, facts=facts, known=np.zeros(len(facts), dtype=bool)), some, some)
            return
        keys = hash_cells(items.cells[some], self.root, self.layout)

        def make(places):
            made, known = np.zeros((len(places), facts.shape[1]), facts.dtype), np.zeros(len(places), dtype=bool)
            run(partial(fill, facts=made, known=known), some[places], np.arange(len(places)))
            return made, known, self._unchanged(items.cells[some[places]], keys[places])

        settings = _VERSION, PIL.__version__, ImageFile.LOAD_TRUNCATED_IMAGES
        rows = fetch(self.store, what, settings, facts.dtype, facts.shape[1:], keys, make)
        known = rows.source >= 0
        facts[some[known]] = np.asarray(rows)[known]

    def _keep_loaded(self, items, some):
        for item in some:
            try:
                self.loaded[item] = self._load(items, item)
            except UnreadableError as error:
                self.loaded[item] = error
        return ()

    def _filled(self, items):
        """Return where cells are not missing, and which these are; they are of kinds that can be read."""
        present = ~missing_rows(items.cells)
        filled = np.flatnonzero(present)
        if self.loader is None:  # a cell of the wrong type is known before hours of decoding
            for item in filled:
                _check_kind(items.cells[item], items, item, f"{self.who} reads")
        return present, filled

    @contextmanager
    def _threads(self, n_items):
        """Return what calls a function for parts of arrays, in threads."""
        Image.preinit()  # the common formats first, so that the others are not tried on every file
        Image.init()  # now, because threads that do it at the same time may miss formats
        n_threads = max(1, min(n_decoding_threads(self.n_jobs), n_items))
        with parents_settings(), joblib.Parallel(n_jobs=n_threads, require="sharedmem") as parallel:
            yield partial(_in_tasks, parallel, n_threads)

    @property
    def _shape(self):
        return *self.framing.size, len(self.framing.color)

    def _fill(self, items, present, pictures, some, places):
        """Decode some items into places of an array; return (item, cause) of those that cannot be read."""
        failures = []
        for item, place in zip(some, places, strict=True):
            try:
                cell = self._load(items, item)
                if is_missing(cell):
                    present[item] = False
                else:
                    pictures[place] = decode(cell, self.framing, self.root, self.layout)
            except UnreadableError as error:
                present[item] = False
                failures.append((item, str(error)))
        return failures

    def _load(self, items, item):
        """Return what is to be read for an item."""
        cell = items.cells[item]
        if self.loader is None:
            return cell
        if item in self.loaded:
            cell = self.loaded.pop(item)
            if isinstance(cell, UnreadableError):
                raise cell
            return cell
        try:
            cell = self.loader(cell)
        except MemoryError:
            raise
        except Exception as error:  # it is the user's, and calls libraries that raise errors of their own
            text = f"the loader raised {type(error).__name__}: {abbreviate(str(error), 300)}{_line_of_loader(error)}"
            raise UnreadableError(text) from error
        if not is_missing(cell):
            _check_kind(cell, items, item, f"The loader of {self.who} must return")
        return cell

    def _read_stored(self, run, items, present, filled):
        """Return the pictures as `StoredRows`, and the failures."""
        if self.loader is None:
            pictures, failures = self._fetch(run, items, present, filled)
            return pictures.spread(filled, len(items.cells)).where(present), failures
        # What the loader returns is what counts: it is called for every item, and a few results are held at a time.
        loaded = replace(items, cells=np.full(len(items.cells), None, dtype=object))
        reader, pictures, failures = replace(self, loader=None, loaded={}), [], []
        for start in range(0, max(1, len(filled)), _LOADED_AT_ONCE):
            some = filled[start : start + _LOADED_AT_ONCE]
            failures += run(partial(self._load_some, items, present, loaded.cells), some)
            places = np.flatnonzero(present[some])
            some_pictures, some_failures = reader._fetch(run, loaded, present, some[places])
            pictures.append(some_pictures.spread(places, len(some)))
            failures += some_failures
            loaded.cells[some] = None
        pictures = StoredRows.concatenate(pictures).spread(filled, len(items.cells))
        return pictures.where(present), sorted(failures)

    def _load_some(self, items, present, loaded, some):
        failures = []
        for item in some:
            try:
                loaded[item] = self._load(items, item)
                present[item] = not is_missing(loaded[item])
            except UnreadableError as error:
                present[item] = False
                failures.append((item, str(error)))
        return failures

    def _fetch(self, run, items, present, some):
        """Return the pictures of some items as `StoredRows`, and (item, cause) of those that cannot be read."""
        keys = hash_cells(items.cells[some], self.root, self.layout)
        causes = {}

        def make(places):
            pictures = np.zeros((len(places), *self._shape), dtype=np.uint8)
            failures = run(partial(self._fill, items, present, pictures), some[places], np.arange(len(places)))
            key_of = dict(zip(some[places].tolist(), keys[places].tolist(), strict=True))
            causes.update((key_of[item], cause) for item, cause in failures)
            return pictures, present[some[places]], self._unchanged(items.cells[some[places]], keys[places])

        pictures = fetch(self.store, "image", self.settings, np.uint8, self._shape, keys, make)
        failures = [(item, causes[key]) for item, key in zip(some, keys.tolist(), strict=True) if key in causes]
        present[[item for item, _ in failures]] = False
        return pictures, failures

    def _unchanged(self, cells, keys):
        """Return which cells are still what they were before they were decoded."""
        is_path = np.array(list(map(_leads_to_file, cells)), dtype=bool)
        unchanged = ~is_path
        unchanged[is_path] = hash_cells(cells[is_path], self.root) == keys[is_path]
        return unchanged


def _sample(cells, some):
    """Return as many of some cells as a loader may bring at once, whatever order they are in."""
    if len(some) <= _LOADED_AT_ONCE:
        return some
    return np.sort(some[np.argsort(hash_cells(cells[some]))[:_LOADED_AT_ONCE]])


def n_decoding_threads(n_jobs):
    """Return how many threads decode; a process that shares the cores with others takes no more than its share."""
    n_threads = joblib.effective_n_jobs(n_jobs)
    if n_jobs is not None and n_jobs < 0 and multiprocessing.parent_process() is not None:
        n_threads = min(n_threads, torch.get_num_threads())  # which joblib's processes get by OMP_NUM_THREADS
    return n_threads


def _in_tasks(parallel, n_threads, function, some, *more):
    """Return what ``function`` returns for parts of the arrays, in their order, as one list."""
    # A few tasks per thread even out slow and fast pictures.
    n_tasks = 1 if n_threads == 1 else max(4 * n_threads, len(some) // 32)
    parts = zip(*(np.array_split(array, n_tasks) for array in (some, *more)), strict=True)
    return list(chain.from_iterable(parallel(joblib.delayed(function)(*part) for part in parts)))


def _line_of_loader(error):
    """Return where in the loader an error was raised, or passed through, for the end of a message."""
    place = error.__traceback__.tb_next  # of this module's own frame; there is none where the loader is not in Python
    return f" (line {place.tb_lineno} of {os.path.basename(place.tb_frame.f_code.co_filename)})" if place else ""


def _leads_to_file(cell):
    with suppress(UnreadableError):
        cell = plain_cell(cell)
    return isinstance(cell, (str, os.PathLike))


def _check_kind(cell, items, item, who_does):
    if not can_hold_picture(cell):
        raise TypeError(
            f"{who_does} paths (str or pathlib.Path), data: URIs and base64, bytes, PIL images, arrays, tensors, and "
            f"dicts of 'bytes' and 'path'; got {type(cell).__name__} in {items.where(item)} of "
            f"{name_column(items.name)}: {abbreviated_repr(cell)}. Convert such cells, or let loader= do it, a "
            f"function from such a cell to one of these."
        )
