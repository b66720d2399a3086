"""Which kind of tokenizer a parameter stands for, and what can be asked of each."""

import os

from tokenizers import Tokenizer

from sklearn_mm.preprocessing.text._trained_tokenizers import TRAINED
from sklearn_mm.utils._registry import did_you_mean

__all__ = ["KEEP_SPELLING", "NAMES", "READY_MADE", "check_pos_tags", "check_special_tokens", "kind_of"]

NAMES = sorted([*TRAINED, "ngram"])
READY_MADE = ("file", "object")
KEEP_SPELLING = (*READY_MADE, "byte_bpe")  # the tokenizers that see texts in the form and with the spaces they have
_OF_WORDS = ("word", "ngram")  # the tokenizers whose words can be those of a part-of-speech tagger


def kind_of(tokenizer):
    """Return the name of a tokenizer that is trained here, or "file", "object" or "callable"."""
    if isinstance(tokenizer, Tokenizer):
        return "object"
    if isinstance(tokenizer, os.PathLike) or str(tokenizer).endswith(".json"):
        return "file"
    if not isinstance(tokenizer, str):
        return "callable"
    if tokenizer not in NAMES:
        raise ValueError(
            f"TextTransformer got the unknown tokenizer {tokenizer!r}."
            f"{did_you_mean(tokenizer, NAMES)} It must be one of {NAMES}, a path that ends in .json, a "
            "tokenizers.Tokenizer or a callable."
        )
    return tokenizer


def check_pos_tags(kind):
    """Raise ValueError where words that are tagged with their part of speech cannot be the tokens."""
    if kind not in _OF_WORDS:
        what = f"tokenizer={kind!r}" if kind in NAMES else "a tokenizer of one's own"
        raise ValueError(
            f"TextTransformer cannot join pos_tags with {what}, because it is the tagger that says what a word "
            f"is. Take tokenizer='word' or 'ngram', or pos_tags=None."
        )


def check_special_tokens(kind):
    """Raise ValueError where a tokenizer knows no special tokens to put around a text."""
    if kind not in READY_MADE:
        what = f"tokenizer={kind!r}" if kind in NAMES else "a callable"
        raise ValueError(
            f"TextTransformer(special_tokens=True) needs a ready-made tokenizer, which says what to add to a text, got "
            f"{what}. Hand in a tokenizers.Tokenizer or the path of a tokenizer.json, or take special_tokens=False."
        )
