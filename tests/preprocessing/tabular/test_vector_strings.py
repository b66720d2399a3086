import json

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mm.preprocessing import TabularTransformer
from sklearn_mm.preprocessing.tabular._vector_strings import parse_vector, vector_length

VECTORS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "write",
    [
        lambda vector: str(vector.tolist()),
        lambda vector: json.dumps(vector.tolist()),
        str,
        repr,
        lambda vector: repr(list(vector)),
        lambda vector: repr(tuple(vector.tolist())),
        lambda vector: repr(torch.tensor(vector)),
        lambda vector: "{" + ",".join(map(str, vector)) + "}",
        lambda vector: f"  [{'  '.join(map(str, vector))}]\n",
    ],
    ids=["list", "json", "array", "repr of array", "numbers of NumPy", "tuple", "tensor", "PostgreSQL", "blanks"],
)
def test_vectors_as_files_of_text_store_them(write):
    X = pd.DataFrame({"embedding": [*map(write, VECTORS), None]})
    transformer = TabularTransformer(kinds={"embedding": "vector"})
    numbers = transformer.fit_transform(X)["numbers"]
    expected = TabularTransformer().fit_transform(pd.DataFrame({"embedding": [*VECTORS, None]}))["numbers"]
    np.testing.assert_allclose(numbers, expected, atol=2e-4)  # str of a tensor has four decimals
    assert vector_length(X["embedding"].to_numpy(dtype=object)) == 3
    again = transformer.transform(pd.DataFrame({"embedding": [write(VECTORS[0]), VECTORS[0]]}))["numbers"]
    np.testing.assert_allclose(again, expected[[0, 0]], atol=2e-4)


def test_missing_elements():
    np.testing.assert_array_equal(parse_vector("[1, None, nan, null]"), [1, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    "string", ["", "[]", "[", "1, 2", "['a', 'b']", "[1, x]", "[[1, 2], [3, 4]]", "[1 ... 2]", "[1)"]
)
def test_what_is_no_vector(string):
    assert parse_vector(string) is None


@pytest.mark.parametrize(
    ("cells", "length"),
    [
        (["[1, 2]"] * 9 + ["[1]"], 2),
        (["[1, 2]"] * 9 + ["none", "?"], 2),
        (["[1, 2]"] * 8 + ["[1]", "[1, 2, 3]"], 0),
        (["[1]"] * 9, 0),
        (["(300)"] * 9, 0),
        (["x"] * 9, 0),
        ([None, 3.5], 0),
        ([], 0),
    ],
)
def test_lengths(cells, length):
    assert vector_length(np.array(cells, dtype=object)) == length


def test_a_string_that_is_no_vector_is_odd():
    X = pd.DataFrame({"e": [str(vector.tolist()) for vector in VECTORS], "n": 1.0})
    transformer = TabularTransformer(kinds={"e": "vector"}).fit(X)
    with pytest.warns(UserWarning, match=r"column 'e': 1 of 2 cells are no vectors \(row 1; first: '\[1 ... 2\]'\)"):
        rows = transformer.transform(pd.DataFrame({"e": [X["e"][0], "[1 ... 2]"], "n": 1.0}))["numbers"]
    assert rows[1].tolist() == [0, 0, 0, 0]


def test_abbreviated_vectors_are_refused():
    X = pd.DataFrame({"e": [str(np.arange(2000.0) + row) for row in range(5)]})
    with pytest.raises(TypeError, match=r"First: 'str' '\[.*', whose elements were left out when it was written"):
        TabularTransformer(kinds={"e": "vector"}).fit(X)
