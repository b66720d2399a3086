"""`IndexedRows`: the rows of a table with their vectors, which are added, removed and searched together."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sklearn_mm.blocks import Blocks
from sklearn_mm.preprocessing.containers._frame import as_frame
from sklearn_mm.retrieval._approximate import ApproximateIndex
from sklearn_mm.retrieval._hubness import hubness_offsets
from sklearn_mm.retrieval._search import nearest, pairs_above
from sklearn_mm.retrieval._vectors import Vectors
from sklearn_mm.utils._messages import first_few, name_rows

__all__ = ["IndexedRows", "labelled_table"]

_SEARCHED_EXACTLY = 10_000  # rows up to which no approximate index is made: docs/decisions/0039-search.md
_READ_AT_ONCE = 16384  # vectors
_BANK = 2000  # rows that stand for queries where none were given


def labelled_table(X, first_number, owner):
    """Return rows as a DataFrame with unique labels; those of what has none are numbers, from the first one on."""
    if isinstance(X, Blocks):
        table = pd.DataFrame(index=pd.RangeIndex(len(X)))
    else:
        table = as_frame(X, owner)[0].copy(deep=False)
    if not isinstance(X, pd.DataFrame):
        table.index = pd.RangeIndex(first_number, first_number + len(table))
    if not len(table):
        raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {owner}.")
    if not table.index.is_unique:
        twice = table.index[table.index.duplicated()].unique()
        raise ValueError(
            f"{owner} finds rows by their labels, and several rows of X have the labels "
            f"{first_few(list(twice), text=repr)}. Number them: X.reset_index(drop=True)."
        )
    return table


@dataclass(frozen=True)
class IndexedRows:
    """Rows and their vectors; what adds or removes rows returns another one, and shares what stays the same.

    Parameters
    ----------
    owner : str
        Whose rows these are, for error messages.
    table : pandas.DataFrame of shape (n_rows, n_columns)
        With unique labels.
    vectors : Vectors
        Of unit length, of these rows and of those that were removed.
    searchable : ndarray of shape (n_vectors,), dtype bool
        Which vectors can be found.
    rows : ndarray of shape (n_rows,), dtype int64
        The vector of each row, in ascending order.
    index : ApproximateIndex or None
        What may be asked instead of all vectors. It follows whoever asks, and is shared.
    rescale : {"csls", "inverted_softmax"} or None
        What makes up for hubs.
    bank : ndarray of shape (n_bank, width) or None
        The vectors of the queries that ``rescale`` goes by.
    offsets : ndarray of shape (n_vectors,) or None
        What ``rescale`` subtracts from the similarities of each vector.
    """

    owner: str
    table: pd.DataFrame
    vectors: Vectors
    searchable: np.ndarray
    rows: np.ndarray
    index: ApproximateIndex | None = None
    rescale: str | None = None
    bank: np.ndarray | None = None
    offsets: np.ndarray | None = None

    @classmethod
    def of(cls, owner: str, table: pd.DataFrame, vectors: Any, index: ApproximateIndex | None) -> Self:
        """Return the rows of a table, whose vectors are in one array or file."""
        return cls(owner, table, Vectors([vectors]), _has_something(vectors), np.arange(len(table)), index)

    def rescaled(self, method: str, bank: np.ndarray | None) -> Self:
        """Return these rows with similarities that make up for hubs; without a bank, rows themselves are one."""
        own = None
        if bank is None:
            own = np.flatnonzero(self.searchable)
            if not len(own):
                raise ValueError(
                    f"{self.owner} needs queries to rescale by, and none of {len(self.rows)} rows has anything in it. "
                    "Pass some: fit(X, queries=...)."
                )
            own = own[np.linspace(0, len(own) - 1, min(_BANK, len(own))).astype(int)]
            bank = np.concatenate([self.vectors[row : row + 1] for row in own.tolist()]).astype(np.float32)
        return replace(self, rescale=method, bank=bank, offsets=hubness_offsets(self.vectors, bank, method, own))

    def check_new(self, labels: pd.Index) -> None:
        """Raise where rows have some of these labels already."""
        known = labels[labels.isin(self.table.index)]
        if len(known):
            raise ValueError(
                f"{self.owner} has rows with {len(known)} of these labels already: "
                f"{first_few(list(known), text=repr)}. Give new rows labels of their own (X.index), or remove the old "
                "ones first."
            )

    def plus(self, table: pd.DataFrame, vectors: Any) -> Self:
        """Return these rows and others after them."""
        offsets = self.offsets
        if offsets is not None:
            offsets = np.concatenate([offsets, hubness_offsets(Vectors([vectors]), self.bank, self.rescale)])
        return replace(
            self,
            table=pd.concat([self.table, table]),
            vectors=self.vectors.plus(vectors),
            searchable=np.concatenate([self.searchable, _has_something(vectors)]),
            rows=np.concatenate([self.rows, len(self.vectors) + np.arange(len(table))]),
            offsets=offsets,
        )

    def without(self, labels: pd.Index) -> Self:
        """Return these rows but for those with some labels."""
        places = self.table.index.get_indexer(labels)
        if (places < 0).any():
            missing = [label for label, place in zip(labels, places, strict=True) if place < 0]
            hint = " Of a mask, these are table_.index[mask]." if labels.dtype == bool else ""
            raise KeyError(f"{self.owner} has no rows with the labels {first_few(missing, text=repr)}.{hint}")
        kept = np.ones(len(self.table), dtype=bool)
        kept[places] = False
        searchable = self.searchable.copy()
        searchable[self.rows[~kept]] = False
        return replace(self, table=self.table[kept], rows=self.rows[kept], searchable=searchable)

    @property
    def is_approximate(self) -> bool:
        """Whether the index is asked, where nothing is filtered."""
        return self.index is not None and len(self.rows) > _SEARCHED_EXACTLY and self.rescale is None

    def update_index(self) -> None:
        """Bring the index up to date before anybody asks."""
        if self.is_approximate:
            self.index.follow(self.vectors, self.searchable)

    def allowed(self, k: int, filter: ArrayLike | Callable | None) -> np.ndarray:
        """Return which vectors may be found, at least k."""
        allowed = self._mask(filter)
        self._check_enough(k, np.count_nonzero(allowed), filter)
        return allowed

    def nearest(self, queries: np.ndarray, k: int, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the k largest similarities of each query, and the positions in the table."""
        similarities, found = self._nearest(queries, k, allowed)
        return similarities, np.searchsorted(self.rows, found)

    def neighbors_of_rows(self, k: int, filter: ArrayLike | Callable | None) -> tuple[np.ndarray, np.ndarray]:
        """Return what `nearest` does for all rows as queries, of which none is found for itself."""
        allowed, own = self._mask(filter), self.rows
        without = ~self.searchable[own]
        if without.any():
            raise ValueError(
                f"{self.owner}.kneighbors() without queries asks for the neighbours of all rows, and "
                f"{np.count_nonzero(without)} have nothing to compare ({name_rows(without)}). Remove these first."
            )
        n_allowed = np.count_nonzero(allowed)
        self._check_enough(k, n_allowed - 1, None)
        similarities = np.empty((len(own), k), dtype=np.float32)
        found = np.empty((len(own), k), dtype=np.int64)
        for start in range(0, len(self.vectors), _READ_AT_ONCE):
            here = np.flatnonzero((own >= start) & (own < start + _READ_AT_ONCE))
            if not len(here):
                continue
            queries = self.vectors[start : start + _READ_AT_ONCE][own[here] - start].astype(np.float32)
            values, places = self._nearest(queries, min(k + 1, n_allowed), allowed)
            itself = places == own[here, np.newaxis]
            itself[~itself.any(1), -1] = True  # not among its nearest, of which one is too many
            similarities[here] = values[~itself].reshape(len(here), -1)[:, :k]
            found[here] = places[~itself].reshape(len(here), -1)[:, :k]
        return similarities, np.searchsorted(own, found)

    def pairs_above(self, threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions of both rows of all pairs that are so similar, and similarities; the largest first."""
        first, second, similarities = pairs_above(self.vectors, threshold)
        both = self.searchable[first] & self.searchable[second]
        order = np.flatnonzero(both)[np.argsort(-similarities[both], kind="stable")]
        first, second = (np.searchsorted(self.rows, rows[order]) for rows in (first, second))
        return first, second, similarities[order]

    def _nearest(self, queries, k, allowed):
        """Return similarities and numbers of vectors."""
        found = None
        if allowed is self.searchable and self.is_approximate:
            found = self.index.query(queries, self.vectors, self.searchable, k)
        return nearest(queries, self.vectors, k, allowed=allowed, offsets=self.offsets) if found is None else found

    def _mask(self, filter):
        """Return which vectors may be found."""
        if filter is None:
            return self.searchable
        mask = filter(self.table) if callable(filter) else filter
        if isinstance(mask, pd.Series) and not mask.index.equals(self.table.index):
            raise ValueError(f"{self.owner}: the labels of the filter are not those of table_, in this order.")
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != self.rows.shape:
            raise ValueError(
                f"{self.owner}: a filter must be a boolean for each of the {len(self.rows)} rows of table_, or a "
                f"function from table_ to these; got an array of shape {mask.shape} and type {mask.dtype}."
            )
        allowed = np.zeros(len(self.searchable), dtype=bool)
        allowed[self.rows[mask]] = True
        return allowed & self.searchable

    def _check_enough(self, k, n_left, filter):
        if not isinstance(k, Integral) or isinstance(k, bool) or k < 1:
            raise ValueError(f"{self.owner}: n_neighbors must be an integer of at least 1, got {k!r}.")
        if not len(self.rows):
            raise ValueError(f"{self.owner} has no rows left: all were removed. partial_fit adds others.")
        if k > n_left:
            filtered = "" if filter is None else " that the filter leaves"
            nothing = len(self.rows) - np.count_nonzero(self.searchable[self.rows])
            lacking = f" ({nothing} more have nothing to compare)" if nothing else ""
            raise ValueError(
                f"{self.owner} was asked for n_neighbors={k}, and there are only {max(n_left, 0)} rows to "
                f"find{filtered}, of {len(self.rows)}{lacking}. Ask for fewer."
            )


def _has_something(vectors):
    """Return which vectors are not of NaN."""
    starts = range(0, len(vectors), _READ_AT_ONCE)
    return np.concatenate([~np.isnan(vectors[start : start + _READ_AT_ONCE][:, 0]) for start in starts])
