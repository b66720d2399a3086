"""Token ids by a tokenizer of the library `tokenizers`, trained here or ready-made."""

import json
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from sklearn_mm.preprocessing.text._vocabulary import UNKNOWN

__all__ = ["ModelTokenizer"]

_BATCH = 10_000  # the library keeps much more than the ids of each text, so that all texts at once would fill memory


class ModelTokenizer:
    """Token ids by a `tokenizers.Tokenizer`.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        Its ids 0 and 1 are padding and unknown tokens, unless ``own_ids`` is given.
    own_ids : array of int, default=None
        The tokenizer's own id for each id given out, -1 where it has none.
    """

    def __init__(self, tokenizer, own_ids=None):
        self.tokenizer = tokenizer
        self.own_ids = own_ids
        vocabulary = tokenizer.get_vocab()
        if own_ids is not None:
            self._new_ids = np.full(max(vocabulary.values(), default=0) + 1, UNKNOWN, dtype=np.int32)
            self._new_ids[own_ids[2:]] = np.arange(2, len(own_ids))
            vocabulary = {token: int(self._new_ids[own_id]) for token, own_id in vocabulary.items()}
        self.vocabulary = dict(sorted(vocabulary.items(), key=lambda item: (item[1], item[0])))
        self.n_ids = len(vocabulary) if own_ids is None else len(own_ids)

    @classmethod
    def wrap(cls, tokenizer):
        """Return the tokenizer with id 1 for its unknown token, and its other tokens in their order from 2 on."""
        content = tokenizer.to_str()
        tokenizer = Tokenizer.from_str(content)  # the user's own keeps its padding and truncation
        tokenizer.no_padding()
        tokenizer.no_truncation()
        model = json.loads(content)["model"]
        unknown = model.get("unk_token")
        if unknown is None and model.get("unk_id") is not None:
            unknown = model["vocab"][model["unk_id"]][0]
        vocabulary = tokenizer.get_vocab()
        if unknown and unknown not in vocabulary:
            raise ValueError(
                f"TextTransformer needs a tokenizer that can read unseen words, but the vocabulary of this one lacks "
                f"the token that it calls unknown, {unknown!r}. Add it to the vocabulary."
            )
        unknown_id = vocabulary.get(unknown, -1)
        others = sorted(set(vocabulary.values()) - {unknown_id})
        return cls(tokenizer, np.array([-1, unknown_id, *others], dtype=np.int64))

    @classmethod
    def from_file(cls, path):
        """Return `wrap` of what a ``tokenizer.json`` describes."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"TextTransformer cannot find the tokenizer file {str(path)!r}.")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(
                f"TextTransformer cannot read the tokenizer file {str(path)!r}: {error}. It must be what "
                f"`tokenizers.Tokenizer.save` writes, usually called tokenizer.json."
            ) from error
        return cls.wrap(tokenizer)

    def encode(self, texts):
        """Return the ids of all texts, one after the other, and the number of ids of each."""
        ids, lengths = [], []
        for start in range(0, len(texts), _BATCH):
            encodings = self.tokenizer.encode_batch_fast(texts[start : start + _BATCH], add_special_tokens=False)
            rows = [encoding.ids for encoding in encodings]
            lengths.append(np.fromiter(map(len, rows), dtype=np.int64, count=len(rows)))
            ids.append(np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=lengths[-1].sum()))
        ids, lengths = np.concatenate(ids), np.concatenate(lengths)
        return (ids if self.own_ids is None else self._new_ids[ids]), lengths

    def decode(self, ids):
        """Return the string that the tokenizer's decoder makes of each list of ids."""
        if self.own_ids is not None:
            ids = [[own_id for own_id in self.own_ids[row].tolist() if own_id >= 0] for row in ids]
        return self.tokenizer.decode_batch(ids, skip_special_tokens=False)
