"""Vectors that a function has made of cells, by what these hold: each is made once (a cache of embeddings)."""

from weakref import WeakKeyDictionary

import numpy as np

from sklearn_mm.preprocessing.media import MediaDecoder
from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.storage._content_keys import hash_contents
from sklearn_mm.storage._fetch import fetch

__all__ = ["embed_once", "fetch_from_process", "fetch_from_store", "hash_texts_or_files"]

_VERSION = 1  # of what is kept
_AT_ONCE = 512  # vectors that are made before they are written
_WIDTH = hash_contents([(b"width",)])  # the key of the width of a function's vectors
_of_process = WeakKeyDictionary()  # vectors by key, by functions, and owners of methods, that no other process knows


def hash_texts_or_files(kind, cells):
    """Return one key per cell, V16 (n,): strings of kind "text" are texts; of others paths, whose files count."""
    keys = np.empty(len(cells), dtype="V16")
    is_text = np.array([kind == "text" and isinstance(cell, str) for cell in cells], dtype=bool)
    keys[is_text] = hash_contents((b"text\0", cell.encode(errors="surrogatepass")) for cell in cells[is_text])
    keys[~is_text] = hash_cells(cells[~is_text], MediaDecoder())
    return keys


def embed_once(keys, embed):
    """Return the vectors of cells by their keys, (n, width).

    Parameters
    ----------
    keys : array of shape (n,), dtype V16
        What the cells hold.
    embed : callable
        Called with an array of places in ``keys``; returns their vectors. No key is asked for twice.
    """
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(firsts)  # that of the rows
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return embed(firsts[order])[rank[inverse]]


def fetch_from_process(keys, embed):
    """Do as `embed_once` does, with a `CellFunction`, and keep the vectors as long as its function lives."""
    try:
        known = _of_process.setdefault(getattr(embed.function, "__self__", embed.function), {})
    except TypeError:  # nothing weak can refer to it
        known = {}
    names = [(getattr(embed.function, "__name__", ""), key) for key in keys.tolist()]
    widths = {len(known[name]) for name in names if name in known}
    embed.width = widths.pop() if widths else embed.width

    def embed_unknown(places):
        lacking = [place for place in places if names[place] not in known]
        known.update(zip((names[place] for place in lacking), embed(np.array(lacking, dtype=np.int64)), strict=True))
        return np.array([known[names[place]] for place in places])

    return embed_once(keys, embed_unknown) if names else embed(np.arange(0))


def fetch_from_store(store, mark, keys, embed):
    """Do as `embed_once` does, with a `CellFunction`, from what a store has, and keep there what it lacks.

    Parameters
    ----------
    store : BlockStore
        Where to look, and to keep.
    mark : str
        What tells the function from others, in any process.
    keys : array of shape (n,), dtype V16
        What the cells hold.
    embed : CellFunction
        What makes vectors of those at some places; it learns their width if it does not know it.

    Returns
    -------
    vectors : StoredRows
        One row per key.
    """
    settings = _VERSION, mark
    beginning = {}  # vectors that were made only to learn the width, without which nothing is found in a store

    def make_width(_):
        first = np.sort(np.unique(keys, return_index=True)[1])[: embed.batch_size]
        beginning.update(zip(keys[first].tolist(), embed(first), strict=True))
        return np.array([embed.width]), *np.ones((2, 1), dtype=bool)

    def make(places):
        is_known = np.array([key in beginning for key in keys[places].tolist()], dtype=bool)
        vectors = np.empty((len(places), embed.width), dtype=np.float32)
        vectors[~is_known] = embed(places[~is_known])
        for row in np.flatnonzero(is_known):
            vectors[row] = beginning[keys[places[row]].item()]
        return vectors, *np.ones((2, len(places)), dtype=bool)

    if embed.width is None:
        embed.width = int(np.asarray(fetch(store, "vector-width", settings, np.int64, (), _WIDTH, make_width))[0])
    at_once = embed.batch_size * max(1, _AT_ONCE // embed.batch_size)
    return fetch(store, "vectors", settings, np.float32, (embed.width,), keys, make, at_once)
