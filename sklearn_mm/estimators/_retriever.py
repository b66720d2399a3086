"""`MultimodalRetriever`: the rows that are nearest to a text, a picture or others (semantic search)."""

import os
from collections.abc import Callable
from copy import copy
from numbers import Integral
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks import Blocks
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.estimators._embedder import MultimodalEmbedder
from sklearn_mm.estimators._pretrained_towers import fit_towers
from sklearn_mm.estimators._queries import Embedding
from sklearn_mm.preprocessing.containers._frame import as_frame
from sklearn_mm.retrieval._approximate import APPROXIMATE, ApproximateIndex, import_library
from sklearn_mm.retrieval._hubness import hubness_offsets
from sklearn_mm.retrieval._search import nearest, pairs_above
from sklearn_mm.retrieval._vector_file import write_vectors
from sklearn_mm.retrieval._vectors import Vectors
from sklearn_mm.utils._learner import take_over
from sklearn_mm.utils._messages import first_few, name_rows
from sklearn_mm.utils._pillow_settings import send_with_settings
from sklearn_mm.utils._validation import HasMethods, Interval, StrOptions, _fit_context, _num_samples

__all__ = ["MultimodalRetriever"]

_EMBEDDED_AT_ONCE = 16384  # rows
_SEARCHED_EXACTLY = 10_000  # rows up to which no approximate index is made: docs/decisions/0039-search.md
_BANK = 2000  # rows that stand for queries where none were given


class MultimodalRetriever(BaseEstimator):
    """Find the rows of a table that are nearest to a text, a picture, or rows with any of these (semantic search).

    An embedder makes a vector of each row, and of each query; the nearest rows are those with the largest cosine. The
    search is exact unless an approximate index is asked for.

    Parameters
    ----------
    embedder : transformer, str, path, PretrainedEncoder or None, default=None
        What makes vectors: ``transform(X, blocks=names)`` returns one for each row, from the named blocks alone. One
        that is fitted is used as it is; one that is not is cloned and fitted on the rows of `fit`. ``clone``, and so
        each search and cross-validation, makes an unfitted copy of a fitted one: put it into scikit-learn's
        ``FrozenEstimator`` where it is to stay fitted there. A name, a path or a `PretrainedEncoder` is a pretrained
        pair of towers (CLIP), of which nothing is trained. None is a ``MultimodalEmbedder`` with its defaults. A
        transformer whose ``transform`` takes no ``blocks``, and that has no ``specs_``, is searched with whole tables.
    blocks : str or list of str, default=None
        The blocks of the rows that are indexed, by name or kind ("image", "text"), where rows are to be found by these
        alone. None takes all that the table has.
    n_neighbors : int, default=5
        How many rows are found.
    algorithm : {"exact", "voyager", "faiss"}, default="exact"
        "exact" compares a query with all rows. The others build an approximate index (HNSW), in which a query sees
        some of them: "voyager" comes with the extra ``[index]``, faiss is to be installed by you. Up to 10,000 rows,
        with a ``filter`` and with ``rescale`` the search is exact all the same.
    rescale : {"csls", "inverted_softmax"}, default=None
        Make up for hubs, rows that are near to all queries: similarities are lowered by how near a row is to a bank of
        queries, those of `fit`. "csls" takes half of the mean of its ten nearest, "inverted_softmax" weights all. Other
        queries of a call are never used.
    folder : str or path, default=None
        Where the vectors are kept: in files (safetensors, float16), of which a search reads a block at a time.
        Approximate indexes are kept there too, as caches. Files stay when the estimator goes, since copies may use
        them. None keeps vectors in memory, as float32.

    Attributes
    ----------
    embedder_ : transformer
        The fitted embedder.
    table_ : pandas.DataFrame of shape (n_rows, n_columns)
        The rows that are indexed. Their labels (``index``) are what `remove` asks for.
    vectors_ : Vectors
        The vectors, of length 1, also of rows that were removed since.
    rows_ : ndarray of shape (n_rows,), dtype int64
        Which of the vectors each row has.
    searchable_ : ndarray of shape (n_vectors,), dtype bool
        Those that can be found: removed rows cannot, nor those that have nothing in them.
    bank_ : ndarray of shape (n_bank, width) or None
        The vectors of the queries that ``rescale`` goes by.
    offsets_ : ndarray of shape (n_vectors,) or None
        What ``rescale`` subtracts from the similarities of each row.

    See Also
    --------
    sklearn.neighbors.NearestNeighbors : Neighbours of rows that are vectors already.

    Examples
    --------
    >>> from sklearn_mm import MultimodalRetriever
    >>> MultimodalRetriever("path/to/clip", blocks="image", n_neighbors=3)
    MultimodalRetriever(blocks='image', embedder='path/to/clip', n_neighbors=3)
    """

    _parameter_constraints = {
        "embedder": [HasMethods(["fit", "transform"]), str, os.PathLike, PretrainedEncoder, None],
        "blocks": [str, list, tuple, None],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "algorithm": [StrOptions({"exact", *APPROXIMATE})],
        "rescale": [StrOptions({"csls", "inverted_softmax"}), None],
        "folder": [str, os.PathLike, None],
    }

    def __init__(
        self,
        embedder: Any = None,
        *,
        blocks: str | list[str] | None = None,
        n_neighbors: int = 5,
        algorithm: str = "exact",
        rescale: str | None = None,
        folder: str | PathLike | None = None,
    ):
        self.embedder = embedder
        self.blocks = blocks
        self.n_neighbors = n_neighbors
        self.algorithm = algorithm
        self.rescale = rescale
        self.folder = folder

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: ArrayLike | None = None, *, queries: Any = None) -> Self:
        """Embed the rows of ``X`` and index them.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            What the embedder takes. No two rows of a DataFrame may have one label. Rows with nothing in them stay in
            the table, and are never found.
        y : array-like of shape (n_rows,), default=None
            Handed to ``fit`` of an embedder that is not fitted yet.
        queries : like queries of `kneighbors`, default=None
            The bank of ``rescale``: queries like those that will come, but not these. By default up to 2,000 rows of
            ``X``.

        Returns
        -------
        self : MultimodalRetriever
            The fitted estimator.
        """
        learner = copy(self)
        learner._learn(X, y, queries)
        take_over(self, learner)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def partial_fit(self, X: Any, y: ArrayLike | None = None) -> Self:
        """Add the rows of ``X``; those that are there are not embedded again, and keep their labels.

        Parameters
        ----------
        X : like X of `fit`
            Rows. Labels of a DataFrame must be new; rows of what has none are numbered on.
        y : array-like of shape (n_rows,), default=None
            As of `fit`, in the first call.

        Returns
        -------
        self : MultimodalRetriever
            The fitted estimator.
        """
        if not self.__sklearn_is_fitted__():
            return self.fit(X, y)
        learner = copy(self)
        learner._add(X)
        take_over(self, learner)
        return self

    def remove(self, labels: Any) -> Self:
        """Drop rows by their labels; the others keep theirs.

        Parameters
        ----------
        labels : label or list of labels
            Of the index of ``table_``.

        Returns
        -------
        self : MultimodalRetriever
            This estimator.
        """
        check_is_fitted(self)
        labels = labels if isinstance(labels, list | np.ndarray | pd.Index | pd.Series) else [labels]
        places = self.table_.index.get_indexer(pd.Index(labels))
        if (places < 0).any():
            missing = [label for label, place in zip(labels, places, strict=True) if place < 0]
            raise KeyError(f"{self._who} has no rows with the labels {first_few(missing, text=repr)}.")
        kept = np.ones(len(self.table_), dtype=bool)
        kept[places] = False
        searchable = self.searchable_.copy()
        searchable[self.rows_[~kept]] = False
        self.table_, self.rows_, self.searchable_ = self.table_[kept], self.rows_[kept], searchable
        return self

    def kneighbors(
        self,
        X: Any = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
        *,
        filter: ArrayLike | Callable | None = None,
        weights: dict[str, float] | None = None,
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows of each query.

        Parameters
        ----------
        X : table, str, picture, dict, or list of these, default=None
            Queries: a table with the columns of any of the blocks; a single text or picture (path, bytes, Pillow
            image, array of 3 dimensions, or 2 of uint8); a dict from blocks, columns or kinds ("image", "text") to
            cells; or a list of texts, pictures and dicts, each a query. A text or picture stands for all blocks of its
            kind; a string that ends like a file of a picture is one, if the embedder reads pictures. By default the
            indexed rows, of which none is its own neighbour.
        n_neighbors : int, default=None
            How many; by default ``n_neighbors`` of the estimator.
        return_distance : bool, default=True
            Whether to return distances too.
        filter : array-like of shape (n_rows,) or callable, default=None
            Rows that may be found: True in a mask over ``table_``, or in what a function returns for it. Of all others
            nothing is seen.
        weights : dict of str to float, default=None
            How much the blocks of a query count, by name or kind, where it has several; those that are not named
            count 1, and less than 0 leads away. Their vectors are added by these. By default the embedder puts them
            together.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), dtype float32
            Cosine distances, 1 - cosine, the least first; with ``rescale`` with the similarities that it makes.
        positions : ndarray of shape (n_queries, n_neighbors), dtype int64
            Positions in ``table_``, as of ``iloc``: ``table_.index[positions]`` are the labels.
        """
        check_is_fitted(self)
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if X is None:
            similarities, positions = self._neighbors_of_rows(k, self._allowed(filter))
        else:
            allowed = self._allowed(filter)
            self._check_enough(k, np.count_nonzero(allowed), filter)
            vectors = Embedding(self.embedder_, self._who).queries(X, weights)
            similarities, positions = self._nearest(vectors, k, allowed, filter is None)
        positions = np.searchsorted(self.rows_, positions)
        if not return_distance:
            return positions
        distances = 1 - similarities
        return (np.maximum(distances, 0) if self.rescale is None else distances), positions

    def search(
        self,
        query: Any,
        n_neighbors: int | None = None,
        *,
        filter: ArrayLike | Callable | None = None,
        weights: dict[str, float] | None = None,
    ) -> pd.DataFrame:
        """Return the rows of the table that are nearest to one query.

        Parameters
        ----------
        query : str, picture, dict, or table of one row
            As of `kneighbors`.
        n_neighbors : int, default=None
            How many; by default ``n_neighbors`` of the estimator.
        filter, weights : default=None
            As of `kneighbors`.

        Returns
        -------
        rows : pandas.DataFrame of shape (n_neighbors, n_columns + 1)
            Rows of ``table_`` with their labels, the nearest first, and before their columns ``score``, the cosine
            (with ``rescale`` what that makes of it). If the table has a column of that name, it is ``_score``.
        """
        distances, positions = self.kneighbors(query, n_neighbors, filter=filter, weights=weights)
        if len(positions) != 1:
            raise ValueError(
                f"{self._who}.search takes one query, got {len(positions)}. For several, kneighbors returns positions "
                "in table_."
            )
        rows = self.table_.iloc[positions[0]].copy()
        name = "score"
        while name in rows.columns:
            name = f"_{name}"
        rows.insert(0, name, 1 - distances[0])
        return rows

    def find_duplicates(self, threshold: float = 0.95) -> pd.DataFrame:
        """Return all pairs of rows that are at least so similar (near-duplicates).

        Parameters
        ----------
        threshold : float, default=0.95
            Least cosine. Larger finds fewer pairs, which are more alike.

        Returns
        -------
        pairs : pandas.DataFrame of shape (n_pairs, 3)
            ``first`` and ``second``, labels of rows, and ``similarity``, their cosine; the most similar first.
        """
        check_is_fitted(self)
        if not -1 < threshold <= 1:
            raise ValueError(f"{self._who}: threshold must be a cosine, above -1 and at most 1, got {threshold!r}.")
        first, second, similarities = pairs_above(self.vectors_, threshold - 1e-6)  # equal vectors, up to rounding
        found = self.searchable_[first] & self.searchable_[second]
        order = np.argsort(-similarities[found], kind="stable")
        labels = [self.table_.index[np.searchsorted(self.rows_, rows[found][order])] for rows in (first, second)]
        similarities = np.minimum(similarities[found][order], 1)
        return pd.DataFrame({"first": labels[0], "second": labels[1], "similarity": similarities})

    def score(self, X: Any, y: ArrayLike | None = None) -> float:
        """Return what the embedder scores: of a ``MultimodalEmbedder``, mean recall@1, 5, 10 both ways.

        Parameters
        ----------
        X : like X of `fit`
            Rows whose blocks belong together.
        y : array-like of shape (n_rows,), default=None
            Handed on.

        Returns
        -------
        score : float
            Larger is better.
        """
        check_is_fitted(self)
        return self.embedder_.score(X, y)

    def _learn(self, X, y, queries):
        if self.algorithm != "exact":
            import_library(self.algorithm)  # or say so before rows are embedded
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)  # of an earlier fit
        table = self._table_of(X, 0)
        self.embedder_ = self._fitted_embedder(X, y)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.embedder_, name):
                setattr(self, name, getattr(self.embedder_, name))
        vectors, has_vector = self._embed(X)
        self.table_, self.vectors_, self.searchable_ = table, Vectors([vectors]), has_vector
        self.rows_ = np.arange(len(table))
        self._next_number = len(table)
        self._fit_rescale(queries)
        self._index = None if self.algorithm == "exact" else ApproximateIndex(self.algorithm, self._folder)
        self._follow()

    def _add(self, X):
        table = self._table_of(X, self._next_number)
        known = table.index[table.index.isin(self.table_.index)]
        if len(known):
            raise ValueError(
                f"{self._who} has rows with {len(known)} of these labels already: {first_few(list(known), text=repr)}. "
                "Give new rows labels of their own (X.index), or remove the old ones first."
            )
        vectors, has_vector = self._embed(X)
        n_before = len(self.vectors_)
        self.vectors_ = self.vectors_.plus(vectors)
        self.rows_ = np.concatenate([self.rows_, n_before + np.arange(len(table))])
        self.searchable_ = np.concatenate([self.searchable_, has_vector])
        self.table_ = pd.concat([self.table_, table])
        self._next_number += len(table)
        if self.offsets_ is not None:
            new = hubness_offsets(Vectors([vectors]), self.bank_, self.rescale)
            self.offsets_ = np.concatenate([self.offsets_, new])
        self._follow()

    def _table_of(self, X, first_number):
        """Return the rows as a DataFrame whose labels are unique."""
        if isinstance(X, Blocks):
            table = pd.DataFrame(index=pd.RangeIndex(_num_samples(X)))
        else:
            table, _ = as_frame(X, self._who)
        if not isinstance(X, pd.DataFrame):
            table.index = pd.RangeIndex(first_number, first_number + len(table))
        if not len(table):
            raise ValueError(f"Found array with 0 sample(s) while a minimum of 1 is required by {self._who}.")
        if not table.index.is_unique:
            twice = table.index[table.index.duplicated()].unique()
            raise ValueError(
                f"{self._who} finds rows by their labels, and several rows of X have the labels "
                f"{first_few(list(twice), text=repr)}. Number them: X.reset_index(drop=True)."
            )
        return table

    def _fitted_embedder(self, X, y):
        embedder = self.embedder
        if embedder is None:
            return MultimodalEmbedder().fit(X, y)
        if isinstance(embedder, str | PathLike | PretrainedEncoder):
            return fit_towers(embedder, X, y, self._who)
        try:
            check_is_fitted(embedder)
        except NotFittedError:
            return clone(embedder).fit(X, y)
        return embedder

    def _embed(self, X):
        """Return the vectors of rows, as they are kept, and which rows have one."""
        embedding = Embedding(self.embedder_, self._who)
        present = []

        def parts():
            for start in range(0, _num_samples(X), _EMBEDDED_AT_ONCE):
                some = X if _num_samples(X) <= _EMBEDDED_AT_ONCE else _slice(X, start, start + _EMBEDDED_AT_ONCE)
                vectors = embedding.rows(some, self.blocks)
                if len(vectors) != _num_samples(some):
                    raise ValueError(
                        f"{self._who} needs a vector for each of {_num_samples(some)} rows, and its embedder, "
                        f"{type(self.embedder_).__name__}, gave {len(vectors)}."
                    )
                present.append(~np.isnan(vectors[:, 0]))
                yield vectors

        vectors = np.concatenate(list(parts())) if self.folder is None else write_vectors(self._folder, parts())
        return vectors, np.concatenate(present)

    def _fit_rescale(self, queries):
        self.bank_ = self.offsets_ = None
        if self.rescale is None:
            return
        own = None
        if queries is None:
            own = np.flatnonzero(self.searchable_)
            own = own[np.linspace(0, len(own) - 1, min(_BANK, len(own))).astype(int)]
            self.bank_ = np.concatenate([self.vectors_[row : row + 1] for row in own.tolist()]).astype(np.float32)
        else:
            self.bank_ = Embedding(self.embedder_, self._who).queries(queries)
        self.offsets_ = hubness_offsets(self.vectors_, self.bank_, self.rescale, own)

    @property
    def _is_approximate(self):
        return self._index is not None and len(self.rows_) > _SEARCHED_EXACTLY and self.rescale is None

    def _follow(self):
        if self._is_approximate:
            self._index.follow(self.vectors_, self.searchable_)

    def _nearest(self, queries, k, allowed, may_approximate):
        """Return similarities and numbers of vectors."""
        found = None
        if may_approximate and self._is_approximate:
            found = self._index.query(queries, self.vectors_, self.searchable_, k)
        if found is None:
            found = nearest(queries, self.vectors_, k, allowed=allowed, offsets=self.offsets_)
        return found

    def _neighbors_of_rows(self, k, allowed):
        own = self.rows_
        without = ~self.searchable_[own]
        if without.any():
            raise ValueError(
                f"{self._who}.kneighbors() without queries asks for the neighbours of all rows, and "
                f"{np.count_nonzero(without)} have nothing to compare ({name_rows(without)}). Remove these first."
            )
        self._check_enough(k, np.count_nonzero(allowed) - 1, None)
        similarities = np.empty((len(own), k), dtype=np.float32)
        positions = np.empty((len(own), k), dtype=np.int64)
        for start in range(0, len(self.vectors_), _EMBEDDED_AT_ONCE):
            here = np.flatnonzero((own >= start) & (own < start + _EMBEDDED_AT_ONCE))
            if not len(here):
                continue
            queries = self.vectors_[start : start + _EMBEDDED_AT_ONCE][own[here] - start].astype(np.float32)
            more = min(k + 1, np.count_nonzero(allowed))
            values, found = self._nearest(queries, more, allowed, may_approximate=allowed is self.searchable_)
            itself = found == own[here, np.newaxis]
            itself[~itself.any(1), -1] = True  # not among its nearest, of which one is too many
            similarities[here] = values[~itself].reshape(len(here), more - 1)[:, :k]
            positions[here] = found[~itself].reshape(len(here), more - 1)[:, :k]
        return similarities, positions

    def _allowed(self, filter):
        """Return which vectors may be found."""
        if filter is None:
            return self.searchable_
        mask = filter(self.table_) if callable(filter) else filter
        if isinstance(mask, pd.Series) and not mask.index.equals(self.table_.index):
            raise ValueError(f"{self._who}: the labels of the filter are not those of table_, in this order.")
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != self.rows_.shape:
            raise ValueError(
                f"{self._who}: a filter must be a boolean for each of the {len(self.rows_)} rows of table_, or a "
                f"function from table_ to these; got an array of shape {mask.shape} and type {mask.dtype}."
            )
        allowed = np.zeros(len(self.searchable_), dtype=bool)
        allowed[self.rows_[mask]] = True
        return allowed & self.searchable_

    def _check_enough(self, k, n_left, filter):
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"{self._who}: n_neighbors must be an integer of at least 1, got {k!r}.")
        if not len(self.rows_):
            raise ValueError(f"{self._who} has no rows left: all were removed. partial_fit adds others.")
        if k > n_left:
            filtered = "" if filter is None else " that the filter leaves"
            nothing = len(self.rows_) - np.count_nonzero(self.searchable_[self.rows_])
            lacking = f" ({nothing} more have nothing to compare)" if nothing else ""
            raise ValueError(
                f"{self._who} was asked for n_neighbors={k}, and there are only {max(n_left, 0)} rows to "
                f"find{filtered}, of {len(self.rows_)}{lacking}. Ask for fewer."
            )

    @property
    def _folder(self):
        return None if self.folder is None else os.path.abspath(os.path.expanduser(os.fspath(self.folder)))

    @property
    def _who(self):
        return type(self).__name__

    def __sklearn_is_fitted__(self):
        return hasattr(self, "table_")

    def __copy__(self):
        """Return an estimator with the same attributes, which are not copied; the index is shared, and follows both."""
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self):
        """State without the approximate index, which the vectors can make again."""
        state = dict(super().__getstate__())
        if state.get("_index") is not None:
            state["_index"] = None
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if self.__sklearn_is_fitted__() and self.algorithm != "exact":
            self._index = ApproximateIndex(self.algorithm, self._folder)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        return tags


def _slice(X, start, stop):
    rows = np.arange(start, min(stop, _num_samples(X)))
    return X[rows] if isinstance(X, Blocks) else _safe_indexing(X, rows)


send_with_settings(MultimodalRetriever)
