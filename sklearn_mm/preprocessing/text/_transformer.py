"""Cells with text to token ids."""

import copy
import os
from collections.abc import Callable
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from tokenizers import Tokenizer

from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.blocks._specs import TextSpec
from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing.cells._items import explode, explode_as_fitted
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.text._callable_splitter import CallableSplitter, copyable
from sklearn_mm.preprocessing.text._list_tokenizer import ListTokenizer
from sklearn_mm.preprocessing.text._ngrams import NGramTokenizer, check_ngram_range
from sklearn_mm.preprocessing.text._normalizer import Normalizer
from sklearn_mm.preprocessing.text._padding import NO_FRAME, auto_length
from sklearn_mm.preprocessing.text._part_of_speech import PosTagger, join_tags
from sklearn_mm.preprocessing.text._ready_tokenizer import ReadyTokenizer
from sklearn_mm.preprocessing.text._stop_words import find_stop_words
from sklearn_mm.preprocessing.text._text_cells import check_texts
from sklearn_mm.preprocessing.text._tokenizer_kinds import (
    KEEP_SPELLING,
    NAMES,
    READY_MADE,
    check_pos_tags,
    check_special_tokens,
    kind_of,
)
from sklearn_mm.preprocessing.text._trained_tokenizers import train
from sklearn_mm.preprocessing.text._truncation import count_cut_texts, warn_of_cut_texts
from sklearn_mm.preprocessing.text._vocabulary import PADDING
from sklearn_mm.preprocessing.text._windows import Windows
from sklearn_mm.utils._messages import of_column
from sklearn_mm.utils._object_arrays import object_array
from sklearn_mm.utils._tokenizers import HeldTokenizer, read_tokenizer
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["TextTransformer"]


class TextTransformer(BlockTransformer):
    """Turn a column of texts into an int32 array (n, length) of token ids.

    Id 0 is padding, at the end of a row; id 1 is any token that the vocabulary does not know. A missing cell (None,
    NaN, ``pd.NA``, an empty or blank string) gives a row of zeros, and a text without a single known token gives at
    least one 1.

    A cell may also be a list of texts (or a tuple, or a 1-D array of strings), such as the reviews of one thing. Then
    the result is a `Ragged`, which holds the ids of all texts in one array, and a single text counts as a list of one.
    An empty list is a missing cell, and what is missing in a list is left out of it.

    Texts are brought into Unicode's form NFKC first, and white space of any length and kind counts as one space, but
    for ready-made tokenizers and "byte_bpe".
    Words are runs of letters and digits; every other sign, each emoji among them, is a word of its own, and so is
    each letter of the scripts that are written without spaces (Chinese characters, Hiragana, Thai, Lao, Khmer, Burmese
    and Tibetan).

    Parameters
    ----------
    tokenizer : str, path, tokenizers.Tokenizer or callable, default="word"
        What a token is. The vocabulary of the named ones is learnt in `fit`:

        - "word": a word. The choice for recurrent and convolutional encoders and most small data sets.
        - "bpe", "wordpiece", "unigram": a word or a frequent part of one, by byte-pair encoding [1]_, WordPiece [2]_
          or a unigram language model [3]_. Unseen words are spelt from parts, so that little is unknown and the
          vocabulary can be small; rows are longer.
        - "byte_bpe": byte-pair encoding of the bytes of the text as it is written (UTF-8) [6]_. Nothing is unknown, and
          with ``lowercase=False`` `inverse_transform` gives back the very string, with its spaces, signs and emojis:
          the choice for texts that are to be written. 256 ids are those of bytes.
        - "char": a character. The smallest vocabulary and the longest rows.
        - "ngram": words, word n-grams and character n-grams, as in fastText [4]_ [5]_, for encoders that take a text
          as a bag. Unseen n-grams are dropped.

        Or ready-made, with its own vocabulary, to which ``lowercase``, ``strip_accents`` and ``stop_words`` are
        applied beforehand (a tokenizer that tells capitals apart wants ``lowercase=False``): a path that ends in
        ``.json``, of a file that `tokenizers.Tokenizer.save` wrote (each ``tokenizer.json`` on the Hugging Face hub
        is one), or a `tokenizers.Tokenizer`. Its unknown token gets id 1 and all others, in the order of their ids,
        the ids from 2 on. Its own padding and truncation do not act.

        Or a callable from a str to a list of str (for example ``jieba.lcut``), whose strings are the words of a
        vocabulary that is learnt in `fit`. A transformer with a lambda cannot be pickled.
    lowercase : bool, default=True
        Whether "The" and "the" are one token.
    strip_accents : bool, default=False
        Whether to take the accents off Latin, Greek and Cyrillic letters, so that "é" and "e" are one token. Marks
        that make another letter of another script stay.
    stop_words : str, list of str or None, default=None
        Words to take out before anything else, whatever their case if ``lowercase``; for a callable or with
        ``pos_tags``, the tokens that equal one of them. Or the language whose stop words these are, by its English
        name or its code: "english" (or "en") is scikit-learn's list; "german" ("de"), "french" ("fr") and some thirty
        others are those of the package stop-words, which ``pip install "sklearn-mm[text]"`` installs.
    pos_tags : str, spacy.Language, callable or None, default=None
        What splits texts into words and tags each with its part of speech, so that "a run_NOUN" and "I run_VERB" are
        two tokens. For ``tokenizer="word"``, whose tokens they become, and "ngram", whose word n-grams are then made
        of them (the character n-grams stay those of the words alone). Texts are tagged as they are written;
        ``lowercase``, ``strip_accents`` and ``stop_words`` act on the words afterwards. It makes each token rarer, so
        that more texts are needed, and reading slower.

        - The name or path of a spaCy pipeline that is installed, such as "en_core_web_sm". The tag is the universal
          one (VERB, NOUN, …), or, of pipelines without, their own. Only what tags need is run of it. It is loaded
          once per process, and a pickle holds the name alone. ``pip install "sklearn-mm[pos]"`` installs spaCy.
        - A pipeline, loaded. `sklearn.base.clone` and pickles copy it.
        - A callable from a str to a list of pairs of str (token, tag), for other taggers and tags.
    vocab_size : int, default=20000
        Largest number of ids, the two reserved ones included, at least 6. The most frequent tokens stay, of equally
        frequent ones the first in alphabetical order. Smaller makes more words unknown, or, with subwords, cut into
        more parts; it saves parameters and overfits less. Not used with a ready-made tokenizer.
    min_frequency : int, default=1
        Number of occurrences in the texts of `fit` below which a token is left out of the vocabulary; "bpe" and
        "wordpiece" require it of each pair that they merge, and all subword models of each character. With 1, the
        id 1 does not occur in the texts of `fit` and encoders learn nothing about it. Not used with a ready-made
        tokenizer.
    max_length : int or "auto", default="auto"
        Number of ids per row. The rest of a longer text is cut off (unless ``long_texts="chunk"``), of which `fit`
        warns once, with the share of the rows concerned; `transform` cuts silently. Longer rows cost time and memory.
        "auto" takes the longest text of `fit`, or, where this is more than twice as long as 99 % of the texts are, the
        length of these, but no more than 512 ("char": 2048, "ngram": 4096).
    char_ngram_range : tuple (shortest, longest) or None, default=(3, 6)
        Lengths of the character n-grams of "ngram", in characters, with "<" before and ">" after a word as two of
        them; in scripts that are written without spaces they are one shorter. Longer ones are more specific and more
        numerous. None for no character n-grams.
    word_ngram_range : tuple (shortest, longest) or None, default=(1, 2)
        Lengths of the word n-grams of "ngram", in words. (1, 1) gives words alone, None leaves them out too.
    lists : bool or "auto", default="auto"
        Whether cells are lists of texts. "auto" says yes if there is a list in `fit`, or if long texts are chunked;
        else a list of more than one is an error later. With False any list is an error.
    special_tokens : bool, default=False
        Whether each text stands between the special tokens that a ready-made tokenizer was made to add (its
        post-processor), such as [CLS] and [SEP], or <s> and </s>: what a pretrained model wants. They count for
        ``max_length``, and stay where a text is cut. Arrays are then only as long as their longest row.
    long_texts : {"truncate", "chunk"}, default="truncate"
        What becomes of texts longer than ``max_length``. "truncate" cuts off the rest. "chunk" reads all of them in
        windows of ``max_length`` tokens, each of which shares a quarter of its tokens with the next (a sliding window
        with a stride; the last one ends with the text and may share more). Then the result is a `Ragged`, whose
        items are windows, as if they were texts of a list; an estimator averages their vectors.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The id of each token.
    tokenizer_ : tokenizers.Tokenizer
        What makes the tokens, but for "ngram", callables and ``pos_tags``. Given as ``tokenizer`` of another
        `TextTransformer`, it reads with the same vocabulary.
    spec_ : TextSpec
        Length of a text, number of ids and kind of tokenizer: its name, or "custom".

    References
    ----------
    .. [1] Sennrich, Haddow, Birch: Neural Machine Translation of Rare Words with Subword Units. ACL 2016.
    .. [2] Schuster, Nakajima: Japanese and Korean Voice Search. ICASSP 2012.
    .. [3] Kudo: Subword Regularization. ACL 2018.
    .. [4] Bojanowski, Grave, Joulin, Mikolov: Enriching Word Vectors with Subword Information. TACL 2017.
    .. [5] Joulin, Grave, Bojanowski, Mikolov: Bag of Tricks for Efficient Text Classification. EACL 2017.
    .. [6] Radford, Wu, Child, Luan, Amodei, Sutskever: Language Models are Unsupervised Multitask Learners. 2019.

    Examples
    --------
    >>> from sklearn_mm.preprocessing import TextTransformer
    >>> transformer = TextTransformer().fit(["A dog runs.", "The dog sleeps.", None])
    >>> transformer.transform(["The dog barks.", None])
    array([[7, 3, 1, 2],
           [0, 0, 0, 0]], dtype=int32)
    >>> transformer.inverse_transform([[7, 3, 1, 2]])
    array(['the dog [UNK] .'], dtype=object)
    >>> transformer.fit_transform([["A dog runs.", "Fast!"], "The dog sleeps.", []]).counts
    array([2, 1, 0])
    """

    _parameter_constraints = {
        "tokenizer": [str, os.PathLike, Tokenizer, callable],
        "lowercase": ["boolean"],
        "strip_accents": ["boolean"],
        "stop_words": [str, list, tuple, set, frozenset, None],
        "pos_tags": [str, os.PathLike, callable, None],
        "vocab_size": [Interval(Integral, 6, None, closed="left")],
        "min_frequency": [Interval(Integral, 1, None, closed="left")],
        "max_length": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "char_ngram_range": [tuple, None],
        "word_ngram_range": [tuple, None],
        "lists": ["boolean", StrOptions({"auto"})],
        "special_tokens": ["boolean"],
        "long_texts": [StrOptions({"truncate", "chunk"})],
    }

    def __init__(
        self,
        tokenizer: str | PathLike | Tokenizer | Callable = "word",
        *,
        lowercase: bool = True,
        strip_accents: bool = False,
        stop_words: str | list[str] | None = None,
        pos_tags: str | Callable | None = None,
        vocab_size: int = 20_000,
        min_frequency: int = 1,
        max_length: int | str = "auto",
        char_ngram_range: tuple[int, int] | None = (3, 6),
        word_ngram_range: tuple[int, int] | None = (1, 2),
        lists: bool | str = "auto",
        special_tokens: bool = False,
        long_texts: str = "truncate",
    ):
        self.tokenizer = tokenizer
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.stop_words = stop_words
        self.pos_tags = pos_tags
        self.vocab_size = vocab_size
        self.min_frequency = min_frequency
        self.max_length = max_length
        self.char_ngram_range = char_ngram_range
        self.word_ngram_range = word_ngram_range
        self.lists = lists
        self.special_tokens = special_tokens
        self.long_texts = long_texts

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_read(self, X: Any, y: Any = None) -> tuple[Any, np.ndarray]:
        """Learn the vocabulary and the length of a row, and return the ids and which cells are there.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n,) or (n, 1)
            Strings, lists of strings, and missing cells.
        y : None
            Ignored.

        Returns
        -------
        ids : numpy.ndarray of shape (n, length) or Ragged, dtype int32
            Token ids, 0 for padding.
        present : numpy.ndarray of shape (n,), dtype bool
            False for missing cells.
        """
        cells, column = as_cells(X, type(self).__name__)
        chunk = self.long_texts == "chunk"
        items = explode(cells, column, bool(self.lists) if chunk else self.lists)
        present = check_texts(items)
        if not present.any():
            raise ValueError(
                f"TextTransformer needs at least one text to learn from, but all {len(cells)} "
                f"cells{of_column(column)} are missing or blank."
            )
        for name in ("char_ngram_range", "word_ngram_range"):
            check_ngram_range(getattr(self, name), name)
        kind = kind_of(self.tokenizer)
        if self.special_tokens:
            check_special_tokens(kind)
        stop_words = self._set_normalizer(kind)
        texts = self._normalize(items.cells[present])
        self._token_ids = self._make_token_ids(kind, texts, stop_words)
        if self._token_ids.n_ids <= 2:
            raise ValueError(
                f"TextTransformer found no token{of_column(column)} to put into the vocabulary: perhaps the texts are "
                f"made of stop words only, or min_frequency={self.min_frequency} is too high."
            )
        flat, lengths = self._token_ids.encode(texts)
        frame = self._token_ids.frame if self.special_tokens else NO_FRAME
        framed_lengths = lengths + sum(map(len, frame))
        max_length = auto_length(framed_lengths, kind) if self.max_length == "auto" else int(self.max_length)
        self._windows = Windows(max_length, frame, chunk, full=not self.special_tokens)
        self._cut_texts = None if chunk else count_cut_texts(framed_lengths, max_length, column, self.special_tokens)
        self.spec_ = TextSpec(
            name="" if column is None else str(column),
            shape=(max_length,),
            vocab_size=self._token_ids.n_ids,
            tokenizer=kind if kind in NAMES else "custom",
            n_word_ids=self._token_ids.n_word_ids if kind == "ngram" else None,
            special_ids=tuple(np.unique(np.concatenate(frame)).tolist()),
            pool="mean" if items.are_lists or chunk else None,
        )
        return self._windows.rows(flat, lengths, items, present)

    def read(self, X: Any) -> tuple[Any, np.ndarray]:
        """Return the ids and which cells are there.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n,) or (n, 1)
            Strings, lists of strings, and missing cells.

        Returns
        -------
        ids : numpy.ndarray of shape (n, length) or Ragged, dtype int32
            Token ids, 0 for padding.
        present : numpy.ndarray of shape (n,), dtype bool
            False for missing cells.
        """
        check_is_fitted(self)
        cells, column = as_cells(X, type(self).__name__)
        if self._windows.chunk:
            items = explode(cells, column, bool(self.lists))
        else:
            items = explode_as_fitted(cells, column, self.lists, self.spec_, type(self).__name__)
        present = check_texts(items)
        flat, lengths = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
        if present.any():
            flat, lengths = self._token_ids.encode(self._normalize(items.cells[present]))
        return self._windows.rows(flat, lengths, items, present)

    def inverse_transform(self, X: ArrayLike | Ragged) -> np.ndarray:
        """Return the strings that rows of ids stand for, as far as the tokenizer keeps them.

        "word" and callables give the tokens joined by spaces, "char" the characters, "bpe", "byte_bpe", "wordpiece",
        "unigram" and ready-made tokenizers what the decoder of the `tokenizers` library makes of them, and "ngram" the
        words that the vocabulary knows, in order. Words keep the part-of-speech tags that they were joined by.
        Capitals, accents, stop words and what was cut off do not come back, and special tokens around a text are taken
        off. Where ids of "byte_bpe" are no text, as where a character is cut, they read "�". Of texts that were
        chunked each window comes back, with what it shares with the next.

        Parameters
        ----------
        X : array-like of shape (n, any length) or Ragged, dtype int
            Token ids. Zeros are left out.

        Returns
        -------
        texts : numpy.ndarray of shape (n,), dtype object
            Strings, or lists of strings of a `Ragged`; empty for rows of zeros. An unknown token reads "[UNK]", or as a
            ready-made tokenizer calls it.
        """
        check_is_fitted(self)
        if isinstance(X, Ragged):
            texts = Ragged(self.inverse_transform(X.items), X.offsets)
            return object_array([row.tolist() for row in texts])
        ids = np.asarray(X)
        if ids.ndim != 2 or ids.dtype.kind not in "iu":
            raise ValueError(
                f"TextTransformer.inverse_transform takes an array of ints of shape (n, length), got {ids.dtype} of "
                f"shape {ids.shape}."
            )
        n_ids = self.spec_.vocab_size
        if ids.size and not 0 <= ids.min() <= ids.max() < n_ids:
            raise ValueError(
                f"TextTransformer.inverse_transform takes ids from 0 to {n_ids - 1}, got ids from {ids.min()} to "
                f"{ids.max()}."
            )
        return object_array(self._token_ids.decode([row[row != PADDING].tolist() for row in ids]))

    @property
    def vocabulary_(self) -> dict[str, int]:
        return self._token_ids.vocabulary

    @property
    def tokenizer_(self) -> Tokenizer:
        tokenizer = getattr(self._token_ids, "tokenizer", None)
        if not isinstance(tokenizer, Tokenizer):
            raise AttributeError(f"{self} has no tokenizer_, which only models of the library tokenizers have.")
        return Tokenizer.from_str(tokenizer.to_str())  # nobody is to change ours

    def _warn_of_fit(self):
        if self._cut_texts:
            warn_of_cut_texts([self._cut_texts], type(self).__name__)

    def __copy__(self):
        other = type(self).__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self):
        return {**super().__getstate__(), "tokenizer": self._copyable_tokenizer()}

    def __sklearn_clone__(self):
        return type(self)(**copy.deepcopy({**self.get_params(deep=False), "tokenizer": self._copyable_tokenizer()}))

    def _copyable_tokenizer(self):
        return HeldTokenizer(self.tokenizer) if isinstance(self.tokenizer, Tokenizer) else copyable(self.tokenizer)

    def _set_normalizer(self, kind):
        """Make what brings texts into form, and return the stop words that are left to the tokenizer."""
        stop_words = find_stop_words(self.stop_words)
        settings = {
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "unify": kind not in KEEP_SPELLING,
        }
        plain = Normalizer(**settings)
        self._tagger = None
        if self.pos_tags is not None:
            check_pos_tags(kind)
            self._tagger = PosTagger(self.pos_tags, plain.spell, stop_words)
            self._normalizer = Normalizer(lowercase=False, strip_accents=False)  # a tagger reads capitals too
            return frozenset()
        if kind == "callable":  # only its own idea of a word can tell which words are stop words
            self._normalizer = plain
            return frozenset(map(plain, stop_words))
        self._normalizer = Normalizer(**settings, stop_words=stop_words)
        return frozenset()

    def _normalize(self, texts):
        """Return texts as the tokenizer wants them: strings in one spelling, or lists of tagged words."""
        texts = [self._normalizer(text) for text in texts]
        return texts if self._tagger is None else self._tagger(texts)

    def _make_token_ids(self, kind, texts, stop_words):
        if kind in READY_MADE:
            tokenizer = read_tokenizer(self.tokenizer) if kind == "file" else self.tokenizer
            return ReadyTokenizer.wrap(tokenizer, self.special_tokens)
        if kind == "callable":
            tokenizer = ListTokenizer(CallableSplitter(self.tokenizer, stop_words))
        elif kind == "ngram":
            tokenizer = NGramTokenizer(self.char_ngram_range, self.word_ngram_range, tagged=self._tagger is not None)
        elif self._tagger is not None:
            tokenizer = ListTokenizer(join_tags)
        else:
            return train(kind, texts, self.vocab_size, self.min_frequency)
        return tokenizer.fit(texts, self.vocab_size, self.min_frequency)
