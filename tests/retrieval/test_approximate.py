"""Approximate indexes: rows come and go, and files of them are caches that are read only as they were written."""

import os
import sys

import numpy as np
import pytest

from sklearn_mm.retrieval import _approximate
from sklearn_mm.retrieval._approximate import APPROXIMATE, ApproximateIndex, import_library
from sklearn_mm.retrieval._search import nearest
from sklearn_mm.retrieval._vectors import Vectors


@pytest.fixture(params=APPROXIMATE)
def library(request):
    pytest.importorskip(request.param)
    return request.param


def clustered(n_rows, seed=0, width=32):
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((20, width))
    vectors = centres[rng.integers(0, 20, n_rows)] + 0.3 * rng.standard_normal((n_rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def recall(found, vectors, queries, searchable):
    exact = nearest(queries, vectors, found[1].shape[1], allowed=searchable)
    assert searchable[found[1]].all()
    np.testing.assert_allclose(found[0][:, 0], exact[0][:, 0], atol=0.05)
    return np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(found[1], exact[1], strict=True)])


def test_follows_rows_that_come_and_go(library):
    index, queries = ApproximateIndex(library), clustered(50, seed=1)
    vectors, searchable = Vectors([clustered(1000)]), np.ones(1000, dtype=bool)
    searchable[:3], vectors.parts[0][:3] = False, np.nan
    assert recall(index.query(queries, vectors, searchable, 10), vectors, queries, searchable) > 0.95
    graph = index._graph
    more, more_searchable = vectors.plus(clustered(500, seed=2)), np.concatenate([searchable, np.ones(500, dtype=bool)])
    more_searchable[np.arange(10, 1500, 7)] = False
    assert recall(index.query(queries, more, more_searchable, 10), more, queries, more_searchable) > 0.95
    assert index._graph is graph
    assert recall(index.query(queries, vectors, searchable, 10), vectors, queries, searchable) > 0.95  # of a copy
    assert index._graph is not graph


def test_says_where_there_are_too_few(library):
    index = ApproximateIndex(library)
    assert index.query(clustered(2), Vectors([clustered(30)]), np.arange(30) < 5, 6) is None


def test_changed_files_are_made_again(library, tmp_path, monkeypatch):
    """Of 60 mutations none reaches the library, which would crash of some."""
    vectors, searchable, queries = Vectors([clustered(300)]), np.ones(300, dtype=bool), clustered(5, seed=1)
    expected = ApproximateIndex(library, str(tmp_path)).query(queries, vectors, searchable, 5)
    (name,) = os.listdir(tmp_path)
    path, rng = tmp_path / name, np.random.default_rng(0)
    content, built = path.read_bytes(), []
    follow = _approximate._Graph.follow
    monkeypatch.setattr(
        _approximate._Graph, "follow", lambda graph, *rows: (built.append(len(graph.parts)), follow(graph, *rows))
    )

    def query():
        built.clear()
        found = ApproximateIndex(library, str(tmp_path)).query(queries, vectors, searchable, 5)
        np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
        return 0 in built  # a graph that had no part yet was filled

    assert not query()
    for number in range(60):
        changed = bytearray(content)
        place = int(rng.integers(len(changed)))
        if number % 3 == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif number % 3 == 1:
            del changed[place:]
        else:
            changed[place:place] = rng.bytes(20)
        path.write_bytes(changed)
        assert query()
        assert os.listdir(tmp_path) == [name]
    assert not query()


def test_files_that_the_library_does_not_take(library, tmp_path):
    """Such as of another version: their checksum holds."""
    vectors, searchable, queries = Vectors([clustered(300)]), np.ones(300, dtype=bool), clustered(5, seed=1)
    expected = ApproximateIndex(library, str(tmp_path)).query(queries, vectors, searchable, 5)
    (path,) = tmp_path.iterdir()
    written = path.read_bytes()
    path.write_bytes(_approximate._checksum(b"other", str(path)) + b"other")
    found = ApproximateIndex(library, str(tmp_path)).query(queries, vectors, searchable, 5)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    assert len(path.read_bytes()) == len(written)


@pytest.mark.parametrize(
    ("library", "way_out"), [("voyager", r"sklearn-mm\[index\]"), ("faiss", "pip install faiss-cpu")]
)
def test_a_missing_library_names_the_way_out(library, way_out, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=way_out):
        import_library(library)
