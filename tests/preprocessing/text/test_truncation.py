"""One warning of what is cut off texts: of a column alone, or of all columns of a fit."""

import warnings

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.preprocessing import TextTransformer

SHORT = TextTransformer(max_length=2)


@pytest.fixture
def texts():
    """Six rows of seven columns; a third of the cells have four words, and the last column has short ones only."""
    X = pd.DataFrame({f"note {i}": ["a b c d", "b c", "e"] * 2 for i in range(6)})
    return X.assign(brief=["a b", "b c", "e"] * 2)


def messages(fit, *args):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(*args)
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_a_transformer_alone_warns_itself(texts, method):
    (message,) = messages(getattr(SHORT, method), texts["note 0"])
    assert message == (
        "TextTransformer cut 2 of 6 texts of column 'note 0' (33.3%) at max_length=2 tokens; the longest has 4. A "
        "larger max_length keeps more."
    )


def test_several_columns_are_one_warning(texts):
    reader = ModalityTransformer(text=TextInput(["note 0", "brief", "note 3"], transformer=SHORT))
    (message,) = messages(reader.fit, texts)
    assert message == (
        "ModalityTransformer cut texts of 2 columns: 'note 0' (2 of 6 at max_length=2; the longest has 4), 'note 3' (2 "
        "of 6 at max_length=2; the longest has 4). A larger max_length, in tokens, keeps more: "
        "TextInput(transformer=TextTransformer(max_length=...))."
    )
    assert not messages(reader.transform, texts)


def test_lengths_that_were_found_are_spoken_of_too():
    X = pd.DataFrame({name: ["a b"] * 199 + ["a b c d e"] for name in ("first", "second")})
    (message,) = messages(ModalityTransformer(text=TextInput(["first", "second"], encoder="lstm")).fit, X)
    assert "'first' (1 of 200 at max_length=2; the longest has 5), 'second' (1 of 200" in message


def test_of_many_columns_five_are_shown(texts):
    columns = [f"note {i}" for i in range(6)]
    clf = MultimodalClassifier(text=TextInput(columns, transformer=SHORT), max_epochs=1)
    (message,) = messages(clf.fit, texts, np.arange(6) % 2)
    assert message.startswith("MultimodalClassifier cut texts of 6 columns: ")
    assert "'note 4' (2 of 6 at max_length=2; the longest has 4) and 1 more." in message


@pytest.mark.parametrize("columns", [["note 0", "brief"], ["brief", "note 0"]])
def test_one_column_among_several_is_named(texts, columns):
    (message,) = messages(ModalityTransformer(text=TextInput(columns, transformer=SHORT)).fit, texts)
    assert message.startswith("TextTransformer cut 2 of 6 texts of column 'note 0'")


def test_columns_of_one_vocabulary_are_counted_once(texts):
    (message,) = messages(
        ModalityTransformer(text=TextInput(["note 0", "note 1"], transformer=SHORT, shared=True)).fit, texts
    )
    assert message.startswith("TextTransformer cut 4 of 12 texts of column 'note 0 + note 1'")


def test_a_later_fit_forgets(texts):
    transformer = TextTransformer(max_length=2)
    assert messages(transformer.fit, texts["note 0"])
    assert not messages(transformer.fit, texts["brief"])
