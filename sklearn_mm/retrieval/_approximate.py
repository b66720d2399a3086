"""Approximate nearest neighbours by graphs (HNSW), of voyager or faiss: a cache that vectors can make again.

Files of such indexes are not safe to read once they were changed: the libraries then end the process. So what is kept
of one is read by its library only if its checksum holds, and is made again otherwise.
"""

import hashlib
import io
import os
from contextlib import suppress
from threading import Lock
from uuid import uuid4

import numpy as np

from sklearn_mm.utils._optional import import_extra

__all__ = ["APPROXIMATE", "ApproximateIndex", "import_library"]

APPROXIMATE = ("voyager", "faiss")
_LINKS = 24  # of a node of the graph (M)
_BREADTH_OF_BUILD = 200  # nodes that are looked at for links (ef_construction)
_BREADTH = 200  # nodes that are looked at for a query (ef), at least: docs/decisions/0039-search.md
_DIGEST_BYTES = 32
_ADDED_AT_ONCE = 16384


def import_library(library):
    """Return a library that has approximate indexes, or raise ImportError with the way out."""
    what_for = f"MultimodalRetriever with algorithm={library!r}"
    if library == "voyager":
        return import_extra("voyager", "index", what_for)
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            f"{what_for} needs the package faiss, which cannot be imported here ({error}). Install it, "
            'pip install faiss-cpu, or take algorithm="voyager".'
        ) from error
    return faiss


class ApproximateIndex:
    """A graph of vectors that follows what is asked of it: rows come, at the end, and go.

    Parameters
    ----------
    library : {"voyager", "faiss"}
        Which makes it.
    folder : str or None
        Where it is kept once it was built.
    """

    def __init__(self, library, folder=None):
        self.library = library
        self.folder = folder
        self._graph = None
        self._lock = Lock()

    def query(self, queries, vectors, searchable, n_neighbors):
        """Return what `nearest` does, approximately; None where the graph finds fewer neighbours than are asked for.

        Parameters
        ----------
        queries : ndarray of shape (n_queries, width), dtype float32
            Of unit length.
        vectors : Vectors
            All that were ever indexed.
        searchable : ndarray of shape (n_vectors,), dtype bool
            Those that can be found.
        n_neighbors : int
            How many are wanted.
        """
        with self._lock:
            self._follow(vectors, searchable)
            return self._graph.query(queries, n_neighbors, max(_BREADTH, 2 * n_neighbors))

    def follow(self, vectors, searchable):
        """Bring the graph up to date, before anybody asks."""
        with self._lock:
            self._follow(vectors, searchable)

    def _follow(self, vectors, searchable):
        if self._graph is None or not self._graph.is_followed_by(vectors, searchable):
            kind = _VoyagerGraph if self.library == "voyager" else _FaissGraph
            path = self._path(vectors, searchable)
            self._graph = _load(kind, path, vectors, searchable)
            if self._graph is None:
                self._graph = kind(vectors.shape[1])
                self._graph.follow(vectors, searchable)
                _save(self._graph, path)
        self._graph.follow(vectors, searchable)

    def __reduce__(self):
        """A copy has no graph, which the vectors can make again."""
        return ApproximateIndex, (self.library, self.folder)

    def _path(self, vectors, searchable):
        if self.folder is None:
            return None
        content = hashlib.blake2b(vectors.digest().encode() + searchable.tobytes(), digest_size=16).hexdigest()
        return os.path.join(self.folder, f"{self.library}-{content}.index")


class _Graph:
    """What the graphs of both libraries have in common: which rows are in them.

    Parameters
    ----------
    width : int
        Length of vectors.
    graph : object, default=None
        The library's; a new one by default.
    """

    def __init__(self, width, graph=None):
        self.graph = self.make(width) if graph is None else graph
        self.parts = ()
        self.searchable = np.empty(0, dtype=bool)

    def is_followed_by(self, vectors, searchable):
        """Whether the graph lacks nothing but rows at the end, and has nothing that comes back."""
        n_parts, n_rows = len(self.parts), len(self.searchable)
        same = len(vectors.parts) >= n_parts and all(a is b for a, b in zip(self.parts, vectors.parts, strict=False))
        return same and not (searchable[:n_rows] & ~self.searchable).any()

    def follow(self, vectors, searchable):
        """Add the rows that are new, and drop those that went."""
        n_rows = len(self.searchable)
        self.drop(np.flatnonzero(self.searchable & ~searchable[:n_rows]))
        for start in range(n_rows, len(vectors), _ADDED_AT_ONCE):
            rows = np.asarray(vectors[start : start + _ADDED_AT_ONCE], dtype=np.float32)
            self.add(rows, start, searchable[start : start + len(rows)])
        self.note(vectors, searchable)

    def note(self, vectors, searchable):
        """Note which rows are in the graph."""
        self.parts, self.searchable = vectors.parts, searchable.copy()


class _VoyagerGraph(_Graph):
    def make(self, width):
        voyager = import_library("voyager")
        return voyager.Index(
            voyager.Space.InnerProduct, width, M=_LINKS, ef_construction=_BREADTH_OF_BUILD, random_seed=0
        )

    def add(self, rows, start, searchable):
        places = np.flatnonzero(searchable)
        if len(places):
            self.graph.add_items(rows[places], (places + start).tolist())

    def drop(self, rows):
        for row in rows.tolist():
            self.graph.mark_deleted(row)

    def query(self, queries, k, breadth):
        try:
            positions, distances = self.graph.query(queries, k, query_ef=breadth)
        except import_library("voyager").RecallError:
            return None
        return 1 - distances, positions.astype(np.int64)

    def to_bytes(self):
        return self.graph.as_bytes()

    @staticmethod
    def from_bytes(content):
        return import_library("voyager").Index.load(io.BytesIO(content))


class _FaissGraph(_Graph):
    def make(self, width):
        faiss = import_library("faiss")
        graph = faiss.IndexHNSWFlat(width, _LINKS, faiss.METRIC_INNER_PRODUCT)
        graph.hnsw.efConstruction = _BREADTH_OF_BUILD
        return graph

    def add(self, rows, start, searchable):
        self.graph.add(np.where(searchable[:, np.newaxis], rows, 0))  # numbers are places: none is left out

    def drop(self, rows):
        pass  # which is done by the selector of queries

    def query(self, queries, k, breadth):
        faiss = import_library("faiss")
        bits = np.packbits(self.searchable, bitorder="little")
        parameters = faiss.SearchParametersHNSW(efSearch=breadth, sel=faiss.IDSelectorBitmap(bits))
        similarities, positions = self.graph.search(queries, k, params=parameters)
        return None if (positions < 0).any() else (similarities, positions)

    def to_bytes(self):
        return import_library("faiss").serialize_index(self.graph).tobytes()

    @staticmethod
    def from_bytes(content):
        return import_library("faiss").deserialize_index(np.frombuffer(content, dtype=np.uint8))


def _save(graph, path):
    """Keep a graph, with its checksum before it; a folder that cannot be written to is no reason to fail."""
    if path is None:
        return
    unfinished = f"{path}-{uuid4().hex}.part"
    content = graph.to_bytes()
    with suppress(OSError):
        try:
            with open(unfinished, "xb") as file:
                file.write(_checksum(content, path))
                file.write(content)
            os.replace(unfinished, path)
        finally:
            with suppress(OSError):
                os.remove(unfinished)


def _load(kind, path, vectors, searchable):
    """Return the graph that was kept, None if there is none, or not as it was written."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            digest, content = file.read(_DIGEST_BYTES), file.read()
    except OSError:
        return None
    if _checksum(content, path) != digest:
        return None
    try:
        graph = kind(vectors.shape[1], kind.from_bytes(content))
    except Exception:  # whichever a library raises, of a file that another version of it wrote
        return None
    graph.note(vectors, searchable)
    return graph


def _checksum(content, path):
    """Return the checksum of a graph in a file of this name, which no other file has."""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES, key=os.path.basename(path).encode()).digest()
