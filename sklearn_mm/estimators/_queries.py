"""From queries, whatever they are, to their vectors: tables, single cells, lists of these, rows as dicts."""

import os
from collections.abc import Mapping
from numbers import Number, Real

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.utils import _safe_indexing

from sklearn_mm.blocks import Blocks
from sklearn_mm.preprocessing.cells._missing import is_missing
from sklearn_mm.preprocessing.image._picture_cells import looks_like_picture
from sklearn_mm.utils._messages import abbreviated_repr, name_rows
from sklearn_mm.utils._registry import did_you_mean
from sklearn_mm.utils._validation import _num_samples

__all__ = ["Embedding"]

_EMBEDDED_AT_ONCE = 16384  # rows
_CELLS = (str, bytes, bytearray, os.PathLike, Image.Image, Number, type(None), type(pd.NA))


def _as_list(queries):
    """Return a single query, and an array of texts or pictures, as a list; tables as they are."""
    if isinstance(queries, np.ndarray | torch.Tensor):
        is_grey = queries.ndim == 2 and str(queries.dtype).removeprefix("torch.") == "uint8"
        return [queries] if queries.ndim == 3 or is_grey else list(queries) if queries.ndim in (1, 4) else queries
    is_single = isinstance(queries, (*_CELLS, Mapping, pd.Series)) and not isinstance(queries, Blocks)
    return [queries] if is_single else queries


class Embedding:
    """What a fitted embedder makes of rows and queries: vectors of length 1, and of NaN where there is nothing.

    Parameters
    ----------
    embedder : transformer
        Fitted. If it has ``specs_``, its ``transform`` takes names of ``blocks``.
    owner : str
        Who asks, for error messages.
    """

    def __init__(self, embedder, owner):
        self.embedder = embedder
        self.owner = owner
        self.specs = getattr(embedder, "specs_", None)

    def parts(self, X, blocks=None):
        """Yield the vectors of a table part by part, from the blocks whose columns it has, or from the chosen ones."""
        names = self._blocks_in(X) if blocks is None else self._named(blocks)
        n_rows = _num_samples(X)
        for start in range(0, n_rows, _EMBEDDED_AT_ONCE):
            rows = np.arange(start, min(start + _EMBEDDED_AT_ONCE, n_rows))
            part = X if len(rows) == n_rows else X[rows] if isinstance(X, Blocks) else _safe_indexing(X, rows)
            vectors = self._unit_vectors(part, names)
            if len(vectors) != len(rows):
                raise ValueError(
                    f"{self.owner} needs a vector for each of {len(rows)} rows, and its embedder, "
                    f"{type(self.embedder).__name__}, gave {len(vectors)}."
                )
            yield vectors

    def queries(self, queries, weights=None):
        """Return the vectors of queries, each of which must have something in it.

        Parameters
        ----------
        queries : table, cell, dict, or list of cells and dicts
            As of `MultimodalRetriever.kneighbors`.
        weights : dict of str to float, default=None
            How much blocks count, by their names or kinds; the others count 1.
        """
        table = self._table(queries)
        names = self._blocks_in(table)
        vectors = self._unit_vectors(table, names) if weights is None else self._weighted(table, names, weights)
        nothing = np.isnan(vectors[:, 0])
        if nothing.any():
            known = "" if self.specs is None else f" of the blocks {list(self.specs)}"
            raise ValueError(
                f"{self.owner} has nothing to compare in {np.count_nonzero(nothing)} of {len(nothing)} queries "
                f"({name_rows(nothing)}): they have none{known}, or their vectors cancel out. Leave them out."
            )
        return vectors

    def _weighted(self, table, names, weights):
        if names is None:
            raise TypeError(f"{self.owner} cannot weight blocks: its embedder does not tell which there are (specs_).")
        if not isinstance(weights, Mapping):
            raise TypeError(f"{self.owner}: weights must be a dict from blocks or kinds to numbers, got {weights!r}.")
        known = dict.fromkeys(names, 1.0)
        for key, weight in weights.items():
            if not isinstance(weight, Real) or not np.isfinite(weight):
                raise ValueError(f"{self.owner}: weights must be finite numbers, got {weight!r} for {key!r}.")
            known.update({name: float(weight) for name in self._of_name_or_kind(key) if name in known})
        total = 0
        for name, weight in known.items():
            total = total + weight * np.nan_to_num(self._unit_vectors(table, [name]))
        return _directions(total)

    def _unit_vectors(self, X, names):
        vectors = self.embedder.transform(X) if names is None else self.embedder.transform(X, blocks=names)
        vectors = np.asarray(vectors)
        if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
            raise ValueError(
                f"{self.owner} needs one vector of numbers for each row, and its embedder, "
                f"{type(self.embedder).__name__}, gave an array of shape {vectors.shape} and type {vectors.dtype}."
            )
        vectors = vectors.astype(np.float32)
        odd = ~np.isfinite(vectors).all(1) & ~np.isnan(vectors).all(1)
        if odd.any():
            raise ValueError(
                f"{self.owner} got NaN or infinity within the vectors of {np.count_nonzero(odd)} of {len(odd)} rows "
                f"({name_rows(odd)}) from its embedder, {type(self.embedder).__name__}. See what is odd about these."
            )
        return _directions(vectors)

    def _blocks_in(self, X):
        """Return the names of the blocks that a table has the columns of, None if the embedder knows of no blocks."""
        if self.specs is None:
            return None
        if isinstance(X, Blocks):
            names = [name for name in self.specs if name in X]
        elif not hasattr(X, "columns") and not hasattr(X, "column_names"):
            return list(self.specs)  # columns by position: all of them
        else:
            names = self._blocks_of_columns(set(map(str, getattr(X, "column_names", getattr(X, "columns", ())))))
        if not names:
            raise ValueError(
                f"{self.owner} finds none of its blocks, {list(self.specs)}, in {type(X).__name__} with "
                f"{list(getattr(X, 'columns', X))}."
            )
        return names

    def _blocks_of_columns(self, columns):
        names = []
        for name, spec in self.specs.items():
            missing = [column for column in spec.columns if column not in columns]
            if not missing:
                names.append(name)
            elif len(missing) < len(spec.columns):
                raise ValueError(
                    f"{self.owner}: a table has some columns of the block {name!r} and lacks {missing}. Add these, or "
                    "leave out the others."
                )
        return names

    def _table(self, queries):
        """Return queries as a table that the embedder reads."""
        if self.specs is None and isinstance(queries, np.ndarray | torch.Tensor):
            return queries  # of what form an embedder likes
        queries = _as_list(queries)
        is_list = isinstance(queries, list | tuple) and not any(isinstance(query, list | tuple) for query in queries)
        if not is_list:
            return queries
        if not queries:
            raise ValueError(f"{self.owner} got an empty list of queries.")
        if self.specs is None:
            raise TypeError(
                f"{self.owner} cannot tell what the query {abbreviated_repr(queries[0])} is: its embedder, "
                f"{type(self.embedder).__name__}, does not tell which blocks it reads (specs_). Hand in a table."
            )
        rows = [self._row(query) for query in queries]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        if not columns:
            raise ValueError(
                f"{self.owner} has nothing to compare in any of {len(rows)} queries: they have none of the blocks "
                f"{list(self.specs)}."
            )
        if not hasattr(self.embedder, "feature_names_in_") and hasattr(self.embedder, "n_features_in_"):
            cells = np.full((len(rows), self.embedder.n_features_in_), None, dtype=object)
            for number, row in enumerate(rows):
                for column, cell in row.items():
                    cells[number, int(column)] = cell
            return cells
        return pd.DataFrame({column: pd.Series([row.get(column) for row in rows], dtype=object) for column in columns})

    def _row(self, query):
        """Return the cells of a query by column."""
        if is_missing(query):
            return {}
        if isinstance(query, Number):
            raise TypeError(
                f"{self.owner} takes texts, pictures and dicts from blocks to cells for queries, got the number "
                f"{query!r}. Name the block of a number: {{name: query}}."
            )
        if not isinstance(query, Mapping | pd.Series):
            kind = "image" if not isinstance(query, str) or self._is_picture(query) else "text"
            names = self._of_kind(kind)
            if not names:
                raise ValueError(
                    f"{self.owner} takes the query {abbreviated_repr(query)} for one of kind {kind!r}, and its "
                    f"embedder has no such block: it has {self._kinds()}. Name the block: {{name: query}}."
                )
            return {self.specs[name].columns[0]: query for name in names}
        row, columns = {}, {column for spec in self.specs.values() for column in spec.columns}
        for key, cell in query.items():
            if str(key) in columns:
                row[str(key)] = cell
            elif not is_missing(cell) and not (isinstance(query, pd.Series) and key not in self.specs):
                row.update({self.specs[name].columns[0]: cell for name in self._of_name_or_kind(key)})
        if isinstance(query, pd.Series) and columns.isdisjoint(map(str, query.index)) and not row:
            raise ValueError(
                f"{self.owner} takes a pandas.Series for one row, and its index has none of the columns "
                f"{sorted(columns)}. If it is a column of several queries, hand in series.to_frame()."
            )
        return row

    def _is_picture(self, query):
        return bool(self._of_kind("image")) and looks_like_picture(query)

    def _of_kind(self, kind):
        return [name for name, spec in self.specs.items() if spec.kind == kind]

    def _of_name_or_kind(self, key):
        names = [key] if key in self.specs else self._of_kind(key)
        if not names:
            suggestion = did_you_mean(key, self.specs)
            raise ValueError(f"{self.owner} knows of no block or kind {key!r}: it has {self._kinds()}.{suggestion}")
        return names

    def _named(self, blocks):
        if self.specs is None:
            raise TypeError(f"{self.owner} got blocks={blocks!r}, and its embedder does not tell its blocks (specs_).")
        keys = [blocks] if isinstance(blocks, str) else list(blocks)
        chosen = [name for key in keys for name in self._of_name_or_kind(key)]
        return [name for name in self.specs if name in chosen]

    def _kinds(self):
        return ", ".join(f"{name!r} of kind {spec.kind!r}" for name, spec in self.specs.items())


def _directions(vectors):
    """Return vectors of length 1; those of length 0, or of NaN, are of NaN."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return np.where(lengths > 1e-6, vectors / np.where(lengths > 1e-6, lengths, 1), np.nan).astype(np.float32)
