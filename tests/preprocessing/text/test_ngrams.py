"""Words, word n-grams and character n-grams, counted by hand."""

import pytest

from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.preprocessing.text._ngrams import NGramTokenizer


def grams(text, char_range=None, word_range=None):
    """The n-grams of a text in the order of its ids."""
    tokenizer = NGramTokenizer(char_range, word_range).fit([text], vocab_size=1000, min_frequency=1)
    names = list(tokenizer.vocabulary)
    ids, lengths = tokenizer.encode([text])
    assert lengths.tolist() == [len(ids)]
    return [names[i] for i in ids]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("big cat sat", ["<big>", "<cat>", "<sat>", "<big cat>", "<cat sat>"]),
        ("cat", ["<cat>"]),
        ("我爱你", ["<我>", "<爱>", "<你>", "<我 爱>", "<爱 你>"]),
        ("a-b", ["<a>", "<->", "<b>", "<a ->", "<- b>"]),
    ],
)
def test_words(text, expected):
    assert grams(text, word_range=(1, 2)) == expected


def test_longer_word_ngrams_alone():
    assert grams("a b c d", word_range=(3, 3)) == ["<a b c>", "<b c d>"]


@pytest.mark.parametrize(
    ("text", "sizes", "expected"),
    [
        ("cat", (3, 3), ["<ca", "cat", "at>"]),
        ("cat", (3, 4), ["<ca", "cat", "at>", "<cat", "cat>"]),
        ("cat", (5, 6), []),  # "<cat>" is the word itself
        ("cat", (1, 1), ["c", "a", "t"]),  # "<" and ">" alone say nothing
        ("a", (1, 3), []),
        ("ab cd", (3, 3), ["<ab", "ab>", "<cd", "cd>"]),
        ("我爱你", (3, 3), ["<我", "我爱", "爱你", "你>"]),  # one shorter: a sign says more than a letter
        ("我爱你", (1, 1), ["我", "爱", "你"]),
    ],
)
def test_characters(text, sizes, expected):
    assert grams(text, char_range=sizes) == expected


def test_frequency_decides_and_ties_are_alphabetical():
    tokenizer = NGramTokenizer(None, (1, 1)).fit(["c b", "c a", "c"], vocab_size=4, min_frequency=1)
    assert tokenizer.vocabulary == {"[PAD]": 0, "[UNK]": 1, "<c>": 2, "<a>": 3}
    tokenizer.fit(["c b", "c a", "c"], vocab_size=9, min_frequency=2)
    assert tokenizer.vocabulary == {"[PAD]": 0, "[UNK]": 1, "<c>": 2}


def test_each_occurrence_counts():
    tokenizer = NGramTokenizer((2, 2), None).fit(["aaa aaa"], vocab_size=9, min_frequency=4)
    assert list(tokenizer.vocabulary)[2:] == ["aa"]  # twice in each of two words


def test_texts_are_kept_apart():
    tokenizer = NGramTokenizer(None, (1, 2)).fit(["a b", "b a"], vocab_size=99, min_frequency=1)
    ids, lengths = tokenizer.encode(["b a", "zzz", "a"])
    assert lengths.tolist() == [3, 0, 1]
    names = list(tokenizer.vocabulary)
    assert [names[i] for i in ids] == ["<b>", "<a>", "<b a>", "<a>"]
    assert tokenizer.decode([ids[:3].tolist(), [], [0, 1]]) == ["b a", "", ""]


def test_words_and_their_ngrams_come_before_parts_of_words():
    tokenizer = NGramTokenizer((3, 5), (1, 2)).fit(["big cat", "[PAD] cat", "cats"], 1000, 1)
    grams = list(tokenizer.vocabulary)
    assert grams[:3] == ["[PAD]", "[UNK]", "<cat>"]
    words = set(grams[2 : tokenizer.n_word_ids])
    assert {"<big>", "<cat>", "<cats>", "<big cat>"} <= words
    assert not words & {"<ca", "cat", "at>", "<cats"}
    spec = TextTransformer("ngram").fit(["big cat", "cats"]).spec_
    assert 2 < spec.n_word_ids < spec.vocab_size
    assert TextTransformer("word").fit(["big cat", "cats"]).spec_.n_word_ids is None
