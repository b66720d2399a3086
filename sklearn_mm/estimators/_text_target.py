"""A target of texts: one for each row, or several that say the same (references)."""

from typing import Any

import numpy as np

from sklearn_mm.blocks import Ragged
from sklearn_mm.estimators._targets import Target
from sklearn_mm.preprocessing import TextTransformer
from sklearn_mm.preprocessing.cells._lists import is_list
from sklearn_mm.preprocessing.cells._missing import is_missing
from sklearn_mm.utils._messages import abbreviated_repr, name_rows
from sklearn_mm.utils._object_arrays import object_array

__all__ = ["TextTarget", "references_of"]


class TextTarget(Target):
    """Texts as token ids: a `Ragged` whose rows hold the ids of each text, and the id of the end after each.

    Parameters
    ----------
    owner : str
        Name of the estimator, for error messages.
    transformer : TextTransformer
        From texts to ids and back, not fitted.
    special_tokens : tuple of str, default=()
        Tokens that are no part of texts.

    Attributes
    ----------
    transformer_ : TextTransformer
        Fitted on all texts.
    longest_ : int
        Number of tokens of the longest text, without its end.
    usual_length_ : float
        Mean number of tokens of a text, with its end.
    """

    def __init__(self, owner: str, transformer: TextTransformer, special_tokens: tuple[str, ...] = ()):
        super().__init__(owner)
        self.transformer = transformer
        self.special_tokens = special_tokens

    @property
    def end_id(self) -> int:
        return self.transformer_.spec_.vocab_size

    @property
    def start_id(self) -> int:
        return self.end_id + 1

    @property
    def n_ids(self) -> int:
        return self.end_id + 2

    def fit(self, y: Any) -> Any:
        references = references_of(y, "y", self.owner)
        if self.transformer.tokenizer == "ngram" or self.transformer.long_texts == "chunk":
            raise ValueError(
                f"{self.owner} writes texts token by token, and target_transformer={self.transformer} reads them as a "
                "bag of n-grams or in windows. Take another tokenizer, such as 'byte_bpe', and long_texts='truncate'."
            )
        self.transformer_ = self.transformer.fit([text for texts in references for text in texts])
        encoded = self._ids(references)
        lengths = np.diff(np.flatnonzero(encoded.items == self.end_id), prepend=-1)
        self.longest_, self.usual_length_ = int(lengths.max()) - 1, float(lengths.mean())
        return encoded

    def encode(self, y: Any, name: str = "y_val", complete: bool = False) -> Any:
        return self._ids(references_of(y, name, self.owner))

    def decode(self, ids: np.ndarray) -> np.ndarray:
        """Return the strings that ids (..., n_tokens) with zeros at the end stand for, an object array."""
        vocabulary = self.transformer_.vocabulary_
        is_special = np.isin(ids, [vocabulary[token] for token in self.special_tokens if token in vocabulary])
        ids = np.where(is_special, 0, ids)
        return self.transformer_.inverse_transform(ids.reshape(-1, ids.shape[-1])).reshape(ids.shape[:-1])

    def ids_of(self, transformer: TextTransformer) -> np.ndarray:
        """Return the id that each id of another transformer has here, (vocab_size,), 0 where it has none."""
        kinds = transformer.spec_.tokenizer, self.transformer_.spec_.tokenizer
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"{self.owner} can only copy what is cut into tokens as the texts that it writes are, and these are "
                f"by tokenizer={kinds[1]!r}, not {kinds[0]!r}. Read the column with TextInput(transformer="
                f"TextTransformer({kinds[1]!r}, ...)), or give another target_transformer."
            )
        ids = np.zeros(transformer.spec_.vocab_size, dtype=np.int64)
        known = self.transformer_.vocabulary_
        for token, place in transformer.vocabulary_.items():
            ids[place] = known.get(token, 0)
        ids[:2] = 0  # padding, and what is unknown
        return ids

    def check_same_tokens(self, transformer: TextTransformer, name: str) -> None:
        """Raise if an id of another transformer is not that of the same token here."""
        if transformer.vocabulary_ != self.transformer_.vocabulary_:
            raise ValueError(
                f"{self.owner}(share_embeddings={name!r}) needs one vocabulary for the column and for the texts that "
                f"are written; got two, of {len(transformer.vocabulary_)} and {len(self.transformer_.vocabulary_)} "
                "tokens. Fit a TextTransformer on the texts of both, and give TextTransformer(fitted.tokenizer_) to "
                "the column's TextInput and as target_transformer."
            )

    def _ids(self, references):
        counts = np.array([len(texts) for texts in references])
        padded = self.transformer_.transform([text for texts in references for text in texts])
        lengths = np.count_nonzero(padded, axis=1) + 1  # with the end
        items = np.full(lengths.sum(), self.end_id, dtype=np.int32)
        is_token = np.ones(len(items), dtype=bool)
        is_token[np.cumsum(lengths) - 1] = False
        items[is_token] = padded[padded != 0]
        firsts = np.cumsum(counts) - counts
        return Ragged.from_counts(items, np.add.reduceat(lengths, firsts))


def references_of(y, name, owner):
    """Return the texts of each row, a list of lists of str; raise where a row has none."""
    rows = [list(cell) if is_list(cell, None) else [cell] for cell in object_array(y)]
    _check(rows, lambda text: not isinstance(text, str) and not is_missing(text), TypeError, "no text", name, owner)
    _check(rows, is_missing, ValueError, "a missing or blank text", name, owner)
    empty = np.array([not texts for texts in rows], dtype=bool)
    if empty.any():
        raise ValueError(f"{owner} needs a text for each row; {name} has an empty list in {name_rows(empty)}.")
    return rows


def _check(rows, is_wrong, error, what, name, owner):
    wrong = np.array([any(map(is_wrong, texts)) for texts in rows], dtype=bool)
    if not wrong.any():
        return
    first = next(text for text in rows[int(wrong.argmax())] if is_wrong(text))
    raise error(
        f"{owner} learns to write texts, strings or lists of strings; {name} has {what} in {np.count_nonzero(wrong)} "
        f"of {len(rows)} rows ({name_rows(wrong)}). First: {abbreviated_repr(first)} of type {type(first).__name__}. "
        "Leave these rows out, or turn what is in them into strings."
    )
