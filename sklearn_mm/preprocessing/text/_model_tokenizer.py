"""Token ids by a tokenizer of the library `tokenizers`."""

from itertools import chain

import numpy as np

__all__ = ["ModelTokenizer"]

_BATCH = 10_000  # the library keeps much more than the ids of each text, so that all texts at once would fill memory


class ModelTokenizer:
    """Token ids by a `tokenizers.Tokenizer`.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Its ids 0 and 1 are padding and unknown tokens.
    """

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.vocabulary = dict(sorted(tokenizer.get_vocab().items(), key=lambda item: (item[1], item[0])))
        self.n_ids = len(self.vocabulary)

    def encode(self, texts):
        """Return the ids of all texts, one after the other, and the number of ids of each."""
        ids, lengths = [], []
        for start in range(0, len(texts), _BATCH):
            encodings = self.tokenizer.encode_batch_fast(texts[start : start + _BATCH], add_special_tokens=False)
            rows = [encoding.ids for encoding in encodings]
            lengths.append(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)))
            ids.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=lengths[-1].sum()))
        return np.concatenate(ids), np.concatenate(lengths)

    def decode(self, ids):
        """Return the string that the tokenizer's decoder makes of each list of ids."""
        return self.tokenizer.decode_batch(ids, skip_special_tokens=False)
