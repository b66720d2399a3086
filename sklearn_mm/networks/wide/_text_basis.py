"""Texts in a linear model: binary bags of tokens, weighted by inverse document frequency."""

import torch
import torch.nn.functional as F

from sklearn_mm.networks.wide._basis_expansion import BasisExpansion

__all__ = ["TextBasis"]


class TextBasis(BasisExpansion):
    """Distinct token ids, weighted by how few training rows have them (binary TF-IDF).

    Repeats do not count: that a word is there says nearly all (Wang, Manning: Baselines and Bigrams. ACL 2012). Nor do
    special tokens, which all rows have. A row has length one, to which words and parts of words, where ids are of both,
    contribute alike: there are many more parts.

    Parameters
    ----------
    spec : TextSpec
        Description of the block.
    max_terms : int
        Number of ids that are looked at, those that most training rows have.
    """

    def __init__(self, spec, max_terms):
        super().__init__()
        self.n_terms = min(spec.vocab_size, max_terms)
        self.n_word_ids = spec.n_word_ids
        self.special_ids = list(spec.special_ids)
        self.register_buffer("idf", torch.zeros(spec.vocab_size))  # 0 for ids that are not looked at
        self.register_buffer("term", torch.zeros(spec.vocab_size, dtype=torch.int64))

    def fit(self, chunks):
        """Learn from the ids (n, length) of the training rows how rare each token is."""
        n_rows, document_frequency = 0, 0
        for ids in chunks:
            ids, first = _sorted_distinct(ids)
            n_rows += len(ids)
            document_frequency += torch.bincount(ids[first], minlength=len(self.idf))
        document_frequency[self.special_ids] = 0
        frequent = document_frequency.argsort(descending=True, stable=True)[: self.n_terms].sort().values
        self.term[frequent] = torch.arange(len(frequent))
        frequent = frequent[document_frequency[frequent] > 0]
        self.idf[frequent] = torch.log((1 + n_rows) / (1 + document_frequency[frequent])) + 1

    def expand(self, ids):
        """Return the terms (batch, length) of each row and their values, 0 where there is none."""
        ids, first = _sorted_distinct(ids)
        values = self.idf[ids] * first
        if self.n_word_ids is None:
            return self.term[ids], F.normalize(values, dim=1)
        is_word = ids < self.n_word_ids
        halves = F.normalize(values * is_word, dim=1) + F.normalize(values * ~is_word, dim=1)
        return self.term[ids], halves * 0.5**0.5


def _sorted_distinct(ids):
    """Return the ids of each row in order, and where a token stands for the first time."""
    ids = ids.long().sort(1).values
    first = ids > 1  # 0 is padding and 1 an unknown token
    first[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    return ids, first
