"""The parts that tokenizers are made of: splitting, normalising, counting."""

import random
import unicodedata
from collections import Counter

import pytest

from sklearn_mm.preprocessing.text._normalizer import Normalizer
from sklearn_mm.preprocessing.text._vocabulary import most_frequent
from sklearn_mm.preprocessing.text._words import split_runs, split_words


def words(text):
    return [word for word, _ in split_words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world_2!", ["Hello", ",", "world_2", "!"]),
        ("naïve Ελλάδα", ["naïve", "Ελλάδα"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("한국어 좋다", ["한국어", "좋다"]),
        ("カタカナです", ["カタカナ", "で", "す"]),
        ("2人と3", ["2", "人", "と", "3"]),
        ("👩🏽‍🔬👍🏿", ["👩🏽‍🔬", "👍🏿"]),
        ("e\u0301a", ["e\u0301a"]),
        ("", []),
        ("  \n", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_places_are_those_in_the_text():
    text = "  Über, 我爱 x"
    assert [text[start:end] for _, (start, end) in split_words(text)] == words(text)


def test_runs_keep_unspaced_scripts_together():
    assert split_runs("我爱tea ok") == ["我爱tea", "ok"]


def test_the_quick_way_for_ascii_is_the_same():
    generator = random.Random(0)
    letters = [chr(code) for code in range(32, 127)]
    for length in (5, 40, 350):
        for _ in range(100):
            text = "".join(generator.choices(letters, k=length))
            text += "x" * generator.choice([0, 99, 100, 101, 250])
            assert split_runs(text) == split_runs(text + " é")[:-1], text


def test_endless_words_are_cut():
    assert [len(word) for word in words("x" * 250)] == [100, 100, 50]


def test_most_frequent():
    counts = Counter({"b": 3, "a": 3, "c": 5, "d": 1, "[PAD]": 9})
    assert most_frequent(counts, 5, 1) == {"[PAD]": 0, "[UNK]": 1, "c": 2, "a": 3, "b": 4}
    assert most_frequent(counts, 99, 4) == {"[PAD]": 0, "[UNK]": 1, "c": 2}


@pytest.mark.parametrize(
    ("settings", "text", "expected"),
    [
        ({}, "Ａ\u00a0 b\t\x00c ﬁ", "A b c fi"),
        ({"lowercase": True}, "ÀÉ", "àé"),
        ({"strip_accents": True}, "ÀÉ ガ", "AE ガ"),
        ({"unify": False}, "a  ﬁ\n", "a  ﬁ\n"),
        ({"stop_words": ["the", "don't"]}, "the cat, don't; the", "cat, ;"),
        ({"stop_words": ["new york", "new"]}, "new york is new", "is"),
        ({"stop_words": ["The"], "lowercase": True}, "THE cat", "cat"),
        ({"stop_words": ["The"]}, "the cat", "the cat"),
        ({"stop_words": ["", " "]}, "the cat", "the cat"),
        ({}, "a\ud83d b", "a\ufffd b"),
        ({}, "\ud83d\ude00", "\U0001f600"),
    ],
)
def test_normalizer(settings, text, expected):
    settings = {"lowercase": False, "strip_accents": False, **settings}
    assert Normalizer(**settings)(text) == expected


def test_normalizer_knows_stop_words_in_any_spelling():
    stop_word = unicodedata.normalize("NFD", "été")
    assert Normalizer(lowercase=True, strip_accents=False, stop_words=[stop_word])("Été vert") == "vert"
    assert Normalizer(lowercase=True, strip_accents=True, stop_words=["été"])("ETE vert") == "vert"
