"""Ready-made tokenizers of the library `tokenizers`: read once per process, told apart by content, and their ids."""

import json
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
from tokenizers import Tokenizer

__all__ = ["HeldTokenizer", "TokenizerContent", "content_of", "model_ids", "read_tokenizer"]

_contents = WeakValueDictionary()  # by hash


class TokenizerContent:
    """All that a tokenizer is, one object per process for all that are alike, so that it is parsed and pickled once.

    It comes from `content_of`.

    Parameters
    ----------
    text : str
        The tokenizer as JSON, as `tokenizers.Tokenizer.to_str` writes it.
    """

    def __init__(self, text):
        self.text = text
        self._held = None

    def held(self):
        """Return a tokenizer with this content: the same one again, as long as nobody has changed it."""
        if self._held is None or self._held.to_str() != self.text:
            self._held = Tokenizer.from_str(self.text)
        return self._held

    @cached_property
    def tokenizer(self):
        """A tokenizer without padding and truncation, which nobody is to change."""
        tokenizer = Tokenizer.from_str(self.text)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def model_ids(self):
        """As of the function `model_ids`."""
        model = json.loads(self.text)["model"]
        unknown = model.get("unk_token")
        if unknown is None and model.get("unk_id") is not None:
            unknown = model["vocab"][model["unk_id"]][0]
        vocabulary = self.tokenizer.get_vocab()
        if unknown and unknown not in vocabulary:
            raise ValueError(
                f"TextTransformer needs a tokenizer that can read unseen words, but the vocabulary of this one lacks "
                f"the token that it calls unknown, {unknown!r}. Add it to the vocabulary."
            )
        unknown_id = vocabulary.get(unknown, -1)
        others = sorted(set(vocabulary.values()) - {unknown_id})
        ids = np.array([-1, unknown_id, *others], dtype=np.int64)
        ids.flags.writeable = False  # all have the same
        return ids

    def __str__(self):
        """Return what tells it from others, but for padding and truncation, which act on no row of ids."""
        model = self.tokenizer.model
        head = self.text.index('"added_tokens"')
        digest = blake2b(self.text[head:].encode(), digest_size=8).hexdigest()
        return f"<{type(model).__name__} tokenizer of {self.tokenizer.get_vocab_size()} tokens, {digest}>"

    def __reduce__(self):
        return _intern, (self.text,)


class HeldTokenizer:
    """Stands for a tokenizer in what is pickled or copied, and becomes one of the same content there.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        The tokenizer.
    """

    def __init__(self, tokenizer):
        self.content = content_of(tokenizer)

    def __reduce__(self):
        return TokenizerContent.held, (self.content,)


def content_of(tokenizer):
    """Return the `TokenizerContent` of a `tokenizers.Tokenizer` as it is now."""
    return _intern(tokenizer.to_str())


def model_ids(tokenizer):
    """Return the tokenizer's own id for each id that `TextTransformer` gives out for its tokens.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        A ready-made one.

    Returns
    -------
    ids : numpy.ndarray of shape (n_ids,), dtype int64
        Read-only. The first is -1, because padding, 0, is none of the tokenizer's ids, not even of its padding token.
        The second is its unknown token, -1 where it has none. All others follow in order, added tokens among them.
    """
    return content_of(tokenizer).model_ids


def read_tokenizer(path):
    """Return the tokenizer that a ``tokenizer.json`` describes; all who ask for a file get the same, not to be changed.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    tokenizer : tokenizers.Tokenizer
        Read again where the file has changed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"TextTransformer cannot find the tokenizer file {str(path)!r}.")
    stat = path.stat()
    return _read(str(path.absolute()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path, size, mtime):
    try:
        return Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(
            f"TextTransformer cannot read the tokenizer file {path!r}: {error}. It must be what "
            f"`tokenizers.Tokenizer.save` writes, usually called tokenizer.json."
        ) from error


def _intern(text):
    key = blake2b(text.encode(), digest_size=16).digest()
    return _contents.setdefault(key, TokenizerContent(text))
