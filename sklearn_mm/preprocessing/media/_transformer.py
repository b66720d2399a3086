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
from sklearn_mm.preprocessing.media._decoder import MediaDecoder
from sklearn_mm.preprocessing.media._reader import MediaReader
from sklearn_mm.preprocessing.media._unreadable import unreadable_error, unreadable_report
from sklearn_mm.storage._content_keys import mix_keys
from sklearn_mm.storage._store import MEMORY, resolve_store
from sklearn_mm.utils._validation import StrOptions, validate_parameter_constraints

__all__ = ["MediaTransformer"]


class MediaTransformer(BlockTransformer):
    """Base of transformers of media (pictures, sound, video): a `MediaDecoder` makes each cell a row of an array.

    A subclass owes:

    - ``decoder_type``, the class of its decoders;
    - `make_decoder`, which returns the one that its parameters ask for, with what `fit` learns left open;
    - ``fit_read(X, y=None)``, which takes the column from `items_to_fit`, learns from it, reads it with `read_to_fit`
      and the `make_reader` of the decoder, sets ``spec_`` (a `BlockSpec`), and returns what ``items.gather`` makes of
      both. ``items.cells`` are the cells or, where ``items.are_lists``, what is in their lists, which ``spec_.pool``
      must then say how to pool; ``items.name`` is the column's name.

    Its ``__init__`` stores parameters of its own and, of those of `ImageTransformer`, ``root``, ``loader``, ``lists``,
    ``on_error``, ``memory`` and ``n_jobs``; those that it leaves out are as by default (``n_jobs`` None). These six are
    checked when cells are read; others, where the subclass has ``_parameter_constraints`` for them.

    Every parameter that changes rows must be in the decoder's ``settings``, without which ``memory`` returns rows that
    were decoded otherwise. For a cell that holds nothing readable, ``decode`` raises `UnreadableError`, which
    ``on_error`` says what to do with; all other errors end the fit.

    Attributes
    ----------
    decoder_type : type
        Class of the decoders.
    reads_later : bool
        Whether rows are decoded when they are used, as `LazyRows`: a `ModalityTransformer` asks for it where a frozen
        encoder reads them, each once.
    unreadable_rows_ : ndarray of shape (n_unreadable,), dtype int
        Positions of the rows where something could not be read in `fit`; empty under ``on_error="raise"``.

    See Also
    --------
    MediaDecoder : What the other half owes.

    Examples
    --------
    Waves in files of NumPy's, cut or filled up with zeros to one length:

    >>> from dataclasses import dataclass
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import BlockSpec, MediaDecoder, MediaTransformer, UnreadableError
    >>> @dataclass(frozen=True, kw_only=True)
    ... class WaveDecoder(MediaDecoder):
    ...     kind = "wave"
    ...     stack_ndim = 2  # an array of two dimensions is a list of waves
    ...     dtype = np.dtype(np.float32)
    ...     length: int
    ...
    ...     @property
    ...     def row_shape(self):
    ...         return (self.length,)
    ...
    ...     @property
    ...     def settings(self):
    ...         return 1, self.length  # 1: the version of `decode`
    ...
    ...     def decode(self, cell):
    ...         wave = self.plain(cell)
    ...         if not isinstance(wave, np.ndarray):  # a path or bytes
    ...             try:
    ...                 with self.open(wave) as file:
    ...                     wave = np.load(file)
    ...             except (OSError, ValueError, EOFError) as error:
    ...                 raise UnreadableError(f"is no wave: {error}") from error
    ...         row = np.zeros(self.length, self.dtype)
    ...         row[: wave.size] = wave.ravel()[: self.length]
    ...         return row
    >>> class WaveTransformer(MediaTransformer):
    ...     decoder_type = WaveDecoder
    ...
    ...     def __init__(self, length=4, *, root=None, lists="auto", on_error="raise", memory=None):
    ...         self.length = length
    ...         self.root = root
    ...         self.lists = lists
    ...         self.on_error = on_error
    ...         self.memory = memory
    ...
    ...     def make_decoder(self, items):
    ...         return WaveDecoder(root=self.root, length=self.length)
    ...
    ...     def fit_read(self, X, y=None):
    ...         items = self.items_to_fit(X)
    ...         reader = self.make_reader(self.make_decoder(items))
    ...         waves, present = self.read_to_fit(reader, items)
    ...         pool = "mean" if items.are_lists else None
    ...         self.spec_ = BlockSpec(kind="wave", shape=waves.shape[1:], pool=pool)
    ...         return items.gather(waves, present)
    >>> WaveTransformer().fit_transform([np.arange(1, 6), None, np.ones(2)])
    array([[1., 2., 3., 4.],
           [0., 0., 0., 0.],
           [1., 1., 0., 0.]], dtype=float32)
    >>> WaveTransformer().fit_transform([[np.ones(2), np.ones(3)], np.ones(5)])
    Ragged(float32[3, 4] in 2 rows)
    >>> WaveTransformer().fit([np.ones(2), "lost.npy"])
    Traceback (most recent call last):
        ...
    ValueError: WaveTransformer cannot read 1 of 2 cells of the column (row 1):
      row 1: 'lost.npy': is no wave: [Errno 2] No such file or directory: 'lost.npy'
    Fix these cells, drop these rows, or pass on_error="warn" to read them as missing.
    """

    decoder_type = MediaDecoder
    reads_later = False
    root = None
    loader = None
    lists = "auto"
    on_error = "raise"
    memory = None
    n_jobs = None

    reading_parameters = ("root", "loader", "on_error", "memory", "n_jobs")
    _parameter_constraints = {
        "root": [str, os.PathLike, None],
        "loader": [callable, None],
        "lists": ["boolean", StrOptions({"auto"})],
        "on_error": [StrOptions({"raise", "warn", "ignore"})],
        "memory": MEMORY,
        "n_jobs": [Integral, None],
    }

    def make_decoder(self, items: Any) -> MediaDecoder:
        """Return the decoder that the parameters ask for, with what `fit` learns left open; a subclass owes it.

        Parameters
        ----------
        items : Items
            The column, as `items_to_fit` returns it.

        Returns
        -------
        decoder : MediaDecoder
            Of the class ``decoder_type``.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define make_decoder(items), which returns the {self.decoder_type.__name__} "
            f"that its parameters ask for."
        )

    def items_to_fit(self, X: Any) -> Any:
        """Check the parameters and return what is to be read of a column; for ``fit_read`` of subclasses.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            The cells, of which there is at least one.

        Returns
        -------
        items : Items
            The cells or, where ``lists`` says so, what is in them: ``items.cells``, ``items.name``,
            ``items.are_lists``, and ``items.gather(array, present)``, which makes rows of items.
        """
        self._validate_params()
        cells, name = self._as_cells(X)
        if not len(cells):
            raise ValueError(f"{type(self).__name__} needs at least one row to fit, got none.")
        return self._explode(cells, name)

    def make_reader(self, decoder: MediaDecoder) -> MediaReader:
        """Return what reads many items with a decoder: in threads, by way of ``loader``, through ``memory``.

        Parameters
        ----------
        decoder : MediaDecoder
            How an item becomes a row.

        Returns
        -------
        reader : MediaReader
            What `read_to_fit` takes.
        """
        self._check_decoder(decoder)
        return MediaReader(type(self).__name__, decoder, self.loader, self.n_jobs, resolve_store(self.memory))

    def read_to_fit(self, reader: MediaReader, items: Any, later: bool = False) -> tuple[Any, np.ndarray]:
        """Read a column with what was learnt of it, and take note of that; for ``fit_read`` of subclasses.

        Parameters
        ----------
        reader : MediaReader
            What `make_reader` returned.
        items : Items
            What `items_to_fit` returned.
        later : bool, default=False
            Whether the rows need not be decoded before they are used, if ``reads_later``.

        Returns
        -------
        rows : ndarray of shape (n_items, ...), StoredRows or LazyRows
            What was read of each item; zeros where there is nothing.
        present : ndarray of shape (n_items,), dtype bool
            Where there is something.
        """
        rows, present, failures = self._read_later(reader, items) if later else reader.read(items)
        self._report(reader.decoder, failures, present, items, fitting=True)
        self._decoder = reader.decoder
        self.unreadable_rows_ = np.unique([items.row_of(item) for item, _ in failures]).astype(int)
        return rows, present

    def read(self, X: Any) -> tuple[Any, np.ndarray]:
        """Return the array of a column.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            The cells.

        Returns
        -------
        rows : ndarray of shape (n_rows, ...), StoredRows, LazyRows or Ragged
            What was read; zeros where there is nothing.
        present : ndarray of shape (n_rows,), dtype bool
            Where there is something.
        """
        check_is_fitted(self)
        self._check_parameters(MediaTransformer._parameter_constraints)
        cells, name = self._as_cells(X)
        decoder = self._fitted_decoder
        items = explode_as_fitted(cells, name, self.lists, self.spec_, type(self).__name__, decoder.stack_ndim)
        rows, present, failures = self._read_later(self.make_reader(decoder), items)
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
        cells, name = self._as_cells(X)
        if hasattr(self, "_decoder"):
            return self.settle_keys(hash_cells(cells, self._fitted_decoder))
        decoder = self.make_decoder(self._explode(cells, name))
        self._check_decoder(decoder)
        return hash_cells(cells, decoder)

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

    def _validate_params(self):
        self._check_parameters({**MediaTransformer._parameter_constraints, **self._parameter_constraints})

    def _check_parameters(self, constraints):
        validate_parameter_constraints(constraints, self.get_params(deep=False), type(self).__name__)

    def _check_decoder(self, decoder):
        if not isinstance(decoder, self.decoder_type):
            raise TypeError(
                f"{type(self).__name__}.make_decoder must return an instance of {self.decoder_type.__name__}, got "
                f"{decoder!r}."
            )
        # A property may need what is not learnt yet, so that it is not asked.
        owed = ("row_shape", "dtype", "settings")
        lacking = [name for name in owed if not (hasattr(type(decoder), name) or name in vars(decoder))]
        if lacking:
            raise TypeError(f"{type(decoder).__name__} must have {', '.join(lacking)}: see MediaDecoder.")

    def _as_cells(self, X):
        """Return the cells of a column, and its name."""
        return as_cells(X, type(self).__name__)

    def _read_later(self, reader, items):
        """Return what `MediaReader.read` does, with `LazyRows` where ``reads_later`` and nothing is lost by it."""
        if self.reads_later and self.on_error == "raise" and reader.can_wait(items):
            return *reader.read_later(items), []
        return reader.read(items)

    def _explode(self, cells, name):
        return explode(cells, name, self.lists, self.decoder_type.stack_ndim)

    @property
    def _fitted_decoder(self):
        return replace(self._decoder, root=self.root)  # which may have changed since

    def _report(self, decoder, failures, present, items, fitting):
        """Raise or warn about what is unreadable; in `fit`, it must not be all that there is."""
        if not failures:
            return
        message = unreadable_report(type(self).__name__, decoder, failures, items)
        if fitting and not present.any():
            raise ValueError(
                f"{message}These are all that are not missing, of which nothing can be learnt, whatever on_error is. "
                f"Check the paths and root={self.root!r}."
            )
        if self.on_error == "raise":
            raise unreadable_error(type(self).__name__, decoder, failures, items)
        if self.on_error == "warn":
            all_of_them = "" if present.any() else f" These are all: check the paths and root={self.root!r}."
            warnings.warn(f"{message}They are read as missing.{all_of_them}", UserWarning, stacklevel=3 + fitting)
