"""Many cells to one array: in threads, by way of a loader, and through a store if there is one."""

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from sklearn_mm.preprocessing.cells._missing import held_by_record, is_missing, is_record, missing_rows
from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.preprocessing.media._decoder import MediaDecoder
from sklearn_mm.preprocessing.media._threads import decoding_threads
from sklearn_mm.preprocessing.media._unread_column import UnreadColumn
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.storage._lazy_rows import LazyRows
from sklearn_mm.storage._store import BlockStore
from sklearn_mm.utils._messages import abbreviate, abbreviated_repr, name_column

__all__ = ["MediaReader"]

_LOADED_AT_ONCE = 256  # cells that a loader has brought and that are held in memory


@dataclass(frozen=True)
class MediaReader:
    """Read the items of a column into rows of one shape.

    Parameters
    ----------
    who : str
        Who reads, for error messages.
    decoder : MediaDecoder
        How an item becomes a row.
    loader : callable, default=None
        Called with each item; returns what is read in its place.
    n_jobs : int or None, default=None
        Number of threads.
    store : BlockStore, default=None
        Where rows are looked for before they are decoded, and kept.
    loaded : dict of int to object
        What the loader has brought already, by item, or the `UnreadableError`; it is taken out as it is read.
    """

    who: str
    decoder: MediaDecoder
    loader: Any = None
    n_jobs: int | None = None
    store: BlockStore | None = None
    loaded: dict = field(default_factory=dict)

    def read(self, items):
        """Return the rows of a column, read in full.

        Parameters
        ----------
        items : Items
            The column.

        Returns
        -------
        rows : numpy.ndarray of shape (n_items, ...) or StoredRows
            What was read of each item; zeros where there is nothing.
        present : numpy.ndarray of shape (n_items,), dtype bool
            Of which items something was read.
        failures : list of (int, str)
            Items that cannot be read, and why.
        """
        present, filled = self._filled(items)
        with self._threads(len(filled)) as run:
            if self.store is None:
                rows = self._zeros(len(items.cells))
                failures = run(partial(self._decode_into, items, present, rows), filled, filled)
            else:
                rows, failures = self._read_stored(run, items, present, filled)
        return rows, present, failures

    def can_wait(self, items):
        """Return whether a column may be read later: it holds paths and bytes, which do not change as arrays may.

        What a loader brings, or a store is to keep, is read at once.
        """
        filled = items.cells[~missing_rows(items.cells)]
        return (
            self.loader is None
            and self.store is None
            and all(isinstance(_held(cell), (str, os.PathLike, bytes)) for cell in filled)
        )

    def read_later(self, items):
        """Return the rows of a column as `LazyRows`, and of which items there is something."""
        present, _ = self._filled(items)
        return LazyRows(UnreadColumn(self, items), np.where(present, np.arange(len(present)), -1)), present

    def decode_into(self, items, chosen, rows, places):
        """Decode some items into places of an array; return (item, cause) of those that cannot be read."""
        present = np.ones(len(items.cells), dtype=bool)
        with self._threads(len(chosen)) as run:
            return run(partial(self._decode_into, items, present, rows), chosen, places)

    def failures(self, items):
        """Return (item, cause) of all that cannot be read of a column."""
        _, filled = self._filled(items)
        return self.decode_into(items, filled, self._zeros(1), np.zeros_like(filled))

    def sample(self, items):
        """Return the items that stand for a column before it is read in full: all that are not missing.

        Of a column with a ``loader`` a few stand for all, so that not all need be held in memory; they are loaded.
        """
        _, filled = self._filled(items)
        if self.loader is not None:
            if len(filled) > _LOADED_AT_ONCE:  # the same ones, whatever order they are in
                keys = hash_cells(items.cells[filled], replace(self.decoder, root=None))
                filled = np.sort(filled[np.argsort(keys)[:_LOADED_AT_ONCE]])
            with self._threads(len(filled)) as run:
                run(partial(self._keep_loaded, items), filled)
        return filled

    def facts(self, items, chosen, kind, settings, dtype, shape, read_fact):
        """Return what a function tells of some items without decoding them; it is kept in the store, if there is one.

        Parameters
        ----------
        items : Items
            The column.
        chosen : numpy.ndarray of shape (n_chosen,), dtype int64
            The items: those of `sample`, or of these.
        kind : str
            What the facts are called in a store.
        settings : object
            All that facts of equal content may differ by.
        dtype : numpy.dtype
            Type of the facts.
        shape : tuple of int
            Shape of what is told of an item.
        read_fact : callable
            Called with a cell; returns its facts or raises `UnreadableError`.

        Returns
        -------
        facts : numpy.ndarray of shape (n_chosen, ...)
            Zeros where nothing is told.
        told : numpy.ndarray of shape (n_chosen,), dtype bool
            Of which items something is.
        """

        def read(run, chosen):
            facts, told = np.zeros((len(chosen), *shape), dtype), np.zeros(len(chosen), dtype=bool)
            run(partial(self._read_facts, items, read_fact, facts, told), chosen, np.arange(len(chosen)))
            return facts, told

        with self._threads(len(chosen)) as run:
            if self.store is None or self.loader is not None:
                return read(run, chosen)
            keys = hash_cells(items.cells[chosen], self.decoder)

            def make(places):
                return *read(run, chosen[places]), self._unchanged(items.cells[chosen[places]], keys[places])

            rows = fetch(self.store, kind, settings, dtype, shape, keys, make)
        return np.asarray(rows), rows.source >= 0

    def _filled(self, items):
        """Return where cells are not missing, and which these are; they are of kinds that can be read."""
        present = ~missing_rows(items.cells)
        filled = np.flatnonzero(present)
        if self.loader is None:  # a cell of the wrong type is known before hours of decoding
            for item in filled:
                self._check_accepted(items.cells[item], items, item, f"{self.who} reads")
        return present, filled

    def _check_accepted(self, cell, items, item, who_does):
        if not self.decoder.accepts(cell):
            raise TypeError(
                f"{who_does} {self.decoder.accepted}; got {type(cell).__name__} in {items.where(item)} of "
                f"{name_column(items.name)}: {abbreviated_repr(cell)}. Convert such cells, or let loader= do it, a "
                f"function from such a cell to one of these."
            )

    @contextmanager
    def _threads(self, n_items):
        with self.decoder.while_reading(), decoding_threads(self.n_jobs, n_items) as run:
            yield run

    def _zeros(self, n_rows):
        return np.zeros((n_rows, *self.decoder.row_shape), dtype=self.decoder.dtype)

    def _read_facts(self, items, read_fact, facts, told, chosen, places):
        """Put what is told of some items into places of ``facts`` and ``told``."""
        for item, place in zip(chosen, places, strict=True):
            cell = self.loaded.get(item, items.cells[item])
            if not (is_missing(cell) or isinstance(cell, UnreadableError)):
                with suppress(UnreadableError):  # which is reported when the item is read
                    facts[place] = read_fact(cell)
                    told[place] = True
        return ()

    def _decode_into(self, items, present, rows, chosen, places):
        """Decode some items into places of an array; return (item, cause) of those that cannot be read."""
        failures = []
        for item, place in zip(chosen, places, strict=True):
            try:
                cell = self._load(items, item)
                if is_missing(cell):
                    present[item] = False
                else:
                    rows[place] = self._decode(items, item, cell)
            except UnreadableError as error:
                present[item] = False
                failures.append((item, str(error)))
        return failures

    def _decode(self, items, item, cell):
        row, shape = self.decoder.decode(cell), self.decoder.row_shape
        if np.shape(row) != tuple(shape):
            raise ValueError(
                f"{type(self.decoder).__name__}.decode must return an array of its row_shape {tuple(shape)}, got "
                f"{self.decoder.describe(row)} for {items.where(item)} of {name_column(items.name)}."
            )
        return row

    def _keep_loaded(self, items, chosen):
        for item in chosen:
            try:
                self.loaded[item] = self._load(items, item)
            except UnreadableError as error:
                self.loaded[item] = error
        return ()

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
            self._check_accepted(cell, items, item, f"The loader of {self.who} must return")
        return cell

    def _read_stored(self, run, items, present, filled):
        """Return the rows as `StoredRows`, and the failures."""
        if self.loader is None:
            rows, failures = self._fetch(run, items, present, filled)
            return rows.spread(filled, len(items.cells)).where(present), failures
        # What the loader returns is what counts: it is called for every item, and a few results are held at a time.
        loaded = replace(items, cells=np.full(len(items.cells), None, dtype=object))
        reader, batches, failures = replace(self, loader=None, loaded={}), [], []
        for start in range(0, max(1, len(filled)), _LOADED_AT_ONCE):
            batch = filled[start : start + _LOADED_AT_ONCE]
            failures += run(partial(self._load_into, items, present, loaded.cells), batch)
            places = np.flatnonzero(present[batch])
            rows, batch_failures = reader._fetch(run, loaded, present, batch[places])
            batches.append(rows.spread(places, len(batch)))
            failures += batch_failures
            loaded.cells[batch] = None
        return type(batches[0]).concatenate(batches).spread(filled, len(items.cells)).where(present), sorted(failures)

    def _load_into(self, items, present, cells, chosen):
        """Load some items into an array of cells; return (item, cause) of those that cannot be loaded."""
        failures = []
        for item in chosen:
            try:
                cells[item] = self._load(items, item)
                present[item] = not is_missing(cells[item])
            except UnreadableError as error:
                present[item] = False
                failures.append((item, str(error)))
        return failures

    def _fetch(self, run, items, present, chosen):
        """Return the rows of some items as `StoredRows`, and (item, cause) of those that cannot be read."""
        decoder = self.decoder
        keys = hash_cells(items.cells[chosen], decoder)
        cause_of = {}

        def make(places):
            rows, unchanged = self._decode_new(run, items, present, chosen[places], keys[places], cause_of)
            return rows, present[chosen[places]], unchanged

        rows = fetch(self.store, decoder.kind, decoder.settings, decoder.dtype, decoder.row_shape, keys, make)
        return rows, self._failed(present, chosen, keys, cause_of)

    def _decode_new(self, run, items, present, chosen, keys, cause_of):
        """Return the rows of items that a store lacks, and which cells have not changed; add causes by content key."""
        rows = self._zeros(len(chosen))
        failures = run(partial(self._decode_into, items, present, rows), chosen, np.arange(len(chosen)))
        key_of = dict(zip(chosen.tolist(), keys.tolist(), strict=True))
        cause_of.update((key_of[item], cause) for item, cause in failures)
        return rows, self._unchanged(items.cells[chosen], keys)

    def _failed(self, present, chosen, keys, cause_of):
        """Return (item, cause) of all items whose content cannot be read, and say so in ``present``."""
        failures = [(item, cause_of[key]) for item, key in zip(chosen, keys.tolist(), strict=True) if key in cause_of]
        present[[item for item, _ in failures]] = False
        return failures

    def _unchanged(self, cells, keys):
        """Return which cells are still what they were before they were decoded."""
        is_path = np.array(list(map(self._is_path, cells)), dtype=bool)
        unchanged = ~is_path
        unchanged[is_path] = hash_cells(cells[is_path], self.decoder) == keys[is_path]
        return unchanged

    def _is_path(self, cell):
        with suppress(UnreadableError):
            cell = self.decoder.plain(cell)
        return isinstance(cell, (str, os.PathLike))


def _held(cell):
    return held_by_record(cell) if is_record(cell) else cell


def _line_of_loader(error):
    """Return where in the loader an error was raised, or passed through, for the end of a message."""
    place = error.__traceback__.tb_next  # of this module's own frame; there is none where the loader is not in Python
    return f" (line {place.tb_lineno} of {os.path.basename(place.tb_frame.f_code.co_filename)})" if place else ""
