"""Normalisation of texts (Unicode NFKC, case, accents, white space), and removal of stop words."""

import re
import unicodedata

from sklearn_mm.preprocessing.text._words import split_words

__all__ = ["Normalizer"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_COMBINING_ACCENT = re.compile("[\u0300-\u036f]+")


class Normalizer:
    """Bring a text into the form in which tokenizers meet it.

    Parameters
    ----------
    lowercase, strip_accents : bool
        As in `TextTransformer`.
    stop_words : iterable of str
        Words to take out. One that `split_words` takes for several, such as "don't", goes where they all follow.
    unify : bool
        Whether to bring the text into Unicode's form NFKC and to write any white space as one space.
    """

    def __init__(self, lowercase, strip_accents, stop_words=(), unify=True):
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.unify = unify
        self._phrases = {}  # stop words by their first part, the longest first
        for stop_word in stop_words:
            parts = [part for part, _ in split_words(self.spell(stop_word))]
            if parts:
                self._phrases.setdefault(parts[0], set()).add(tuple(parts))
        self._phrases = {first: sorted(phrases, key=len, reverse=True) for first, phrases in self._phrases.items()}

    def __call__(self, text):
        text = self.spell(text)
        if self._phrases:
            text = self._without_stop_words(text)
        return " ".join(text.split()) if self.unify or self._phrases else text

    def spell(self, text):
        """Return the text in the one spelling of its letters, stop words included."""
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: broken text, which the tokenizers refuse
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.unify:
            text = unicodedata.normalize("NFKC", _CONTROL.sub(" ", text))
        if self.lowercase:
            text = text.lower()
        if self.strip_accents:
            # Only the accents of European scripts: the marks of others (Japanese, Hindi, Thai) make another letter.
            text = _COMBINING_ACCENT.sub("", unicodedata.normalize("NFD", text))
            text = unicodedata.normalize("NFC", text)
        return text

    def _without_stop_words(self, text):
        words = split_words(text)
        kept, end, i = [], 0, 0
        while i < len(words):
            n_parts = self._stop_word_at(words, i)
            if n_parts:
                kept.append(text[end : words[i][1][0]])
                end = words[i + n_parts - 1][1][1]
            i += n_parts or 1
        return "".join(kept) + text[end:]

    def _stop_word_at(self, words, i):
        for phrase in self._phrases.get(words[i][0], ()):
            if phrase == tuple(word for word, _ in words[i : i + len(phrase)]):
                return len(phrase)
        return 0
