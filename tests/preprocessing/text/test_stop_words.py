import sys

import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.preprocessing.text._stop_words import find_stop_words

SENTENCES = {
    "german": ("de", "Der Hund und die Katze", "hund katze"),
    "french": ("fr", "le chien et l'oiseau", "chien oiseau"),
    "spanish": ("es", "el perro y la flor", "perro flor"),
    "russian": ("ru", "собака и кошка", "собака кошка"),
}


def test_none_and_words_of_ones_own():
    assert not find_stop_words(None)
    assert find_stop_words(["a", "b"]) == ["a", "b"]


@pytest.mark.parametrize("name", ["english", "en"])
def test_english_is_that_of_scikit_learn_and_needs_no_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "stop_words", None)
    assert find_stop_words(name) is ENGLISH_STOP_WORDS


@pytest.mark.parametrize("name", SENTENCES)
def test_languages_by_name_and_by_code(name):
    pytest.importorskip("stop_words")
    code, sentence, rest = SENTENCES[name]
    for stop_words in (name, code):
        transformer = TextTransformer(stop_words=stop_words)
        assert transformer.inverse_transform(transformer.fit_transform([sentence])).tolist() == [rest]


@pytest.mark.parametrize(
    ("language", "hint"),
    [("germn", "Did you mean 'german'"), ("German", "Did you mean 'german'"), ("de-AT", "german \\(de\\)")],
)
def test_an_unknown_language(language, hint):
    pytest.importorskip("stop_words")
    with pytest.raises(ValueError, match=f"no stop words of a language {language!r}.*{hint}.*or a list of words"):
        TextTransformer(stop_words=language).fit(["a"])


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "stop_words", None)
    with pytest.raises(ImportError, match=r"stop_words='german'\) needs .* pip install \"sklearn-mm\[text\]\""):
        TextTransformer(stop_words="german").fit(["a"])
