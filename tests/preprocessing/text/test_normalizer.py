import unicodedata

import pytest

from sklearn_mm.preprocessing.text._normalizer import Normalizer


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
