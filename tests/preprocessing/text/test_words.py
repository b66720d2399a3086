"""Where words begin and end."""

import random

import pytest

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
