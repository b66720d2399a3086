import numpy as np
import pandas as pd
import pytest

from sklearn_mm.estimators._prompts import fill_templates, name_classes


@pytest.mark.parametrize(
    ("labels", "y", "classes", "names"),
    [
        (None, ["dog", "cat", "dog"], ["cat", "dog"], [["cat"], ["dog"]]),
        (None, pd.Series(["dog", "cat"], dtype="category"), ["cat", "dog"], [["cat"], ["dog"]]),
        (["dog", "cat"], None, ["cat", "dog"], [["cat"], ["dog"]]),
        ({"dog", "cat"}, None, ["cat", "dog"], [["cat"], ["dog"]]),
        (["dog", "cat", "owl"], ["cat"], ["cat", "dog", "owl"], [["cat"], ["dog"], ["owl"]]),
        ({1: "dog", 0: ["cat", "kitten"]}, [1, 1, 0], [0, 1], [["cat", "kitten"], ["dog"]]),
        ({1: "dog", 0: "cat"}, [2.5, 7.0], [0, 1], [["cat"], ["dog"]]),
        ({True: "good", False: "bad"}, np.array([True]), [False, True], [["bad"], ["good"]]),
        ({"neg": "a bad film", "pos": "a good film"}, ["pos"], ["neg", "pos"], [["a bad film"], ["a good film"]]),
    ],
)
def test_classes_are_sorted_and_named(labels, y, classes, names):
    found, called = name_classes(labels, y, "Who")
    assert found.tolist() == classes
    assert called == names


@pytest.mark.parametrize(
    ("labels", "y", "message"),
    [
        (None, None, r"Who needs class labels: pass y to fit, or labels=\[\.\.\.\]"),
        (None, [[1, 0]], r"y must be 1-D, got 2 dimensions"),
        (None, ["cat", None], r"cannot encode the label None, which is a missing value"),
        (None, ["cat", np.nan], r"cannot encode the label nan, which is a missing value"),
        (None, ["cat", "  "], r"cannot encode the label '  ': its text is empty. .*labels=\{'  ': \"\.\.\.\""),
        (None, [1, 0], r"cannot encode the label 0: 0 is not a text. .*labels=\{0: \"\.\.\.\""),
        ({0: "cat", 1: None}, None, r"cannot encode the label 1: None is not a text"),
        ({0: "cat", 1: []}, None, r"cannot encode the label 1: its text is empty"),
        ({0: "cat", 1: ["dog", ""]}, None, r"cannot encode the label 1: its text is empty"),
        (["cat", 3], None, r"texts and others that are not, such as 'cat' and 3"),
        (["cat"], None, r"at least two classes to tell apart, got \['cat'\]"),
        (["cat", "dog"], ["cat", "owl", "cow"], r"but not 'cow', 'owl'\. Add these"),
        ({0: "cat", 1: "dog"}, [0, 2], r"but not 2\. Add these"),
    ],
)
def test_a_label_that_cannot_be_encoded_is_named(labels, y, message):
    with pytest.raises(ValueError, match=message):
        name_classes(labels, y, "Who")


@pytest.mark.parametrize(
    ("templates", "texts"),
    [
        ("{}", ["cat"]),
        ("a {}, {{ {}", ["a cat, {{ cat"]),
        (str.upper, ["CAT"]),
        (["{}", str.upper, "the {}"], ["cat", "CAT", "the cat"]),
    ],
)
def test_templates(templates, texts):
    assert fill_templates(templates, np.array(["c"]), [["cat"]], "Who") == [texts]


def test_each_name_goes_into_each_template():
    names = [["cat", "kitten"], ["{}"]]
    texts = fill_templates(["a {}", "{}!"], np.array([0, 1]), names, "Who")
    assert texts == [["a cat", "cat!", "a kitten", "kitten!"], ["a {}", "{}!"]]


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ("a photo", r"Who: 'a photo' in `prompt_templates` has no place for the label. Write \{\}"),
        (["{}", "a {label}"], "'a {label}' in `prompt_templates` has no place"),
        (["{}", 3], "3 in `prompt_templates` has no place"),
        ([], "at least one of `prompt_templates`"),
        (len, r"cannot encode the label 'c': 'len' in `prompt_templates` made 3 of it"),
        (lambda name: " ", r"cannot encode the label 'c': '<lambda>' in `prompt_templates` made ' ' of it"),
    ],
    ids=["no place", "named place", "number", "none", "returns a number", "returns nothing"],
)
def test_templates_that_are_none(templates, message):
    with pytest.raises(ValueError, match=message):
        fill_templates(templates, np.array(["c"]), [["cat"]], "Who")
