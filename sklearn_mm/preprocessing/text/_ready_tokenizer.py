"""Token ids by a ready-made tokenizer, with the special tokens that its model was trained with."""

from functools import lru_cache

import numpy as np

from sklearn_mm.preprocessing.text._model_tokenizer import ModelTokenizer
from sklearn_mm.preprocessing.text._padding import NO_FRAME
from sklearn_mm.preprocessing.text._vocabulary import UNKNOWN
from sklearn_mm.utils._tokenizers import content_of

__all__ = ["ReadyTokenizer"]


class ReadyTokenizer(ModelTokenizer):
    """Token ids by a tokenizer that was trained elsewhere: 1 for its unknown token, from 2 on the others in its order.

    Parameters
    ----------
    content : TokenizerContent
        The tokenizer.
    special_tokens : bool
        Whether texts are to be framed by what its post-processor adds.

    Attributes
    ----------
    frame : pair of numpy.ndarray of int32
        The ids before and after each text.
    """

    def __init__(self, content, special_tokens):
        super().__init__(content.tokenizer)
        self.content = content
        self.special_tokens = special_tokens
        self.own_ids = content.model_ids
        self.n_ids = len(self.own_ids)
        self._new_ids = np.full(max(self.own_ids.max(), 0) + 1, UNKNOWN, dtype=np.int32)
        self._new_ids[self.own_ids[2:]] = np.arange(2, self.n_ids)
        vocabulary = ((token, int(self._new_ids[own_id])) for token, own_id in self.vocabulary.items())
        self.vocabulary = dict(sorted(vocabulary, key=lambda item: (item[1], item[0])))
        self.frame = self._find_frame() if special_tokens else NO_FRAME

    @classmethod
    def wrap(cls, tokenizer, special_tokens=False):
        """Return the `ReadyTokenizer` of a `tokenizers.Tokenizer`: the same one where it is asked for again."""
        return _wrapped(content_of(tokenizer), special_tokens)

    def encode(self, texts):
        """Return the ids of all texts, one after the other and without a frame, and the number of ids of each."""
        ids, lengths = super().encode(texts)
        return self._new_ids[ids], lengths

    def decode(self, ids):
        """Return the string that the tokenizer's decoder makes of each list of ids, without its frame."""
        rows = [self.own_ids[np.array(self._without_frame(row), dtype=np.int64)] for row in ids]
        return super().decode([row[row >= 0].tolist() for row in rows])

    def __reduce__(self):
        return _wrapped, (self.content, self.special_tokens)

    def _find_frame(self):
        """Return the ids that the post-processor puts before and after a text."""
        probes = map(self.tokenizer.encode, ("a", *self.vocabulary))
        framed = next((probe for probe in probes if 0 in probe.special_tokens_mask), None)
        if framed is None:  # it reads nothing
            return NO_FRAME
        own = [place for place, is_special in enumerate(framed.special_tokens_mask) if not is_special]
        prefix, suffix = framed.ids[: own[0]], framed.ids[own[-1] + 1 :]
        lacking = sorted({*prefix, *suffix} - set(self.own_ids.tolist()))
        if lacking:
            raise ValueError(
                f"TextTransformer(special_tokens=True) cannot use a tokenizer whose post-processor adds the ids "
                f"{lacking}, which its vocabulary lacks. Add these tokens to it, or take special_tokens=False."
            )
        return self._new_ids[prefix], self._new_ids[suffix]

    def _without_frame(self, row):
        prefix, suffix = (part.tolist() for part in self.frame)
        row = row[len(prefix) :] if row[: len(prefix)] == prefix else row
        return row[: len(row) - len(suffix)] if row[len(row) - len(suffix) :] == suffix else row


@lru_cache(maxsize=8)
def _wrapped(content, special_tokens):
    return ReadyTokenizer(content, special_tokens)
