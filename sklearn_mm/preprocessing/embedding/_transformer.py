"""Cells to vectors (embeddings), by a function of a user's own."""

from collections.abc import Callable
from copy import deepcopy
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np
from joblib import Memory
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks._specs import VectorSpec
from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing.cells._items import explode, explode_as_fitted
from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.embedding._cell_function import CellFunction
from sklearn_mm.preprocessing.embedding._kept_vectors import (
    embed_once,
    fetch_from_process,
    fetch_from_store,
    hash_texts_or_files,
)
from sklearn_mm.storage import BlockStore
from sklearn_mm.storage._store import MEMORY, resolve_store
from sklearn_mm.utils._fingerprint import fingerprint_function, mark_function
from sklearn_mm.utils._messages import of_column
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["EmbeddingTransformer"]


class EmbeddingTransformer(BlockTransformer):
    """Turn a column of cells into vectors (embeddings), float32 (n, width), by a function of one's own.

    The function gets cells as they are in the column: strings of a column of texts; of pictures and sound what the
    column has, such as paths, bytes, arrays or PIL images, none of which is opened, scaled or normalised before. It
    gets each of equal cells once, and missing ones never: these have zeros. It is called in `fit` and in `transform`,
    from one thread.

    An Input reads with it by itself where its encoder is a function. By hand it is for settings, as in
    ``TextInput("title", transformer=EmbeddingTransformer(encode, batch_size=32))``; its encoder is then
    `sklearn_mm.encoders.VectorEncoder`.

    Parameters
    ----------
    function : callable
        Maps a list of cells to an array of numbers (n_cells, width), or a list of vectors, all of one width, which is
        learnt in `fit`. Copies of the transformer have the same function, which is not copied. A transformer with a
        lambda, or with a method of what cannot be pickled, cannot be pickled.
    kind : str, default="text"
        The modality, which an Input sets to its own. Strings of kind "text" are texts; of others they are paths, and
        a file that has changed is a cell that has.
    batch_size : int, default=256
        How many cells the function is handed at once, at most. Fewer take less memory, more may be faster.
    lists : bool or "auto", default="auto"
        Whether cells are lists of what the function reads, as of `TextTransformer`; each item has a vector. With False,
        a list is handed over as it is.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps the vectors, by the content of the cell and what the function is: its code and that of what
        it uses, the objects that it belongs to, and versions of libraries. An object is looked at when it is first
        used (and a module of torch when its weights change), so that changes in place go unnoticed; so do changes
        elsewhere, as behind the address of a service. Where nothing can be said about a function, such as one that
        holds an open connection, vectors are kept in the process alone, as long as the function lives.

    Attributes
    ----------
    spec_ : VectorSpec
        Width of a vector, and what the function was.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import EmbeddingTransformer
    >>> def count_letters(texts):
    ...     return np.array([[text.count(letter) for letter in "abc"] for text in texts])
    >>> EmbeddingTransformer(count_letters).fit_transform(["a cab", None, "bacca"])
    array([[2., 1., 1.],
           [0., 0., 0.],
           [2., 1., 2.]], dtype=float32)
    """

    reading_parameters = ("batch_size", "memory")
    _parameter_constraints = {
        "function": [callable],
        "kind": [str],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "lists": ["boolean", StrOptions({"auto"})],
        "memory": MEMORY,
    }

    def __init__(
        self,
        function: Callable,
        *,
        kind: str = "text",
        batch_size: int = 256,
        lists: bool | str = "auto",
        memory: str | PathLike | Memory | BlockStore | None = None,
    ):
        self.function = function
        self.kind = kind
        self.batch_size = batch_size
        self.lists = lists
        self.memory = memory

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_read(self, X: Any, y: Any = None) -> tuple[Any, np.ndarray]:
        """Learn the width of the vectors, and return those of all cells and which cells are there.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n,) or (n, 1)
            The cells.
        y : None
            Ignored.

        Returns
        -------
        vectors : numpy.ndarray of shape (n, width), StoredRows or Ragged, dtype float32
            Zeros for missing cells.
        present : numpy.ndarray of shape (n,), dtype bool
            False for missing cells.
        """
        cells, column = as_cells(X, type(self).__name__)
        items = explode(cells, column, self.lists)
        present = ~missing_rows(items.cells)
        if not present.any():
            raise ValueError(
                f"{type(self).__name__} needs at least one cell to learn from, but all {len(cells)} "
                f"cells{of_column(column)} are missing or blank."
            )
        mark = mark_function(self.function)  # first, because many load what they need when they are called
        vectors = self._embed(items, present)
        self.spec_ = VectorSpec(
            kind=self.kind,
            name="" if column is None else str(column),
            shape=vectors.shape[1:],
            function=mark,
            pool="mean" if items.are_lists else None,
        )
        return items.gather(vectors, present)

    def read(self, X: Any) -> tuple[Any, np.ndarray]:
        """Return the vectors of all cells and which cells are there.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n,) or (n, 1)
            The cells.

        Returns
        -------
        vectors : numpy.ndarray of shape (n, width), StoredRows or Ragged, dtype float32
            Zeros for missing cells.
        present : numpy.ndarray of shape (n,), dtype bool
            False for missing cells.
        """
        check_is_fitted(self)
        cells, column = as_cells(X, type(self).__name__)
        items = explode_as_fitted(cells, column, self.lists, self.spec_, type(self).__name__)
        present = ~missing_rows(items.cells)
        return items.gather(self._embed(items, present, *self.spec_.shape), present)

    def _embed(self, items, present, width=None):
        """Return the vectors of all items, (n_items, width), zeros where there is nothing."""
        filled = np.flatnonzero(present)
        keys = hash_texts_or_files(self.kind, items.cells[filled])
        embed = CellFunction(type(self).__name__, self.function, self.batch_size, items, filled, width)
        store = resolve_store(self.memory)
        mark = None if store is None else fingerprint_function(self.function)
        if mark is not None:
            return fetch_from_store(store, mark, keys, embed).spread(filled, len(present))
        embedded = embed_once(keys, embed) if store is None else fetch_from_process(keys, embed)
        vectors = np.zeros((len(present), embedded.shape[1]), dtype=np.float32)
        vectors[filled] = embedded
        return vectors

    def __sklearn_clone__(self):
        return type(self)(**self.get_params(deep=False))

    def __deepcopy__(self, memo) -> Self:
        """Return a copy with the same function, which may hold large weights or a connection."""
        memo[id(self.function)] = self.function
        memo[id(self)] = other = type(self).__new__(type(self))
        vars(other).update(deepcopy(vars(self), memo))
        return other
