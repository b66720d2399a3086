"""The base of transformers of media: loaders, lists, unreadable cells, memory and content keys."""

import os
import warnings
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing.cells._items import explode, explode_as_fitted
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.preprocessing.media._reader import MediaReader
from sklearn_mm.storage._content_keys import mix_keys
from sklearn_mm.storage._store import MEMORY, resolve_store
from sklearn_mm.utils._validation import StrOptions

__all__ = ["MediaTransformer"]


class MediaTransformer(BlockTransformer):
    """A transformer of a column of media, each of which a `MediaDecoder` makes one row of an array.

    A subclass has the parameters ``root``, ``loader``, ``lists``, ``on_error``, ``memory`` and ``n_jobs``, and owes:

    - ``decoder_type``, the class of its decoders;
    - ``_make_decoder(items)``, which returns the one that its parameters ask for, with what `fit` learns left open;
    - ``fit_read(X, y=None)``, which takes the column from `_items_to_fit`, learns, reads with `_read_to_fit`, and sets
      ``spec_``.

    Attributes
    ----------
    unreadable_rows_ : ndarray of shape (n_unreadable,), dtype int
        Positions of the rows where something could not be read in `fit`; empty under ``on_error="raise"``.
    """

    reading_parameters = ("root", "loader", "on_error", "memory", "n_jobs")
    _parameter_constraints = {
        "root": [str, os.PathLike, None],
        "loader": [callable, None],
        "lists": ["boolean", StrOptions({"auto"})],
        "on_error": [StrOptions({"raise", "warn", "ignore"})],
        "memory": MEMORY,
        "n_jobs": [Integral, None],
    }

    def read(self, X: Any) -> tuple[Any, np.ndarray]:
        """Return the array of a column.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            The cells.

        Returns
        -------
        rows : ndarray of shape (n_rows, ...), StoredRows or Ragged
            What was read; zeros where there is nothing.
        present : ndarray of shape (n_rows,), dtype bool
            Where there is something.
        """
        check_is_fitted(self)
        cells, name = as_cells(X, type(self).__name__)
        decoder = self._fitted_decoder
        items = explode_as_fitted(cells, name, self.lists, self.spec_, type(self).__name__, decoder.stack_ndim)
        rows, present, failures = self._reader(decoder).read(items)
        self._report(decoder, failures, present, items, fitting=False)
        return items.gather(rows, present)

    def content_keys(self, X: Any) -> np.ndarray | None:
        """Return what identifies the content of each cell, without decoding any.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            The cells.

        Returns
        -------
        keys : ndarray of shape (n_rows,), dtype V16, or None
            Equal keys, equal rows; zeros where the cell is missing. Of a path, the file's size and times of change
            count, and of all cells the settings with which they are read, unless `fit` is yet to learn them (see
            `settle_keys`). None where there is a ``loader``, as only what it returns could tell.
        """
        if self.loader is not None:
            return None
        self._validate_params()
        cells, name = as_cells(X, type(self).__name__)
        if hasattr(self, "_decoder"):
            return self.settle_keys(hash_cells(cells, self._fitted_decoder))
        return hash_cells(cells, self._make_decoder(self._explode(cells, name)))

    def settle_keys(self, keys: np.ndarray) -> np.ndarray:
        """Return keys of cells that were asked for before `fit` as they are after it, with what it learnt.

        Parameters
        ----------
        keys : ndarray of shape (n_rows,), dtype V16
            What `content_keys` returned.

        Returns
        -------
        keys : ndarray of shape (n_rows,), dtype V16
            What it would return now of the same cells.
        """
        return mix_keys(keys, self._fitted_decoder.settings)

    def _items_to_fit(self, X):
        """Return the `Items` of a column, of which there is at least one row."""
        cells, name = as_cells(X, type(self).__name__)
        if not len(cells):
            raise ValueError(f"{type(self).__name__} needs at least one row to fit, got none.")
        return self._explode(cells, name)

    def _read_to_fit(self, reader, items):
        """Read a column with what was learnt of it, take note of that, and return the rows and which are present."""
        rows, present, failures = reader.read(items)
        self._report(reader.decoder, failures, present, items, fitting=True)
        self._decoder = reader.decoder
        self.unreadable_rows_ = np.unique([items.row_of(item) for item, _ in failures]).astype(int)
        return rows, present

    def _explode(self, cells, name):
        return explode(cells, name, self.lists, self.decoder_type.stack_ndim)

    @property
    def _fitted_decoder(self):
        return replace(self._decoder, root=self.root)  # which may have changed since

    def _reader(self, decoder):
        return MediaReader(type(self).__name__, decoder, self.loader, self.n_jobs, resolve_store(self.memory))

    def _report(self, decoder, failures, present, items, fitting):
        """Raise or warn about what is unreadable; in `fit`, it must not be all that there is."""
        if not failures:
            return
        found = f"{len(failures)} of {len(present)} {items.noun} ({items.which_rows(item for item, _ in failures)})"
        lines = [
            f"  {items.where(item)}: {decoder.describe(items.cells[item])}: {cause}" for item, cause in failures[:5]
        ]
        message = "\n".join([f"{type(self).__name__} cannot read {found}:", *lines, ""])
        if fitting and not present.any():
            raise ValueError(
                f"{message}These are all that are not missing, of which nothing can be learnt, whatever on_error is. "
                f"Check the paths and root={self.root!r}."
            )
        if self.on_error == "raise":
            raise ValueError(
                f'{message}Fix these cells, drop these rows, or pass on_error="warn" to read them as missing.'
            )
        if self.on_error == "warn":
            all_of_them = "" if present.any() else f" These are all: check the paths and root={self.root!r}."
            warnings.warn(f"{message}They are read as missing.{all_of_them}", UserWarning, stacklevel=3 + fitting)
