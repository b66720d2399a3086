"""Ready-made tokenizers with their special tokens: framed rows, cut and chunked, copied and pickled cheaply."""

import copy
import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import torch.nn as nn
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from sklearn_mm import ModalityTransformer, MultimodalClassifier, TextInput
from sklearn_mm.blocks import Ragged
from sklearn_mm.encoders import ModuleEncoder, RNNEncoder
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.storage._content_keys import hash_rows
from sklearn_mm.utils._tokenizers import content_of, model_ids, read_tokenizer

# With holes, an unknown token in the middle and padding that is not 0.
VOCABULARY = {"<s>": 0, "<pad>": 1, "</s>": 2, "a": 4, "b": 5, "<unk>": 7, "c": 11, "d": 12}
START, END, A, B, C, D = 2, 4, 5, 6, 7, 8  # ids in rows


def make_tokenizer(pieces="<s> $A </s>"):
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = [(token, VOCABULARY[token]) for token in ("<s>", "</s>") if token in pieces]
    tokenizer.post_processor = processors.TemplateProcessing(single=pieces, special_tokens=special)
    tokenizer.enable_padding(pad_id=1, pad_token="<pad>", length=9)
    tokenizer.enable_truncation(3)
    return tokenizer


@pytest.fixture
def tokenizer():
    return make_tokenizer()


def test_model_ids(tokenizer):
    ids = model_ids(tokenizer)
    assert ids.tolist() == [-1, 7, 0, 1, 2, 4, 5, 11, 12]
    assert ids.dtype == np.int64
    assert not ids.flags.writeable


def test_model_ids_of_added_tokens_and_without_an_unknown_one():
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    tokenizer.add_special_tokens(["<mask>"])
    assert model_ids(tokenizer).tolist() == [-1, -1, 0, 1, 2]
    ids = TextTransformer(tokenizer).fit_transform(["a<mask>b", "?"])
    assert ids.tolist() == [[2, 4, 3], [1, 0, 0]]


def test_rows_are_framed(tokenizer):
    transformer = TextTransformer(tokenizer, special_tokens=True).fit(["a b c"])
    ids, present = transformer.read(["a b", None, "c ? d d", " ", "b"])
    assert ids.tolist() == [
        [START, A, B, END, 0],
        [0, 0, 0, 0, 0],
        [START, C, 1, D, END],
        [0, 0, 0, 0, 0],
        [START, B, END, 0, 0],
    ]
    assert present.tolist() == [True, False, True, False, True]
    assert transformer.spec_.special_ids == (START, END)
    assert transformer.inverse_transform(ids).tolist() == ["a b", "", "c <unk> d", "", "b"]


def test_without_special_tokens_nothing_is_added(tokenizer):
    transformer = TextTransformer(tokenizer, max_length=5).fit(["a b c"])
    assert transformer.transform(["a b"]).tolist() == [[A, B, 0, 0, 0]]
    assert transformer.spec_.special_ids == ()


@pytest.mark.parametrize(
    ("pieces", "row"),
    [("$A </s>", [A, B, END]), ("<s> $A", [START, A, B]), ("<s> <s> $A </s> <s>", [START, START, A, B, END, START])],
)
def test_any_frame(pieces, row):
    transformer = TextTransformer(make_tokenizer(pieces), special_tokens=True).fit(["a b"])
    assert transformer.transform(["a b"]).tolist() == [row]
    assert transformer.inverse_transform([row]).tolist() == ["a b"]


def test_special_tokens_stay_where_a_text_is_cut(tokenizer):
    with pytest.warns(
        UserWarning,
        match=r"cut 1 of 2 texts \(50\.0%\) at max_length=4 tokens; the longest has 6\. With long_texts='chunk'",
    ):
        transformer = TextTransformer(tokenizer, special_tokens=True, max_length=4).fit(["a b c d", "a"])
    assert transformer.transform(["a b c d"]).tolist() == [[START, A, B, END]]


def test_several_columns_are_one_warning_that_names_the_way_out(tokenizer):
    text = TextInput(["x", "y"], transformer=TextTransformer(tokenizer, special_tokens=True, max_length=3))
    with pytest.warns(UserWarning, match=r"columns: 'x' \(1 of 2 .*'y' \(1 of 2 .* With long_texts='chunk'") as caught:
        ModalityTransformer(text=text).fit(pd.DataFrame({"x": ["a b", "a"], "y": ["a", "c d"]}))
    assert len(caught) == 1


def test_each_window_has_its_own(tokenizer):
    transformer = TextTransformer(tokenizer, special_tokens=True, max_length=6, long_texts="chunk").fit(["a"])
    (windows,) = transformer.transform(["a b c d a b c"])
    assert windows.tolist() == [[START, A, B, C, D, END], [START, D, A, B, C, END]]
    assert transformer.inverse_transform(transformer.transform(["a b c d a b c"]))[0] == ["a b c d", "d a b c"]


def test_no_room_for_a_text(tokenizer):
    with pytest.raises(ValueError, match=r"no room for a text in max_length=2 tokens, because .* adds 2"):
        TextTransformer(tokenizer, special_tokens=True, max_length=2).fit(["a"])


@pytest.mark.parametrize("kind", ["word", "ngram", str.split])
def test_only_ready_made_tokenizers_know_special_tokens(kind):
    with pytest.raises(
        ValueError, match=r"special_tokens=True\) needs a ready-made tokenizer.*got (tokenizer='|a callable)"
    ):
        TextTransformer(kind, special_tokens=True).fit(["a"])


def test_special_tokens_that_the_vocabulary_lacks(tokenizer):
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 99), ("<s>", 0))
    with pytest.raises(ValueError, match=r"post-processor adds the ids \[99\], which its vocabulary lacks"):
        TextTransformer(tokenizer, special_tokens=True).fit(["a"])


def test_a_tokenizer_that_reads_nothing():
    transformer = TextTransformer(Tokenizer(models.BPE({"<s>": 0}, [])), special_tokens=True)
    assert transformer.fit_transform(["a", None]).tolist() == [[1], [0]]


def test_a_text_that_is_nothing_to_the_tokenizer_is_its_frame():
    tokenizer = Tokenizer(models.BPE({"<s>": 0, "a": 1}, []))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    transformer = TextTransformer(tokenizer, special_tokens=True).fit(["a"])
    assert transformer.transform(["?"]).tolist() == [[2]]


# rows as long as they must be


@pytest.fixture
def table():
    return pd.DataFrame({"text": ["a b", "c d a", None, "b", "d", "a c", "b d", "c"] * 4})


Y = np.array([0, 1, 1, 0, 1, 0, 1, 0] * 4)


def test_arrays_are_as_long_as_their_longest_row(tokenizer):
    transformer = TextTransformer(tokenizer, special_tokens=True, max_length=100)
    assert transformer.fit_transform(["a b", "a"]).shape == (2, 4)
    assert transformer.spec_.shape == (100,)
    assert transformer.transform(["a"]).shape == (1, 3)
    assert transformer.transform(["a " * 200]).shape == (1, 100)
    assert transformer.transform([None]).shape[0] == 1
    short, long = transformer.transform(["a"]), transformer.transform(["a", "a b c d"])
    assert hash_rows(short)[0] == hash_rows(long)[0]  # what was computed of one is found for the other


class Flat(nn.Module):
    """Reads rows of a fixed length only."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 4)
        self.linear = nn.Linear(4 * 20, 8)

    def forward(self, x):
        return self.linear(self.embedding(x).flatten(1))


@pytest.mark.parametrize("long_texts", ["truncate", "chunk"])
@pytest.mark.parametrize(
    "encoder",
    [RNNEncoder(embedding_dim=8), RNNEncoder(pool="flatten"), ModuleEncoder(Flat()), ModuleEncoder(Flat(), "all")],
)
def test_every_encoder_reads_them(tokenizer, table, encoder, long_texts):
    """Those whose layers depend on the length of a row get rows of full length."""
    transformer = TextTransformer(tokenizer, special_tokens=True, max_length=20, long_texts=long_texts)
    text = TextInput("text", transformer=transformer, encoder=encoder)
    clf = MultimodalClassifier(text=text, max_epochs=2, random_state=0).fit(table, Y)
    proba = clf.predict_proba(table)
    np.testing.assert_allclose(clf.predict_proba(table[:1]), proba[:1], atol=1e-5)  # an array of other width
    assert clf.predict_proba(pd.DataFrame({"text": ["a b " * 30]})).shape == (1, 2)
    reader = ModalityTransformer(text=text).fit(table)
    assert reader.transform(table)["text"].shape == (len(table), 5)
    in_two = MultimodalClassifier(max_epochs=2, random_state=0).fit(reader.transform(table), Y)
    np.testing.assert_allclose(in_two.predict_proba(reader.transform(table)), proba, atol=1e-5)
    np.testing.assert_allclose(in_two.predict_proba(reader.transform(table[:1])), proba[:1], atol=1e-5)


def test_folds(tokenizer, table):
    text = TextInput(
        "text", transformer=TextTransformer(tokenizer, special_tokens=True), encoder=ModuleEncoder(nn.Embedding(9, 4))
    )
    assert np.isfinite(cross_val_score(MultimodalClassifier(text=text, max_epochs=1), table, Y, cv=2)).all()


# copies


@pytest.mark.parametrize("roundtrip", [clone, copy.deepcopy, copy.copy, lambda t: pickle.loads(pickle.dumps(t))])
def test_a_copy_has_the_tokenizer_as_it_was(tokenizer, roundtrip):
    before = tokenizer.to_str()
    twin = roundtrip(TextTransformer(tokenizer, special_tokens=True))
    assert isinstance(twin.tokenizer, Tokenizer)
    assert twin.tokenizer.to_str() == before
    assert twin.fit_transform(["a b"]).tolist() == [[START, A, B, END]]
    assert tokenizer.to_str() == before


@pytest.mark.parametrize("roundtrip", [clone, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_what_is_copied_after_a_copy_was_changed_is_as_it_was(tokenizer, roundtrip):
    transformer = TextTransformer(tokenizer, special_tokens=True).fit(["a b"])
    roundtrip(transformer).tokenizer.add_tokens(["new"])
    twin = roundtrip(transformer)
    assert "new" not in twin.tokenizer.get_vocab()
    tokenizer.add_tokens(["other"])
    assert transformer.transform(["other"]).tolist() == [[START, 1, END]]
    assert "other" in roundtrip(transformer).tokenizer.get_vocab()
    assert transformer.fit(["other"]).spec_.vocab_size == 10


def test_a_tokenizer_is_read_and_pickled_once(tokenizer, tmp_path):
    first = TextTransformer(tokenizer, special_tokens=True).fit(["a b"])
    second = clone(first).fit(["a"])
    loaded = pickle.loads(pickle.dumps(second))
    assert first._token_ids is second._token_ids is loaded._token_ids
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    of_file = TextTransformer(path, special_tokens=True).fit(["a b"])
    assert read_tokenizer(path) is read_tokenizer(str(path))
    assert of_file._token_ids is first._token_ids
    content = len(tokenizer.to_str())
    assert content < len(pickle.dumps(first)) < content + 4_000


def test_a_file_that_changes_is_read_again(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    assert read_tokenizer(path).get_vocab_size() == 8
    tokenizer.add_tokens(["new"])
    tokenizer.save(str(path))
    os.utime(path, ns=(0, 0))
    assert read_tokenizer(path).get_vocab_size() == 9


def test_padding_and_truncation_tell_no_tokenizers_apart(tokenizer):
    other = make_tokenizer()
    other.no_padding()
    other.no_truncation()
    assert str(content_of(other)) == str(content_of(tokenizer))
    assert str(content_of(make_tokenizer("$A </s>"))) != str(content_of(tokenizer))


def test_other_processes(tokenizer):
    transformer = TextTransformer(tokenizer, special_tokens=True, long_texts="chunk", max_length=4).fit(["a b"])
    rows = joblib.Parallel(n_jobs=2)(joblib.delayed(transformer.transform)([text]) for text in ("a b c", "c"))
    assert all(isinstance(row, Ragged) for row in rows)
    assert [row.items.tolist() for row in rows] == [[[START, A, B, END], [START, B, C, END]], [[START, C, END]]]
