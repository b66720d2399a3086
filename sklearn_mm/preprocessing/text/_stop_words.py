"""The words that ``stop_words`` of `TextTransformer` stands for."""

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from sklearn_mm.utils._optional import import_extra
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["find_stop_words"]


def find_stop_words(stop_words):
    """Return the words of a language, or the given ones, or none, as a collection of str."""
    if isinstance(stop_words, str):
        return _words_of_language(stop_words)
    for word in stop_words or ():
        if not isinstance(word, str):
            raise TypeError(f"TextTransformer needs stop_words of type str, got {word!r} among them.")
    return stop_words or ()


def _words_of_language(language):
    if language in ("english", "en"):
        return ENGLISH_STOP_WORDS
    library = import_extra("stop_words", "text", f"TextTransformer(stop_words={language!r})")
    names = library.LANGUAGE_MAPPING  # code to name
    if language not in names.keys() | names.values():
        hint = did_you_mean(language, [*names, *names.values()])
        languages = ", ".join(f"{name} ({code})" for code, name in sorted(names.items(), key=lambda item: item[1]))
        raise ValueError(
            f"TextTransformer knows no stop words of a language {language!r}.{hint} It knows those of {languages}. "
            f"Give a name, a code, or a list of words."
        )
    return library.get_stop_words(language)
