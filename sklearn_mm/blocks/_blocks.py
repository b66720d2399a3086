"""Blocks: what the transformers hand to the network, indexable by rows like one array."""

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn, Self

import numpy as np

from sklearn_mm.blocks._feature_cache import FeatureCache
from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.blocks._specs import BlockSpec
from sklearn_mm.storage._lazy_rows import LazyRows
from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["Blocks"]


class Blocks(dict):
    """Named arrays of the same number of rows, with what a network must know about them.

    A string indexes a block, anything else indexes rows and gives `Blocks` again, so that scikit-learn and skorch
    split it as they split an array.

    Parameters
    ----------
    arrays : dict of str to array
        The blocks. Each supports ``len``, ``shape``, ``dtype`` and indexing by rows, as a `Ragged` does whose rows
        hold several items.
    specs : dict of str to BlockSpec
        Description of each block.
    present : array of shape (n_rows, n_blocks), dtype bool, default=None
        Whether the row has something in the block. By default everything is there.
    content_keys : array of shape (n_rows, n_blocks), dtype V16, default=None
        A hash of the content of each row and block: equal content, equal key.
    features : dict of str to (str, array), default=None
        What frozen encoders have made of the rows of some blocks, each with a mark of the encoder: whoever has the same
        one need not encode these blocks again.

    cache : FeatureCache, default=None
        What frozen encoders have made of these rows and others, which all that is made of the same `Blocks` shares; a
        new one by default.

    Notes
    -----
    Pickles have no cache. Without ``content_keys``, rows are found in it by a hash of their bytes.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import Blocks, TextSpec
    >>> spec = TextSpec(name="title", shape=(2,), vocab_size=9, tokenizer="word")
    >>> blocks = Blocks({"title": np.array([[1, 2], [3, 0], [4, 5]], dtype=np.int32)}, {"title": spec})
    >>> blocks[[2, 0]]["title"]
    array([[4, 5],
           [1, 2]], dtype=int32)
    """

    def __init__(
        self,
        arrays: dict[str, Any],
        specs: dict[str, BlockSpec],
        present: Any = None,
        content_keys: Any = None,
        features: dict[str, tuple[str, Any]] | None = None,
        cache: FeatureCache | None = None,
    ):
        super().__init__(arrays)
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"All blocks must have the same number of rows, got {lengths}.")
        if list(specs) != list(arrays):
            raise ValueError(f"Blocks need one spec per array, got arrays {list(arrays)} and specs {list(specs)}.")
        self._n_rows = next(iter(lengths.values()), 0)
        self.specs = dict(specs)
        self.present = np.ones((self._n_rows, len(arrays)), dtype=bool) if present is None else present
        self.content_keys = content_keys
        self.features = {} if features is None else dict(features)
        self.cache = FeatureCache() if cache is None else cache
        for what in ("present", "content_keys"):
            array = getattr(self, what)
            if array is not None and array.shape != (self._n_rows, len(arrays)):
                raise ValueError(
                    f"Blocks need `{what}` of shape {(self._n_rows, len(arrays))} (rows, blocks), got {array.shape}."
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_rows,)``: by this scikit-learn knows the number of rows."""
        return (self._n_rows,)

    def __len__(self) -> int:
        return self._n_rows

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return super().__getitem__(key)
        if isinstance(key, tuple):  # scikit-learn indexes with (rows, ...)
            key = key[0]
        if np.ndim(key) == 0 and not isinstance(key, slice):
            raise TypeError(
                f"Blocks take a block's name or several rows, got {key!r}. For one row write [{key}:{key}+1]."
            )
        return Blocks(
            {name: array[key] for name, array in self.items()},
            self.specs,
            self.present[key],
            None if self.content_keys is None else self.content_keys[key],
            {name: (mark, features[key]) for name, (mark, features) in self.features.items()},
            self.cache,
        )

    def with_views(self) -> Self:
        """Return `Blocks` whose large arrays are views, so that choosing rows of them does not copy these."""
        views = {name: _view(array) if self.specs[name].large else array for name, array in self.items()}
        return Blocks(views, self.specs, self.present, self.content_keys, self.features, self.cache)

    def in_memory(self, names: Iterable[str]) -> Self:
        """Return `Blocks` of which those with some names are decoded now if they are `LazyRows`, once for all."""
        arrays = {name: _in_memory(array) if name in names else array for name, array in self.items()}
        return Blocks(arrays, self.specs, self.present, self.content_keys, self.features, self.cache)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Blocks are read-only; make new ones with Blocks(arrays, specs).")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = setdefault = clear = _refuse

    def select(self, names: Sequence[str]) -> Self:
        """Return `Blocks` with the blocks ``names`` only, in that order."""
        columns = [list(self).index(name) for name in names]
        return Blocks(
            {name: self[name] for name in names},
            {name: self.specs[name] for name in names},
            self.present[:, columns],
            None if self.content_keys is None else self.content_keys[:, columns],
            {name: self.features[name] for name in names if name in self.features},
            self.cache,
        )

    def with_features(self, features: dict[str, Any]) -> Self:
        """Return the same rows with other ``features``."""
        return Blocks(dict(self), self.specs, self.present, self.content_keys, features, self.cache)

    def with_specs(self, specs: dict[str, BlockSpec]) -> Self:
        """Return the same rows, without ``features``, of blocks that are described in another way."""
        return Blocks(dict(self), specs, self.present, self.content_keys, cache=self.cache)

    def copy(self) -> Self:
        """Return `Blocks` over the same arrays."""
        return self.with_features(self.features)

    __copy__ = copy

    def __reduce__(self):
        return Blocks, (dict(self), self.specs, self.present, self.content_keys, self.features)

    def __repr__(self):
        parts = ", ".join(f"{name}: {array.dtype}{list(array.shape)}" for name, array in self.items())
        return f"Blocks({self._n_rows} rows; {parts})"


def _view(array):
    if isinstance(array, Ragged):
        return Ragged(_view(array.items), array.offsets)
    return StoredRows.of(array) if isinstance(array, np.ndarray) else array


def _in_memory(array):
    if isinstance(array, Ragged):
        return Ragged(_in_memory(array.items), array.offsets)
    return array.in_memory() if isinstance(array, LazyRows) else array
