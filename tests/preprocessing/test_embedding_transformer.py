"""Columns read by a user's function from a list of cells to vectors."""

import copy
import importlib.util
import pickle
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone

from sklearn_mm.preprocessing import EmbeddingTransformer, Ragged, StoredRows, VectorSpec
from sklearn_mm.testing._estimator_checks import yield_transformer_checks


def letters(texts):
    return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float64)


class Embedder:
    """Embeds texts, and notes what it was handed."""

    def __init__(self, width=3):
        self.width = width
        self.calls = []

    def encode(self, texts):
        self.calls.append(list(texts))
        return np.array([[len(str(text)) + i for i in range(self.width)] for text in texts])

    @property
    def cells(self):
        return [cell for call in self.calls for cell in call]


class Client(Embedder):
    """One of which nothing can be said, since it holds what cannot be pickled."""

    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=name)
        for name, check in yield_transformer_checks(
            EmbeddingTransformer(letters), pd.Series(["a cab", "bacca", "ab", "cc"], name="word")
        )
    ],
)
def test_what_every_transformer_owes(check):
    check()


def test_missing_cells_are_zeros_and_are_not_handed_over():
    embedder = Embedder()
    transformer = EmbeddingTransformer(embedder.encode)
    vectors, present = transformer.fit_read(pd.Series(["one", None, " ", np.nan, "four", pd.NA], name="word"))
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[3, 4, 5], [0] * 3, [0] * 3, [0] * 3, [4, 5, 6], [0] * 3])
    assert present.tolist() == [True, False, False, False, True, False]
    assert embedder.cells == ["one", "four"]
    assert transformer.spec_.shape == (3,)
    assert transformer.spec_.name == "word"
    assert not transformer.read([None, ""])[0].any()
    assert embedder.cells == ["one", "four"]


def test_equal_cells_are_embedded_once_in_the_order_of_the_rows():
    embedder = Embedder()
    column = ["bb", "a", "bb", "ccc", "a"]
    vectors = EmbeddingTransformer(embedder.encode).fit_transform(column)
    assert embedder.calls == [["bb", "a", "ccc"]]
    np.testing.assert_array_equal(vectors[:, 0], [2, 1, 2, 3, 1])


def test_texts_that_differ_only_in_how_they_are_written_are_cells_of_their_own():
    embedder = Embedder()
    texts = ["~", "/root", "Café", "Cafe\u0301", "café", " café", "a\ud800"]
    EmbeddingTransformer(embedder.encode).fit(texts)
    assert embedder.cells == texts


def test_cells_are_handed_over_in_lists_of_at_most_batch_size():
    embedder = Embedder()
    column = [f"{i}" for i in range(10)]
    transformer = EmbeddingTransformer(embedder.encode, batch_size=4).fit(column)
    assert list(map(len, embedder.calls)) == [4, 4, 2]
    assert all(type(call) is list for call in embedder.calls)
    np.testing.assert_array_equal(transformer.transform(column[::-1]), transformer.transform(column)[::-1])


@pytest.mark.parametrize(
    "result",
    [
        lambda n: np.ones((n, 2), dtype=np.float16),
        lambda n: torch.ones(n, 2, dtype=torch.bfloat16, requires_grad=True),
        lambda n: [[1, 1]] * n,
        lambda n: [torch.ones(2)] * n,
        lambda n: pd.DataFrame(np.ones((n, 2))),
        lambda n: np.ones((n, 2), dtype=bool),
    ],
    ids=["half", "tensor", "lists", "tensors", "table", "bool"],
)
def test_results_in_other_forms(result):
    vectors = EmbeddingTransformer(lambda cells: result(len(cells))).fit_transform(["a", "b", "c"])
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.ones((3, 2)))


def with_nan(n):
    array = np.ones((n, 2))
    array[1] = np.nan
    return array


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda n: None, r"returned an array of shape \(\)"),
        (lambda n: {"a": 1}, "returned a dict that makes no array of numbers"),
        (lambda n: ["x"] * n, "returned an array of dtype <U1"),
        (lambda n: np.ones((n, 2), dtype=complex), "an array of dtype complex128"),
        (lambda n: np.ones(n), r"an array of shape \(3,\)"),
        (lambda n: np.ones((n, 2, 2)), r"an array of shape \(3, 2, 2\)"),
        (lambda n: np.ones((n, 0)), r"an array of shape \(3, 0\)"),
        (lambda n: np.ones((n - 1, 2)), r"an array of shape \(2, 2\)"),
        (lambda n: [[1, 2]] * (n - 1) + [[1]], "returned a list that makes no array of numbers"),
        (with_nan, r"NaN, infinity or what is too large for float32 in 1 \(row 2\)"),
        (lambda n: np.full((n, 2), 1e39), "too large for float32 in 3 "),
    ],
    ids=["none", "dict", "strings", "complex", "1-D", "3-D", "no-width", "too-few", "ragged", "nan", "too-large"],
)
def test_wrong_results(result, message):
    column = pd.Series(["a", None, "b", "c"], name="word")
    with pytest.raises(ValueError, match=message) as caught:
        EmbeddingTransformer(lambda cells: result(len(cells))).fit(column)
    assert "3 cells of column 'word' (rows 0, 2, 3)" in str(caught.value)
    assert "EmbeddingTransformer needs a function that returns an array" in str(caught.value)


def test_another_width_than_before():
    widths = iter([2, 2, 3])

    def encode(cells):
        return np.ones((len(cells), next(widths)))

    transformer = EmbeddingTransformer(encode, batch_size=1).fit(["a", "b"])
    with pytest.raises(ValueError, match="vectors of width 3, where those before had 2 for 1 cell of the column"):
        transformer.transform(["c"])


def test_an_exception_of_the_function_is_chained():
    def encode(cells):
        raise KeyError("no such word")

    message = r"encode raised KeyError, handed 2 cells of column 'word' \(rows 0, 2\): 'no such word'"
    with pytest.raises(RuntimeError, match=message) as caught:
        EmbeddingTransformer(encode).fit(pd.Series(["a", None, "b"], name="word"))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_fit_that_fails_changes_nothing():
    transformer = EmbeddingTransformer(letters).fit(["a"])
    with pytest.raises(RuntimeError, match="raised AttributeError"):
        transformer.fit([1, 2])
    np.testing.assert_array_equal(transformer.transform(["ab"]), [[1, 1, 0]])


@pytest.mark.parametrize("column", [[], [None, ""]], ids=["empty", "missing"])
def test_nothing_to_learn_from(column):
    with pytest.raises(ValueError, match="needs at least one cell to learn from"):
        EmbeddingTransformer(letters).fit(column)


def test_lists_of_cells():
    embedder = Embedder()
    transformer = EmbeddingTransformer(embedder.encode)
    vectors, present = transformer.fit_read(pd.Series([["a", "bb"], [], "a", [None, "ccc"]], name="words"))
    assert isinstance(vectors, Ragged)
    assert vectors.counts.tolist() == [2, 0, 1, 1]
    np.testing.assert_array_equal(vectors.items[:, 0], [1, 2, 1, 3])
    assert present.tolist() == [True, False, True, True]
    assert embedder.cells == ["a", "bb", "ccc"]
    assert transformer.spec_.pool == "mean"
    with pytest.raises(ValueError, match="fitted on a column without lists"):
        EmbeddingTransformer(letters).fit(["a"]).transform([["a", "b"]])
    EmbeddingTransformer(lambda cells: [[len(cell)] for cell in cells], lists=False).fit([["a", "b"], ["c"]])


calls = []  # what the functions below were handed


def brightness(cells):
    calls.extend(cells)
    pictures = [cell if isinstance(cell, Image.Image) else Image.open(cell) for cell in cells]
    return np.array([[np.asarray(picture).mean()] for picture in pictures])


def test_pictures_are_handed_over_as_they_are(tmp_path):
    calls.clear()
    Image.new("L", (4, 4), 10).save(tmp_path / "dark.png")
    Image.new("L", (4, 4), 200).save(tmp_path / "light.png")
    grey = Image.new("L", (4, 4), 90)
    column = [str(tmp_path / "dark.png"), tmp_path / "light.png", grey, grey.copy(), str(tmp_path / "dark.png")]
    transformer = EmbeddingTransformer(brightness, kind="image")
    np.testing.assert_array_equal(transformer.fit_transform(column)[:, 0], [10, 200, 90, 90, 10])
    assert calls == column[:3]
    assert transformer.spec_.kind == "image"


def test_a_file_that_changed_is_another_cell(tmp_path):
    calls.clear()
    path = str(tmp_path / "picture.png")
    transformer = EmbeddingTransformer(brightness, kind="image", memory=tmp_path / "store")
    for shade in (10, 10, 200):
        if not calls or shade != 10:
            Image.new("L", (4, 4), shade).save(path)
        np.testing.assert_array_equal(transformer.fit_transform([path]), [[shade]])
    assert calls == [path, path]


def noted(texts):
    calls.extend(texts)
    return letters(texts)


def test_memory_keeps_vectors_for_other_tables_and_orders(tmp_path):
    calls.clear()
    column = pd.Series(["ab", "c", None, "ab", "bbb"])
    expected = EmbeddingTransformer(letters).fit_transform(column)
    for batch_size in (2, 256):
        transformer = EmbeddingTransformer(noted, memory=tmp_path, batch_size=batch_size)
        vectors = transformer.fit_transform(column)
        assert isinstance(vectors, StoredRows)
        np.testing.assert_array_equal(vectors, expected)
        np.testing.assert_array_equal(transformer.transform(column[::-1]), expected[::-1])
    assert calls == ["ab", "c", "bbb"]
    np.testing.assert_array_equal(transformer.transform(["ab", "cc"]), letters(["ab", "cc"]))
    assert calls == ["ab", "c", "bbb", "cc"]
    lists = EmbeddingTransformer(noted, memory=tmp_path).fit_transform([["ab", "cc"], ["c"]])
    np.testing.assert_array_equal(np.asarray(lists.items), letters(["ab", "cc", "c"]))
    assert len(calls) == 4


def test_memory_tells_functions_apart(tmp_path):
    def shorter(texts):
        return letters(texts)[:, :2]

    column = ["ab", "c"]
    assert EmbeddingTransformer(letters, memory=tmp_path).fit_transform(column).shape == (2, 3)
    assert EmbeddingTransformer(shorter, memory=tmp_path).fit_transform(column).shape == (2, 2)
    small, large = Embedder(2), Embedder(5)
    assert EmbeddingTransformer(small.encode, memory=tmp_path).fit_transform(column).shape == (2, 2)
    assert EmbeddingTransformer(large.encode, memory=tmp_path).fit_transform(column).shape == (2, 5)


def test_memory_notices_other_weights_of_a_module(tmp_path):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def encode(self, texts):
            return torch.tensor([[float(len(text))] for text in texts]) * self.scale

    model = Model()
    transformer = EmbeddingTransformer(model.encode, memory=tmp_path)
    assert np.asarray(transformer.fit_transform(["abc"])).item() == 3
    with torch.no_grad():
        model.scale.mul_(2)
    assert np.asarray(transformer.fit_transform(["abc"])).item() == 6


def test_memory_knows_a_function_again_by_what_it_does(tmp_path, capsys):
    path = tmp_path / "embedder.py"

    def embed(text):
        """As another process does, to which the function is another object."""
        path.write_text(
            "def encode(texts):\n    print(len(texts))\n    return [[float(len(text))] for text in texts]\n"
        )
        spec = importlib.util.spec_from_file_location("embedder", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        vectors = EmbeddingTransformer(module.encode, memory=tmp_path / "store").fit_transform(text)
        return np.asarray(vectors).ravel().tolist()

    assert embed(["a", "bb", "a"]) == [1, 2, 1]
    assert capsys.readouterr().out == "2\n"
    assert embed(["bb", "a"]) == [2, 1]
    assert capsys.readouterr().out == ""


def test_what_nothing_can_be_said_about_is_kept_in_the_process_alone(tmp_path):
    client = Client()
    for transformer in (EmbeddingTransformer(client.encode, memory=tmp_path / "store") for _ in range(2)):
        vectors = transformer.fit_transform(["a", "bb", None, "a"])
        np.testing.assert_array_equal(vectors[:, 0], [1, 2, 0, 1])
        np.testing.assert_array_equal(transformer.transform(["bb", "ccc"])[:, 0], [2, 3])
        assert not transformer.transform([None]).any()
    assert client.cells == ["a", "bb", "ccc"]
    assert not (tmp_path / "store").exists()


def test_a_function_whose_service_has_another_width_by_now(tmp_path):
    embedder = Embedder(3)
    EmbeddingTransformer(embedder.encode, memory=tmp_path).fit(["a"])
    embedder.width = 4  # unnoticed, as a change behind the address of a service is
    with pytest.raises(ValueError, match="vectors of width 4, where those before had 3"):
        EmbeddingTransformer(embedder.encode, memory=tmp_path).fit(["a", "b"])


def test_objects_that_load_when_they_are_called_stay_the_same():
    class Lazy:
        def encode(self, texts):
            self.loaded = (text for text in texts)  # which nothing can be said about
            return letters(texts)

    lazy = Lazy()
    transformer = EmbeddingTransformer(lazy.encode)
    first = transformer.fit(["a"]).spec_
    assert transformer.fit(["a"]).spec_ == first
    assert first.function.split()[0].endswith("Lazy.encode")
    assert len(first.function.split()) == 2


def test_copies_have_the_same_function():
    client = Client()
    transformer = EmbeddingTransformer(client.encode).fit(["a"])
    for other in (clone(transformer), copy.deepcopy(transformer)):
        assert other.function.__self__ is client
    np.testing.assert_array_equal(copy.deepcopy(transformer).transform(["bb"]), [[2, 3, 4]])


def test_pickles():
    transformer = pickle.loads(pickle.dumps(EmbeddingTransformer(Embedder(2).encode).fit(["a"])))
    np.testing.assert_array_equal(transformer.transform(["bb"]), [[2, 3]])
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(EmbeddingTransformer(lambda cells: letters(cells)).fit(["a"]))


@pytest.mark.parametrize(
    ("name", "value"), [("function", "letters"), ("batch_size", 0), ("lists", "yes"), ("kind", 1), ("memory", 1)]
)
def test_parameters_are_checked(name, value):
    with pytest.raises(ValueError, match=name):
        EmbeddingTransformer(letters).set_params(**{name: value}).fit(["a"])


def test_spec_has_example_rows():
    spec = VectorSpec(kind="text", shape=(3,))
    assert spec.example_rows(4).shape == (4, 3)
    assert spec.example_rows(4).dtype == np.float32
    assert spec.read_with({"tokenizer": "char"}) == spec
