"""Texts to flat sequences of word and character n-grams, for encoders that take a text as a bag."""

from collections import Counter
from itertools import chain
from numbers import Integral

import numpy as np

from sklearn_mm.preprocessing.text._part_of_speech import join_tags
from sklearn_mm.preprocessing.text._vocabulary import SPECIAL_TOKENS, most_frequent
from sklearn_mm.preprocessing.text._words import split_runs, split_words

__all__ = ["NGramTokenizer", "check_ngram_range"]


class NGramTokenizer:
    """Token ids of the words, word n-grams and character n-grams of a text that occurred in ``fit``.

    As in fastText (Bojanowski et al. 2017; Joulin et al. 2016), "where" gives the word "<where>" and the character
    n-grams "<wh", "whe", "her", "ere", "re>", and so on; "<" and ">" tell beginnings and ends from the middle. The
    word n-gram of "big cat" is "<big cat>". Writing without spaces gives each sign as a word, and character n-grams
    over all signs between two spaces; they are one shorter than those of other scripts, because a sign says more than
    a letter (on Chinese and Japanese names this is worth 1 to 2 points of accuracy).

    Unlike there, each n-gram that is kept has its own id and an unseen one is dropped, not hashed into a bucket that
    it would share: on names of three words, hashing changed accuracy by less than the noise of the split, and a
    vocabulary can be read.

    Parameters
    ----------
    char_range : tuple (shortest, longest) or None
        Numbers of characters, those of "<" and ">" included.
    word_range : tuple (shortest, longest) or None
        Numbers of words.
    tagged : bool, default=False
        Whether a text is not a str but what `PosTagger` makes of it. The words then carry their tags, and the
        character n-grams are those of the words without.
    """

    def __init__(self, char_range, word_range, tagged=False):
        self.char_sizes = _sizes(char_range)
        self.word_sizes = _sizes(word_range)
        self.tagged = tagged

    def fit(self, texts, vocab_size, min_frequency):
        """Learn the vocabulary, in which words and their n-grams come first; returns ``self``."""
        run_counts, of_words, of_characters = Counter(), Counter(), Counter()
        for runs, words in self._split(texts):
            run_counts.update(runs)
            of_words.update(self._word_grams(words))
        for run, count in run_counts.items():
            for gram in self._char_grams(run):
                of_characters[gram] += count
        only_characters = of_characters.keys() - of_words.keys() - set(SPECIAL_TOKENS)
        frequent = most_frequent(of_words + of_characters, vocab_size, min_frequency)
        self.vocabulary = {gram: i for i, gram in enumerate(sorted(frequent, key=only_characters.__contains__))}
        self.n_ids = len(frequent)
        self.n_word_ids = self.n_ids - len(only_characters & frequent.keys())
        return self

    def encode(self, texts):
        """Return the ids of all texts, one after the other, and the number of ids of each.

        Those of a text are its words in order, longer word n-grams, then character n-grams: what is cut at a maximal
        length is what matters least.
        """
        char_ids_of = _Cache(lambda run: self._ids_of(self._char_grams(run)))
        rows = []
        for runs, words in self._split(texts):
            ids = self._ids_of(self._word_grams(words))
            for run in runs:
                ids += char_ids_of[run]
            rows.append(np.array(ids, dtype=np.int32))
        return np.concatenate(rows), np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))

    def decode(self, ids):
        """Return the known words of each list of ids in order, joined by spaces."""
        grams = list(self.vocabulary)
        words = [gram[1:-1] if gram[0] == "<" and gram[-1] == ">" and " " not in gram else None for gram in grams]
        return [" ".join(words[i] for i in row if words[i]) for row in ids]

    def _split(self, texts):
        """Yield for each text its runs and its words."""
        words_of = _Cache(_words)
        for text in texts:
            if self.tagged:
                yield [word for word, _ in text], join_tags(text)
            else:
                runs = split_runs(text)
                yield runs, list(chain.from_iterable(words_of[run] for run in runs))

    def _word_grams(self, words):
        grams = []
        for n in self.word_sizes:
            if n == 1:
                grams += [f"<{word}>" for word in words]
            else:
                grams += [f"<{' '.join(gram)}>" for gram in zip(*(words[i:] for i in range(n)))]  # noqa: B905
        return grams

    def _char_grams(self, run):
        if len(run) == 1:
            return []  # the word itself says it all
        wrapped = f"<{run}>"
        unspaced = len(_words(run)) > 1
        sizes = {max(n - unspaced, 1) for n in self.char_sizes}
        grams = [wrapped[i : i + n] for n in sorted(sizes) if n < len(wrapped) for i in range(len(wrapped) - n + 1)]
        return [gram for gram in grams if gram not in ("<", ">")]

    def _ids_of(self, grams):
        return [self.vocabulary[gram] for gram in grams if gram in self.vocabulary]


def check_ngram_range(ngram_range, name):
    """Raise where a parameter of `TextTransformer` is no range of lengths."""
    if ngram_range is None:
        return
    if len(ngram_range) != 2 or not all(isinstance(n, Integral) for n in ngram_range):
        raise ValueError(f"TextTransformer needs two ints as {name}, got {ngram_range!r}.")
    if not 1 <= ngram_range[0] <= ngram_range[1]:
        raise ValueError(f"TextTransformer needs 1 <= shortest <= longest in {name}, got {ngram_range!r}.")


class _Cache(dict):
    """Results of a function: the words of a language are few, so that most texts need no work."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def __missing__(self, key):
        result = self[key] = self.function(key)
        return result


def _words(run):
    return [run] if run.isascii() else [word for word, _ in split_words(run)]


def _sizes(ngram_range):
    return range(0) if ngram_range is None else range(ngram_range[0], ngram_range[1] + 1)
