"""Token ids by a function that splits a text into a list of strings, and a vocabulary of these."""

from collections import Counter
from itertools import chain

import numpy as np

from sklearn_mm.preprocessing.text._vocabulary import UNKNOWN, most_frequent

__all__ = ["ListTokenizer"]


class ListTokenizer:
    """Token ids by a vocabulary of the strings that a function splits the texts of ``fit`` into.

    Parameters
    ----------
    split : callable
        Takes a text, of whatever type ``fit`` and ``encode`` get, and returns a list of str.
    """

    def __init__(self, split):
        self.split = split

    def fit(self, texts, vocab_size, min_frequency):
        """Learn the vocabulary; returns ``self``."""
        counts = Counter(chain.from_iterable(map(self.split, texts)))
        self.vocabulary = most_frequent(counts, vocab_size, min_frequency)
        self.n_ids = len(self.vocabulary)
        return self

    def encode(self, texts):
        """Return the ids of all texts, one after the other, and the number of ids of each."""
        # "or": a token that is called as the padding is must not become padding.
        rows = [[self.vocabulary.get(token, UNKNOWN) or UNKNOWN for token in self.split(text)] for text in texts]
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        return np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=lengths.sum()), lengths

    def decode(self, ids):
        """Return the tokens of each list of ids, joined by spaces."""
        tokens = list(self.vocabulary)
        return [" ".join(tokens[i] for i in row) for row in ids]
