"""`MultimodalRetriever`: the rows that are nearest to a text, a picture or others (semantic search)."""

import os
from collections.abc import Callable
from copy import copy
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.estimators._embedder import MultimodalEmbedder
from sklearn_mm.estimators._indexed_rows import IndexedRows, labelled_table
from sklearn_mm.estimators._pretrained_towers import fit_towers
from sklearn_mm.estimators._queries import Embedding
from sklearn_mm.retrieval._approximate import APPROXIMATE, ApproximateIndex, import_library
from sklearn_mm.retrieval._vector_file import write_vectors
from sklearn_mm.utils._learner import take_over
from sklearn_mm.utils._pillow_settings import send_with_settings
from sklearn_mm.utils._validation import HasMethods, Interval, StrOptions, _fit_context

__all__ = ["MultimodalRetriever"]


def _of_rows(name):
    """Return a property of the estimator that its rows have by another name."""

    def of_rows(self):
        check_is_fitted(self)
        return getattr(self._indexed, name)

    return property(of_rows)


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
        queries, those of `fit`, best of the kind that will come. "csls" takes half of the mean of its ten nearest,
        "inverted_softmax" weights all, and loses where the bank is of another kind. Other queries of a call are never
        used.
    folder : str or path, default=None
        Where the vectors are kept: in files (safetensors, float16), of which a search reads a block at a time.
        Approximate indexes are kept there too, as caches. Files stay when the estimator goes, since copies may use
        them. None keeps vectors in memory, as float32.

    Attributes
    ----------
    embedder_ : transformer
        The fitted embedder.
    table_ : pandas.DataFrame of shape (n_rows, n_columns)
        The rows that are indexed, also where they came in a table of another library. Their labels (``index``) are what
        `remove` asks for.
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
        if isinstance(labels, pd.DataFrame):
            raise TypeError(f"{self._who}.remove takes labels, got a DataFrame. Hand in its index.")
        several = isinstance(labels, list | set | range | np.ndarray | pd.Index | pd.Series)
        self._indexed = self._indexed.without(pd.Index(list(labels) if several else [labels]))
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
            cells; or a list or array of texts, pictures and dicts, each a query. A text or picture stands for all
            blocks of its kind; a string that ends like a file of a picture is one, if the embedder reads pictures. By
            default the indexed rows, of which none is its own neighbour.
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
            similarities, positions = self._indexed.neighbors_of_rows(k, filter)
        else:
            allowed = self._indexed.allowed(k, filter)
            vectors = Embedding(self.embedder_, self._who).queries(X, weights)
            similarities, positions = self._indexed.nearest(vectors, k, allowed)
        if not return_distance:
            return positions
        distances = 1 - similarities
        return (np.maximum(distances, 0) if self.offsets_ is None else distances), positions

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
        query = [None] if query is None else query  # which to kneighbors would be all rows
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
        if not isinstance(threshold, Real) or not -1 < threshold <= 1:
            raise ValueError(f"{self._who}: threshold must be a cosine, above -1 and at most 1, got {threshold!r}.")
        first, second, similarities = self._indexed.pairs_above(threshold - 1e-6)  # equal vectors, up to rounding
        labels = self.table_.index
        return pd.DataFrame(
            {"first": labels[first], "second": labels[second], "similarity": np.minimum(similarities, 1)}
        )

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
        if not hasattr(self.embedder_, "score"):
            raise AttributeError(
                f"{self._who}.score is what its embedder scores, and {type(self.embedder_).__name__} has no score."
            )
        return self.embedder_.score(X, y)

    def _learn(self, X, y, queries):
        if self.algorithm != "exact":
            import_library(self.algorithm)  # or say so before rows are embedded
        table = labelled_table(X, 0, self._who)
        self.embedder_ = self._fitted_embedder(X, y)
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)  # of an earlier fit
            if hasattr(self.embedder_, name):
                setattr(self, name, getattr(self.embedder_, name))
        vectors = self._embed(X)
        index = None if self.algorithm == "exact" else ApproximateIndex(self.algorithm, self._folder)
        rows = IndexedRows.of(self._who, table, vectors, index)
        if self.rescale is not None:
            bank = None if queries is None else Embedding(self.embedder_, self._who).queries(queries)
            rows = rows.rescaled(self.rescale, bank)
        rows.update_index()
        self._indexed = rows

    def _add(self, X):
        table = labelled_table(X, len(self.vectors_), self._who)
        self._indexed.check_new(table.index)
        self._indexed = self._indexed.plus(table, self._embed(X))
        self._indexed.update_index()

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
        """Return the vectors of rows, as they are kept."""
        parts = Embedding(self.embedder_, self._who).parts(X, self.blocks)
        return np.concatenate(list(parts)) if self.folder is None else write_vectors(self._folder, parts)

    table_ = _of_rows("table")
    vectors_ = _of_rows("vectors")
    rows_ = _of_rows("rows")
    searchable_ = _of_rows("searchable")
    bank_ = _of_rows("bank")
    offsets_ = _of_rows("offsets")

    @property
    def _folder(self):
        return None if self.folder is None else os.path.abspath(os.path.expanduser(os.fspath(self.folder)))

    @property
    def _who(self):
        return type(self).__name__

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_indexed")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = False
        return tags


send_with_settings(MultimodalRetriever)
