"""The retriever: held to scikit-learn's NearestNeighbors on the embedder's vectors, and to what users may ask of it."""

import copy
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics.pairwise import cosine_distances
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import Normalizer
from sklearn.utils.estimator_checks import (
    check_estimator_repr,
    check_estimator_tags_renamed,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_set_params,
    check_valid_tag_types,
)

from sklearn_mm import ModalityTransformer, MultimodalRetriever
from sklearn_mm.estimators import _indexed_rows, _queries
from sklearn_mm.testing._estimator_checks import yield_estimator_checks


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where pickles look for its classes
    spec.loader.exec_module(module)
    return module


PretrainedPair = load("pretrained_pair").PretrainedPair

pytest.importorskip("transformers")

N_ROWS = 24
WORDS = ["cat", "dog", "snow", "apples", "red", "quiet", "old", "white", "birds", "roof"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 3 + row % 4)) for row in range(N_ROWS)]
    pictures = list(rng.integers(0, 256, (N_ROWS, 32, 32, 3)).astype(np.uint8))
    table = pd.DataFrame({"photo": pictures, "title": texts}, index=[f"row {n}" for n in range(N_ROWS)])
    return table.assign(price=np.arange(N_ROWS) * 1.0)


@pytest.fixture(scope="module")
def pair(tiny_model, rows):
    return PretrainedPair(tiny_model("clip"), image="photo", text="title").fit(rows)


@pytest.fixture
def retriever(pair, rows):
    return MultimodalRetriever(pair, n_neighbors=4).fit(rows)


class Vectors(BaseEstimator):
    """What hands on numbers as they are: stateless, or fitted, or neither."""

    def __init__(self, width=None):
        self.width = width

    def fit(self, X, y=None):
        self.n_fits_ = 1
        return self

    def transform(self, X):
        return np.asarray(X, dtype=np.float64)


def reference(vectors, queries, k):
    return NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(vectors).kneighbors(queries)


def assert_neighbors(found, vectors, queries, k=4):
    distances, positions = found
    expected, _ = reference(vectors, queries, k)
    np.testing.assert_allclose(distances, expected, atol=1e-5)
    np.testing.assert_allclose(
        np.take_along_axis(cosine_distances(queries, vectors), positions, 1), expected, atol=1e-5
    )
    assert all(len(set(row)) == k for row in positions.tolist())


@pytest.mark.parametrize("columns", [["photo"], ["title"], ["title", "photo"], ["photo", "title", "price"]], ids=str)
def test_neighbors_are_those_of_scikit_learn(retriever, pair, rows, columns):
    names = [name for name in ("photo", "title") if name in columns]
    assert_neighbors(retriever.kneighbors(rows[columns]), pair.transform(rows), pair.transform(rows, blocks=names))
    np.testing.assert_array_equal(
        retriever.kneighbors(rows[columns], 2, return_distance=False), retriever.kneighbors(rows[columns])[1][:, :2]
    )


def test_without_queries_no_row_is_its_own_neighbor(retriever, pair, rows):
    doubled = pd.concat([rows, rows.set_axis([f"again {n}" for n in range(N_ROWS)])])
    found = MultimodalRetriever(pair).fit(doubled)
    distances, positions = found.kneighbors(n_neighbors=3)
    expected, _ = (
        NearestNeighbors(n_neighbors=3, metric="cosine", algorithm="brute").fit(pair.transform(doubled)).kneighbors()
    )
    np.testing.assert_allclose(distances, expected, atol=1e-5)
    assert (positions != np.arange(2 * N_ROWS)[:, np.newaxis]).all()
    np.testing.assert_array_equal(positions[:, 0] % N_ROWS, np.arange(2 * N_ROWS) % N_ROWS)
    filtered = found.kneighbors(n_neighbors=3, filter=np.arange(2 * N_ROWS) < 8)[1]
    assert (filtered < 8).all()
    assert (filtered[:8] != np.arange(8)[:, np.newaxis]).all()


def test_queries_of_all_forms_are_one_query(retriever, rows, tmp_path):
    picture, text = rows["photo"].iloc[3], rows["title"].iloc[3]
    Image.fromarray(picture).save(tmp_path / "picture.png")
    encoded = (tmp_path / "picture.png").read_bytes()
    for forms, column in (
        ([text, {"title": text}, {"text": text}, pd.Series({"title": text}), [text]], "title"),
        (
            [
                *(picture, Image.fromarray(picture), tmp_path / "picture.png", str(tmp_path / "picture.png"), encoded),
                *({"photo": picture}, {"image": picture}, {"image": picture, "title": None}, [picture]),
            ],
            "photo",
        ),
        ([{"photo": picture, "title": text}, {"image": picture, "text": text}, rows.iloc[3]], ["photo", "title"]),
    ):
        expected = retriever.kneighbors(rows[[column] if isinstance(column, str) else column].iloc[[3]])
        for form in forms:
            for one, other in zip(retriever.kneighbors(form), expected, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_list_is_several_queries_of_any_form(retriever, rows):
    queries = [rows["title"].iloc[0], rows["photo"].iloc[1], {"image": rows["photo"].iloc[2], "text": "white snow"}]
    distances, positions = retriever.kneighbors(queries)
    for number, query in enumerate(queries):
        np.testing.assert_array_equal(positions[number], retriever.kneighbors(query)[1][0])
        np.testing.assert_allclose(distances[number], retriever.kneighbors(query)[0][0], atol=1e-6)


def test_weights_add_vectors_of_blocks(retriever, pair, rows):
    vectors = pair.transform(rows)
    parts = {name: pair.transform(rows, blocks=[name]) for name in ("photo", "title")}
    found = retriever.kneighbors(rows, weights={"image": 0.2})
    assert_neighbors(found, vectors, 0.2 * parts["photo"] + parts["title"])
    found = retriever.kneighbors(rows, weights={"photo": 3, "title": -1})
    assert_neighbors(found, vectors, 3 * parts["photo"] - parts["title"])
    lacking = rows.copy()
    lacking.loc["row 2", "photo"] = None
    found = retriever.kneighbors(lacking.iloc[[2]], weights={"photo": 3})
    assert_neighbors(found, vectors, parts["title"][[2]])
    with pytest.raises(ValueError, match="cancel out"):
        retriever.kneighbors(rows, weights={"photo": 0, "title": 0})
    with pytest.raises(ValueError, match=r"no block or kind 'titel'.*Did you mean 'title'"):
        retriever.kneighbors(rows, weights={"titel": 1})
    for odd in (np.inf, "big", None):
        with pytest.raises(ValueError, match="weights must be finite numbers"):
            retriever.kneighbors(rows, weights={"title": odd})
    with pytest.raises(TypeError, match="weights must be a dict"):
        retriever.kneighbors(rows, weights=[1, 2])


def test_search_gives_rows_with_labels_and_scores(retriever, rows):
    found = retriever.search(rows["title"].iloc[5], 3)
    distances, positions = retriever.kneighbors(rows["title"].iloc[5], 3)
    pd.testing.assert_frame_equal(found.drop(columns="score"), rows.iloc[positions[0]])
    np.testing.assert_allclose(found["score"], 1 - distances[0])
    assert found.columns[0] == "score"
    assert len(retriever.search("snow")) == 4
    with pytest.raises(ValueError, match="takes one query, got 2"):
        retriever.search(["snow", "cats"])


def test_a_column_called_score_stays(pair, rows):
    found = MultimodalRetriever(pair).fit(rows.rename(columns={"price": "score"})).search("snow")
    assert list(found.columns) == ["_score", "photo", "title", "score"]


def test_rows_are_indexed_by_chosen_blocks(pair, rows):
    for blocks in ("image", ["photo"]):
        retriever = MultimodalRetriever(pair, blocks=blocks).fit(rows)
        assert_neighbors(
            retriever.kneighbors(rows[["title"]], 4),
            pair.transform(rows, blocks=["photo"]),
            pair.transform(rows, blocks=["title"]),
        )
    only = MultimodalRetriever(pair).fit(rows[["photo"]])
    np.testing.assert_allclose(only.vectors_[:], retriever.vectors_[:], atol=1e-6)


@pytest.mark.parametrize("form", ["mask", "series", "list", "callable"])
def test_a_filter_acts_before_ranking(retriever, pair, rows, form):
    mask = (rows["price"] % 3 == 1) & (rows["price"] > 5)
    given = {
        "mask": mask.to_numpy(),
        "series": mask,
        "list": mask.tolist(),
        "callable": lambda table: mask[table.index],
    }
    kept = np.flatnonzero(mask)
    distances, positions = retriever.kneighbors(rows[["title"]], filter=given[form])
    assert set(positions.ravel()) <= set(kept)
    places = np.searchsorted(kept, positions)
    assert_neighbors((distances, places), pair.transform(rows)[kept], pair.transform(rows, blocks=["title"]))
    assert retriever.search("snow", len(kept), filter=given[form])["price"].isin(rows["price"][mask]).all()


def test_filters_that_are_none(retriever, rows):
    for odd in (np.ones(N_ROWS), np.ones(3, dtype=bool), lambda table: table["price"]):
        with pytest.raises(ValueError, match="a boolean for each of the 24 rows"):
            retriever.kneighbors("snow", filter=odd)
    with pytest.raises(ValueError, match="labels of the filter"):
        retriever.kneighbors("snow", filter=pd.Series(True, index=rows.index[::-1]))
    with pytest.raises(ValueError, match="only 0 rows to find that the filter leaves, of 24"):
        retriever.kneighbors("snow", filter=np.zeros(N_ROWS, dtype=bool))


@pytest.mark.parametrize("in_files", [False, True])
def test_rows_come_and_go_by_label(pair, rows, in_files, tmp_path, monkeypatch):
    retriever = MultimodalRetriever(pair, n_neighbors=4, folder=tmp_path if in_files else None).fit(rows[:10])
    n_embedded, transform = [], PretrainedPair.transform
    monkeypatch.setattr(
        PretrainedPair,
        "transform",
        lambda self, X, **names: (n_embedded.append(len(X)), transform(self, X, **names))[1],
    )
    assert retriever.partial_fit(rows[10:]) is retriever
    assert n_embedded == [14]
    assert retriever.remove(["row 3", "row 17"]).remove("row 0") is retriever
    assert n_embedded == [14]
    left = rows.drop(index=["row 0", "row 3", "row 17"])
    pd.testing.assert_frame_equal(retriever.table_, left)
    vectors, queries = transform(pair, left), transform(pair, rows, blocks=["title"])
    atol = 2e-3 if in_files else 1e-5
    distances, positions = retriever.kneighbors(rows[["title"]])
    np.testing.assert_allclose(distances, reference(vectors, queries, 4)[0], atol=atol)
    np.testing.assert_allclose(
        np.take_along_axis(cosine_distances(queries, vectors), positions, 1), distances, atol=atol
    )
    expected = NearestNeighbors(n_neighbors=3, metric="cosine", algorithm="brute").fit(vectors).kneighbors()[0]
    np.testing.assert_allclose(retriever.kneighbors(n_neighbors=3)[0], expected, atol=atol)
    retriever.partial_fit(rows.loc[["row 3"]])
    assert retriever.search(rows.loc["row 3"], 1).index.tolist() == ["row 3"]
    with pytest.raises(ValueError, match="labels already: 'row 3', 'row 5'"):
        retriever.partial_fit(rows.loc[["row 3", "row 5"]])
    with pytest.raises(KeyError, match="'row 0', 'nobody'"):
        retriever.remove(["row 1", "row 0", "nobody"])
    assert "row 1" in retriever.table_.index


def test_labels_and_columns_that_the_user_changes_afterwards(pair, rows):
    X = rows.copy()
    retriever = MultimodalRetriever(pair).fit(X)
    X.index, X["title"] = range(N_ROWS), "other"
    pd.testing.assert_frame_equal(retriever.table_, rows)
    with pytest.raises(NotFittedError):
        MultimodalRetriever(pair).table_  # noqa: B018


def test_rows_without_labels_are_numbered_on(pair, rows):
    polars = pytest.importorskip("polars")
    table = polars.DataFrame({"title": rows["title"].tolist()})
    retriever = MultimodalRetriever(pair).fit(table[:5]).remove(4).partial_fit(table[5:8])
    assert retriever.table_.index.tolist() == [0, 1, 2, 3, 5, 6, 7]
    assert retriever.search(rows["title"].iloc[6], 1).index.tolist() == [6]
    np.testing.assert_array_equal(
        retriever.kneighbors(table[:3], 2)[1], retriever.kneighbors(rows[["title"]][:3], 2)[1]
    )


def test_labels_that_are_not_unique(pair, rows):
    with pytest.raises(ValueError, match=r"labels 'row 0'.*reset_index"):
        MultimodalRetriever(pair).fit(pd.concat([rows, rows[:1]]))


def test_asked_for_more_than_there_is(retriever, rows):
    with pytest.raises(ValueError, match="n_neighbors=25, and there are only 24 rows"):
        retriever.kneighbors("snow", 25)
    with pytest.raises(ValueError, match="n_neighbors=24, and there are only 23 rows"):
        retriever.kneighbors(n_neighbors=24)
    for odd in (0, 1.5, -3, True, "5"):
        with pytest.raises(ValueError, match="at least 1"):
            retriever.kneighbors("snow", odd)
    retriever.remove(rows.index[2:])
    with pytest.raises(ValueError, match="only 2 rows"):
        retriever.kneighbors("snow")
    retriever.remove(rows.index[:2])
    for ask in (lambda: retriever.kneighbors("snow", 1), lambda: retriever.search("snow"), retriever.kneighbors):
        with pytest.raises(ValueError, match=r"no rows left.*partial_fit"):
            ask()
    assert len(retriever.find_duplicates()) == 0
    assert retriever.partial_fit(rows).search(rows["title"].iloc[0], 1).shape == (1, 4)


def test_rows_with_nothing_in_them_are_never_found(pair, rows):
    lacking = rows.astype(object)
    lacking.loc["row 3", ["photo", "title"]] = None
    retriever = MultimodalRetriever(pair).fit(lacking)
    assert retriever.table_.shape == rows.shape
    assert 3 not in retriever.kneighbors(rows, 23, return_distance=False)
    with pytest.raises(ValueError, match=r"only 23 rows to find, of 24 \(1 more have nothing"):
        retriever.kneighbors("snow", 24)
    with pytest.raises(ValueError, match=r"1 have nothing to compare \(row 3\)"):
        retriever.kneighbors()
    assert len(retriever.find_duplicates(-0.999)) == 23 * 22 / 2


def test_queries_with_nothing_in_them(retriever, rows):
    lacking = rows.astype(object)
    lacking.iloc[[2, 7], :2] = None
    with pytest.raises(ValueError, match=r"nothing to compare in 2 of 24 queries \(rows 2, 7\)"):
        retriever.kneighbors(lacking)
    for nothing in ("", "  ", {"title": None}, {}, [{}], [{"title": "snow"}, {"title": None}], []):
        with pytest.raises(ValueError, match=r"nothing to compare|empty list"):
            retriever.kneighbors(nothing)
    with pytest.raises(ValueError, match="none of its blocks"):
        retriever.kneighbors(rows[["price"]])
    with pytest.raises(ValueError, match="no block or kind 'colour'"):
        retriever.kneighbors({"colour": "red"})


def test_queries_of_a_kind_that_is_not_read(pair, tiny_model, rows):
    texts = PretrainedPair(tiny_model("sentence_bert"), text="title").fit(rows[["title"]])
    retriever = MultimodalRetriever(texts).fit(rows[["title"]])
    assert retriever.search("photo.png", 1).shape == (1, 2)  # where no pictures are read, a text
    with pytest.raises(ValueError, match="no such block: it has 'title' of kind 'text'"):
        retriever.kneighbors(rows["photo"].iloc[0])
    pictures = PretrainedPair(tiny_model("clip"), image="photo", text=None).fit(rows[["photo"]])
    retriever = MultimodalRetriever(pictures).fit(rows[["photo"]])
    with pytest.raises(ValueError, match=r"'white snow' for one of kind 'text', .* it has 'photo' of kind 'image'"):
        retriever.search("white snow")
    with pytest.raises(ValueError, match=r"snow.png': no such file"):
        retriever.search("snow.png")


def test_arrays_of_queries(retriever, rows):
    for column, form in (("photo", np.stack), ("title", np.array), ("title", lambda texts: np.array(texts, object))):
        queries = rows[column].tolist()
        for one, other in zip(retriever.kneighbors(form(queries)), retriever.kneighbors(queries), strict=True):
            np.testing.assert_array_equal(one, other)


def test_queries_that_are_none(retriever, rows):
    for nothing in (None, np.nan, pd.NA, [None], {"title": pd.NA}):
        with pytest.raises(ValueError, match="nothing to compare"):
            retriever.search(nothing)
    for number in (3, 2.5, ["snow", 4]):
        with pytest.raises(TypeError, match="got the number"):
            retriever.kneighbors(number)
    with pytest.raises(ValueError, match=r"for one row, and its index has none of .*'photo', 'title'.*to_frame"):
        retriever.kneighbors(rows["title"])
    assert retriever.kneighbors(rows["title"].to_frame())[1].shape == (N_ROWS, 4)


def test_labels_of_any_form(retriever, rows):
    with pytest.raises(KeyError, match=r"labels False, .*table_.index\[mask\]"):
        retriever.remove(rows["price"] > 3)
    with pytest.raises(TypeError, match=r"got a DataFrame. Hand in its index"):
        retriever.remove(rows[:2])
    retriever.remove({"row 1", "row 2"}).remove(rows.index[3:5]).remove([])
    assert retriever.table_.index.equals(rows.index.drop(["row 1", "row 2", "row 3", "row 4"]))
    tuples = pd.MultiIndex.from_product([["a", "b"], range(N_ROWS // 2)])
    by_pairs = MultimodalRetriever(retriever.embedder_).fit(rows.set_axis(tuples)).remove([("a", 1), ("b", 0)])
    assert len(by_pairs.table_) == N_ROWS - 2
    assert ("b", 0) not in by_pairs.table_.index


def test_rows_of_which_none_is_a_bank(pair, rows):
    empty = rows[:3].assign(photo=None, title=None)
    with pytest.raises(ValueError, match=r"none of 3 rows has anything in it. Pass some: fit\(X, queries"):
        MultimodalRetriever(pair, rescale="csls").fit(empty)
    with pytest.raises(ValueError, match=r"only 0 rows to find, of 3 \(3 more have nothing"):
        MultimodalRetriever(pair, rescale="csls").fit(empty, queries=["snow", "dog"]).search("snow", 1)
    for rescale in ("csls", "inverted_softmax"):
        assert MultimodalRetriever(pair, rescale=rescale).fit(rows[:1]).search("snow", 1).index == ["row 0"]


def test_folders_that_cannot_be_used(pair, rows, tmp_path):
    (tmp_path / "file").write_text("here already")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=r"cannot be kept in the folder .*file.*Give one that can be written to"):
            MultimodalRetriever(pair, folder=folder).fit(rows)


def test_a_folder_of_two_that_goes(pair, rows, tmp_path):
    folder = tmp_path / "vectors"
    whole, half = (MultimodalRetriever(pair, folder=folder).fit(some) for some in (rows, rows[:12]))
    assert len(list(folder.iterdir())) == 2
    expected, content = whole.kneighbors(rows), pickle.dumps(whole)
    assert half.kneighbors(rows)[1].max() < 12
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"vectors-.*cannot be read .*Put the file back, or fit again"):
        whole.search("snow")
    twin = pickle.loads(content)
    np.testing.assert_array_equal(twin.kneighbors(rows)[1], expected[1])
    twin.partial_fit(rows.set_axis([f"again {n}" for n in range(N_ROWS)]))  # makes the folder again
    assert twin.kneighbors(rows, 1)[0].max() < 1e-3
    (tmp_path / "elsewhere").joinpath(Path(whole.vectors_.parts[0].path).name).rename(whole.vectors_.parts[0].path)
    np.testing.assert_array_equal(whole.kneighbors(rows)[1], expected[1])


def test_odd_vectors_of_an_embedder():
    X = np.eye(6)
    retriever = MultimodalRetriever(Vectors(), n_neighbors=2).fit(X)
    for odd in (np.nan, np.inf):
        changed = X.copy()
        changed[4, 1] = odd
        with pytest.raises(ValueError, match=r"NaN or infinity within the vectors of 1 of 6 rows \(row 4\)"):
            retriever.kneighbors(changed)
        with pytest.raises(ValueError, match="NaN or infinity"):
            MultimodalRetriever(Vectors()).fit(changed)
    with pytest.raises(TypeError, match="Hand in a table"):
        retriever.kneighbors("snow")
    with pytest.raises(TypeError, match="cannot weight"):
        retriever.kneighbors(X, weights={"text": 1})


def test_fitted_embedders_are_used_and_others_are_cloned(pair, rows, tiny_model):
    assert MultimodalRetriever(pair).fit(rows).embedder_ is pair
    unfitted = clone(pair)
    retriever = MultimodalRetriever(unfitted).fit(rows)
    assert retriever.embedder_ is not unfitted
    assert not hasattr(unfitted, "specs_")
    np.testing.assert_allclose(retriever.vectors_[:], MultimodalRetriever(pair).fit(rows).vectors_[:], atol=1e-6)
    copied = clone(MultimodalRetriever(pair))
    assert not hasattr(copied.embedder, "specs_")  # as scikit-learn's clone does
    frozen = clone(MultimodalRetriever(FrozenEstimator(pair))).fit(rows)
    assert frozen.embedder_.estimator is pair
    np.testing.assert_array_equal(frozen.kneighbors("snow")[1], retriever.kneighbors("snow")[1])


@pytest.mark.parametrize("in_files", [False, True])
def test_copies_and_pickles(pair, rows, in_files, tmp_path):
    retriever = MultimodalRetriever(pair, folder=tmp_path if in_files else None, rescale="csls").fit(rows[:20])
    content, expected = pickle.dumps(retriever), retriever.kneighbors(rows)
    for file in tmp_path.iterdir():
        file.unlink()  # vectors travel
    twin = pickle.loads(content)
    for one, other in zip(twin.kneighbors(rows), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(twin.table_, retriever.table_)
    twin.partial_fit(rows[20:])
    other = copy.copy(twin).remove("row 1")
    assert (len(twin.table_), len(other.table_)) == (N_ROWS, N_ROWS - 1)
    assert 1 in twin.kneighbors(rows, N_ROWS, return_distance=False)


def test_processes(tmp_path):
    X = np.random.default_rng(0).standard_normal((30, 5))
    retriever = MultimodalRetriever(Normalizer(), folder=tmp_path).fit(X)
    expected = retriever.kneighbors(X)[1]
    for found in joblib.Parallel(2)(joblib.delayed(retriever.kneighbors)(X) for _ in range(2)):
        np.testing.assert_array_equal(found[1], expected)


def test_a_fit_that_fails_changes_nothing(retriever, rows, monkeypatch):
    before = retriever.kneighbors(rows)
    with pytest.raises(ValueError):
        retriever.partial_fit(rows[:1])
    monkeypatch.setattr(PretrainedPair, "transform", lambda *_, **__: np.ones((3, 2, 2)))
    for method in (retriever.fit, lambda X: retriever.partial_fit(X.set_axis([f"new {n}" for n in range(N_ROWS)]))):
        with pytest.raises(ValueError, match="one vector of numbers for each row"):
            method(rows)
    monkeypatch.undo()
    for one, other in zip(retriever.kneighbors(rows), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_files_hold_float16_and_are_read_by_slices(pair, rows, tmp_path):
    retriever = MultimodalRetriever(pair, n_neighbors=4, folder=tmp_path).fit(rows)
    (file,) = tmp_path.glob("vectors-*.safetensors")
    assert retriever.vectors_[:].dtype == np.float16
    distances, _ = retriever.kneighbors(rows)
    np.testing.assert_allclose(distances, reference(pair.transform(rows), pair.transform(rows), 4)[0], atol=2e-3)
    content = bytearray(file.read_bytes())
    content[500] ^= 4
    file.write_bytes(content)
    with pytest.raises(ValueError, match="was changed or cut"):
        retriever.kneighbors(rows)


@pytest.mark.parametrize("algorithm", ["voyager", "faiss"])
def test_approximate_index(algorithm, pair, rows, tmp_path, monkeypatch):
    pytest.importorskip(algorithm)
    monkeypatch.setattr(_indexed_rows, "_SEARCHED_EXACTLY", 10)
    exact = MultimodalRetriever(pair, n_neighbors=4).fit(rows[:20])
    retriever = MultimodalRetriever(pair, n_neighbors=4, algorithm=algorithm, folder=tmp_path).fit(rows[:20])
    assert len(list(tmp_path.glob(f"{algorithm}-*.index"))) == 1
    monkeypatch.setattr(_indexed_rows, "nearest", None)  # not exactly
    twin = pickle.loads(pickle.dumps(retriever))
    before = retriever.kneighbors(rows)
    np.testing.assert_allclose(twin.kneighbors(rows)[0], before[0], atol=2e-3)
    monkeypatch.undo()
    np.testing.assert_allclose(before[0], exact.kneighbors(rows)[0], atol=2e-3)
    monkeypatch.setattr(_indexed_rows, "_SEARCHED_EXACTLY", 10)
    for one in (retriever, exact):
        one.partial_fit(rows[20:]).remove(["row 2", "row 22"])
    np.testing.assert_allclose(retriever.kneighbors(rows)[0], exact.kneighbors(rows)[0], atol=2e-3)
    np.testing.assert_allclose(retriever.kneighbors()[0], exact.kneighbors()[0], atol=2e-3)
    mask = np.arange(22) % 2 == 0
    np.testing.assert_allclose(
        retriever.kneighbors(rows, filter=mask)[0], exact.kneighbors(rows, filter=mask)[0], atol=2e-3
    )
    with pytest.raises(ValueError, match="only 22 rows"):
        retriever.kneighbors(rows, 23)
    assert retriever.kneighbors(rows, 22)[1].shape == (N_ROWS, 22)


MUTATIONS = """
import pickle, sys
from pathlib import Path
import numpy as np
from sklearn.preprocessing import Normalizer
from sklearn_mm import MultimodalRetriever
from sklearn_mm.estimators import _indexed_rows

algorithm, folder = sys.argv[1], Path(sys.argv[2])
_indexed_rows._SEARCHED_EXACTLY = 10
rng = np.random.default_rng(0)
X = rng.standard_normal((200, 8))
MultimodalRetriever(Normalizer(), algorithm=algorithm, folder=folder).fit(X[:90])
(another,) = folder.glob("*.index")
other = another.read_bytes()
another.unlink()
retriever = MultimodalRetriever(Normalizer(), algorithm=algorithm, folder=folder).fit(X)
(file,) = folder.glob("*.index")
content, state = file.read_bytes(), pickle.dumps(retriever)
distances, positions = MultimodalRetriever(Normalizer()).fit(X).kneighbors(X)
_indexed_rows.nearest = None  # the index is what answers
for number in range(60):
    changed = bytearray(content)
    place = int(rng.integers(len(changed)))
    if number % 6 == 0:
        for place in rng.integers(len(changed), size=1 + number):
            changed[place] ^= 1 << int(rng.integers(8))
    elif number % 6 == 1:
        del changed[place:]
    elif number % 6 == 2:
        changed[place:place] = rng.bytes(20)
    elif number % 6 == 3:
        changed = rng.bytes(number * 50)  # first of all, nothing
    elif number % 6 == 4:
        changed = other
    else:
        changed[32:] = other[32:]  # another index under this checksum
    file.write_bytes(changed)
    found = pickle.loads(state).kneighbors(X)
    np.testing.assert_allclose(found[0], distances, atol=2e-3)
    assert (found[1] == positions).mean() > 0.97
    assert file.read_bytes() != changed
print("whole")
"""


@pytest.mark.parametrize("algorithm", ["voyager", "faiss"])
def test_of_changed_index_files_none_ends_the_process(algorithm, tmp_path):
    pytest.importorskip(algorithm)
    done = subprocess.run([sys.executable, "-c", MUTATIONS, algorithm, tmp_path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr


@pytest.mark.parametrize("rescale", ["csls", "inverted_softmax"])
def test_rescaling_uses_the_bank_and_no_other_queries(rescale, pair, rows):
    retriever = MultimodalRetriever(pair, blocks="image", rescale=rescale).fit(rows, queries=rows[["title"]][:12])
    plain = MultimodalRetriever(pair, blocks="image").fit(rows)
    assert retriever.bank_.shape[0] == 12
    similarities = pair.transform(rows, blocks=["title"]) @ pair.transform(rows, blocks=["photo"]).T
    if rescale == "csls":
        expected = np.sort(similarities[:12], axis=0)[-10:].mean(0) / 2
    else:
        expected = 0.05 * np.log(np.exp(similarities[:12] / 0.05).mean(0))
    distances, positions = retriever.kneighbors(rows[["title"]], N_ROWS)
    whole = np.sort(1 - (similarities - expected), axis=1)
    np.testing.assert_allclose(distances, whole, atol=1e-4)
    for row in range(0, N_ROWS, 5):
        np.testing.assert_array_equal(retriever.kneighbors(rows["title"].iloc[row], N_ROWS)[1][0], positions[row])
    assert (positions != plain.kneighbors(rows[["title"]], N_ROWS)[1]).any()
    by_itself = MultimodalRetriever(pair, rescale=rescale).fit(rows[:20]).partial_fit(rows[20:])
    assert by_itself.bank_.shape[0] == 20
    assert by_itself.offsets_.shape == (N_ROWS,)
    assert by_itself.kneighbors(rows[["title"]])[1].shape == (N_ROWS, 5)


def test_duplicates(pair, rows):
    again = rows.iloc[[4, 9]].set_axis(["copy of 4", "copy of 9"])
    retriever = MultimodalRetriever(pair).fit(pd.concat([rows, again])).remove("row 9")
    pairs = retriever.find_duplicates(0.9999)
    assert list(pairs.columns) == ["first", "second", "similarity"]
    assert ["row 4", "copy of 4"] in pairs[["first", "second"]].values.tolist()
    assert "row 9" not in set(pairs["first"]) | set(pairs["second"])
    vectors = pair.transform(retriever.table_)
    expected = np.triu(vectors @ vectors.T, 1) >= 0.98
    found = retriever.find_duplicates(0.98)
    places = [retriever.table_.index.get_indexer(found[side]) for side in ("first", "second")]
    assert abs(len(found) - expected.sum()) <= 1
    assert expected[places[0], places[1]].mean() > 0.95
    assert found["similarity"].is_monotonic_decreasing
    for odd in (95, "0.9", np.nan, -1):
        with pytest.raises(ValueError, match="threshold must be a cosine"):
            retriever.find_duplicates(odd)


def test_tables_by_position_and_blocks(tiny_model, rows):
    array = rows[["photo", "title"]].to_numpy(dtype=object)
    pair = PretrainedPair(tiny_model("clip"), image=0, text=1).fit(array)
    retriever = MultimodalRetriever(pair).fit(array)
    assert retriever.kneighbors(array[:3], 1)[1].ravel().tolist() == [0, 1, 2]
    np.testing.assert_array_equal(retriever.kneighbors([rows["title"].iloc[1]])[1].shape, (1, 5))
    transformer = ModalityTransformer(image="photo", text=None, tabular=None).fit(rows)
    assert transformer.transform(rows).select(["photo"])["photo"].shape[0] == N_ROWS


def test_many_rows_are_embedded_in_parts(monkeypatch):
    X, seen = np.random.default_rng(0).standard_normal((50, 4)), []
    monkeypatch.setattr(_queries, "_EMBEDDED_AT_ONCE", 8)
    monkeypatch.setattr(_indexed_rows, "_READ_AT_ONCE", 8)
    monkeypatch.setattr(Vectors, "transform", lambda self, X: (seen.append(len(X)), np.asarray(X))[1])
    retriever = MultimodalRetriever(Vectors()).fit(X)
    assert seen == [8] * 6 + [2]
    assert_neighbors(retriever.kneighbors(X, 3), X, X, 3)
    expected = NearestNeighbors(n_neighbors=3, metric="cosine", algorithm="brute").fit(X).kneighbors()[0]
    np.testing.assert_allclose(retriever.kneighbors(n_neighbors=3)[0], expected, atol=1e-5)


def test_score_is_the_embedders(rows):
    class Scored(Vectors):
        def score(self, X, y=None):
            return 0.25

    assert MultimodalRetriever(Scored()).fit(np.eye(3)).score(np.eye(3)) == 0.25
    with pytest.raises(AttributeError, match="what its embedder scores, and Normalizer has no score"):
        MultimodalRetriever(Normalizer()).fit(np.eye(3)).score(np.eye(3))


def test_bad_parameters(pair, rows):
    for name, value in {"n_neighbors": 0, "algorithm": "annoy", "rescale": "z", "folder": 3, "embedder": 4}.items():
        with pytest.raises(ValueError, match=name):
            MultimodalRetriever(pair).set_params(**{name: value}).fit(rows)
    with pytest.raises(ValueError, match="no block or kind 'audio'"):
        MultimodalRetriever(pair, blocks="audio").fit(rows)


@pytest.mark.parametrize(
    "check",
    [
        check_estimator_repr,
        check_estimator_tags_renamed,
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_set_params,
        check_valid_tag_types,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learns_checks(check):
    check("MultimodalRetriever", MultimodalRetriever())


class Similarities(MultimodalRetriever):
    """Similarities to all indexed rows."""

    def predict(self, X):
        order = np.argsort(self.kneighbors(X, len(self.table_))[1], axis=1)
        return 1 - np.take_along_axis(self.kneighbors(X, len(self.table_))[0], order, 1)


PAIR_CHECKS = [name for name, _ in yield_estimator_checks(MultimodalRetriever(), None, None)]


@pytest.mark.parametrize("check", PAIR_CHECKS)
def test_shared_checks_of_a_pair_that_is_not_trained(check, tiny_model, rows):
    estimator = MultimodalRetriever(PretrainedPair(tiny_model("clip"), image="photo", text="title"))
    dict(yield_estimator_checks(estimator, rows[["photo", "title"]], None))[check]()


def test_queries_change_nothing_and_do_not_depend_on_each_other(pair, rows):
    retriever = Similarities(pair, rescale="csls").fit(rows)
    before, whole = pickle.dumps(retriever), retriever.predict(rows)
    order = np.random.default_rng(0).permutation(N_ROWS)
    np.testing.assert_allclose(retriever.predict(rows.iloc[order]), whole[order], atol=1e-5)
    np.testing.assert_allclose(retriever.predict(rows.iloc[:1]), whole[:1], atol=1e-5)
    np.testing.assert_allclose(retriever.predict(rows[rows.columns[::-1]].assign(other=1)), whole, atol=1e-5)
    retriever.find_duplicates()
    assert pickle.dumps(retriever) == before
