"""Long texts in windows that overlap: every token is read, and rows of any text are a `Ragged`."""

import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.blocks import Ragged
from sklearn_mm.encoders import RNNEncoder
from sklearn_mm.preprocessing import TextTransformer

LETTERS = " ".join("abcdefghijklmnopqrstuvwxyz")
TRAINED = ["word", "bpe", "byte_bpe", "wordpiece", "unigram", "char", "ngram", str.split]


@pytest.fixture
def chunked():
    return TextTransformer(max_length=8, long_texts="chunk").fit([LETTERS])


def words(transformer, cells):
    return transformer.inverse_transform(transformer.transform(cells)).tolist()


def test_windows_share_a_quarter(chunked):
    assert words(chunked, ["a b c", "a b c d e f g h", "a b c d e f g h i j k l m n"]) == [
        ["a b c"],
        ["a b c d e f g h"],
        ["a b c d e f g h", "g h i j k l m n"],
    ]


def test_the_last_window_ends_with_the_text(chunked):
    assert words(chunked, ["a b c d e f g h i", LETTERS]) == [
        ["a b c d e f g h", "b c d e f g h i"],
        ["a b c d e f g h", "g h i j k l m n", "m n o p q r s t", "s t u v w x y z"],
    ]


@pytest.mark.parametrize("n_words", range(1, 40))
@pytest.mark.parametrize("max_length", [1, 2, 3, 4, 7])
def test_every_token_is_in_a_window(n_words, max_length):
    transformer = TextTransformer(max_length=max_length, long_texts="chunk")
    (windows,) = transformer.fit_transform([" ".join(f"w{i:02}" for i in range(n_words))])
    ids = windows.tolist()
    assert set(np.ravel(ids)) - {0} == set(range(2, n_words + 2))
    for before, after in pairwise(ids):  # one after the other, without a gap
        assert before[0] < after[0] <= before[-1] + 1
    assert n_words < max_length or all(row[-1] for row in ids)  # all are full


def test_cells_that_are_lists_missing_or_empty(chunked):
    X = [["a b c d e f g h i", "j"], [], None, " ", ["k", None], "l"]
    ids, present = chunked.read(X)
    assert isinstance(ids, Ragged)
    assert ids.counts.tolist() == [3, 0, 0, 0, 1, 1]
    assert present.tolist() == [True, False, False, False, True, True]
    assert words(chunked, X)[0] == ["a b c d e f g h", "b c d e f g h i", "j"]
    assert words(chunked, [None]) == [[]]


def test_a_column_of_short_texts_reads_longer_ones_later():
    transformer = TextTransformer(max_length=4, long_texts="chunk")
    ids, present = transformer.fit_read(pd.Series(["a b", None, "c d e f"]))
    assert ids.counts.tolist() == [1, 0, 1]
    assert present.tolist() == [True, False, True]
    assert transformer.spec_.pool == "mean"
    assert transformer.transform(["a b c d e f"]).counts.tolist() == [2]


def test_without_lists_a_list_is_an_error():
    transformer = TextTransformer(max_length=2, long_texts="chunk", lists=False).fit(["a b c", None])
    assert transformer.transform(["a b c", None]).counts.tolist() == [2, 0]
    for read in (transformer.transform, transformer.fit):
        with pytest.raises(TypeError, match="of type list"):
            read([["a"]])


@pytest.mark.parametrize("kind", TRAINED)
def test_every_tokenizer(kind):
    texts = ["the cat sat on the mat and saw the dog", "a dog", None]
    transformer = TextTransformer(kind, max_length=6, long_texts="chunk", char_ngram_range=None)
    ids = transformer.fit_transform(texts)
    whole = TextTransformer(kind, max_length=100, char_ngram_range=None).fit_transform(texts)
    assert ids.counts[0] > 1
    assert ids.counts[2] == 0
    assert set(ids[0].ravel()) - {0} == set(whole[0]) - {0}
    np.testing.assert_array_equal(ids[0][0], whole[0][:6])
    again = pickle.loads(pickle.dumps(transformer)).transform(texts)
    np.testing.assert_array_equal(again.items, ids.items)


def test_nothing_is_cut_and_nobody_is_warned(recwarn):
    TextTransformer(max_length=2, long_texts="chunk").fit(["a b c d"])
    assert not recwarn.list


def test_auto_length_is_that_of_the_texts_of_fit():
    transformer = TextTransformer(long_texts="chunk").fit(["a b c"] * 199 + ["a b c d e f g h"])
    assert transformer.spec_.shape == (3,)
    assert transformer.transform(["a b c d"]).counts.tolist() == [2]


def test_a_fitted_transformer_reads_as_it_was_fitted(chunked):
    chunked.set_params(long_texts="truncate")
    assert chunked.transform([LETTERS]).counts.tolist() == [4]


def test_invalid():
    with pytest.raises(ValueError, match="'long_texts' parameter"):
        TextTransformer(long_texts="split").fit(["a"])


@pytest.mark.parametrize("pool", ["auto", "max", "attention"])
@pytest.mark.parametrize("in_two_steps", [False, True])
def test_an_estimator_learns_from_windows(pool, in_two_steps):
    """What tells the classes comes after what a row holds."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    fill = [" ".join(rng.choice(list("uvwxyz"), size=9)) for _ in y]
    X = pd.DataFrame({"text": [f"{start} {'yes' if label else 'no'}" for start, label in zip(fill, y, strict=True)]})
    X.loc[0, "text"] = None
    reading = TextTransformer(max_length=6, long_texts="chunk")
    text = TextInput("text", transformer=reading, pool=pool, encoder=RNNEncoder(pool="max", embedding_dim=16))
    clf = MultimodalClassifier(text=text, max_epochs=15, random_state=0)
    if in_two_steps:
        reader = ModalityTransformer(text=text).fit(X)
        clf = MultimodalClassifier(max_epochs=15, random_state=0).fit(reader.transform(X), y)
        predicted = pickle.loads(pickle.dumps(clf)).predict(pickle.loads(pickle.dumps(reader)).transform(X))
    else:
        predicted = pickle.loads(pickle.dumps(clf.fit(X, y))).predict(X)
    assert (predicted == y)[1:].mean() > 0.95
    longer = pd.DataFrame({"text": ["u " * 50 + "yes", "u " * 30 + "no", None]})
    assert clf.predict_proba(reader.transform(longer) if in_two_steps else longer).shape == (3, 2)


def test_columns_of_one_vocabulary():
    X = pd.DataFrame({"question": ["a b c d e", "a"], "answer": ["b", "c d e f g h"]})
    text = TextInput(["question", "answer"], transformer=TextTransformer(max_length=3, long_texts="chunk"), shared=True)
    blocks = ModalityTransformer(text=text).fit_transform(X)
    assert blocks["question"].counts.tolist() == [2, 1]
    assert blocks["answer"].counts.tolist() == [1, 2]
