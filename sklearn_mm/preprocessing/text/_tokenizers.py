"""Texts to token ids, by models trained on the texts of ``fit``, by tokenizer files and by callables.

Each tokenizer here has ``vocabulary`` (token to id), ``n_ids`` (ids are smaller), ``encode(texts)``, which returns the
ids of all texts in one int32 array and the number of ids of each text, and ``decode(ids)``, which takes a list of ids
per text and returns strings.
"""

import importlib
import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

__all__ = [
    "PADDING",
    "TRAINED",
    "UNKNOWN",
    "CallableSplitter",
    "ListTokenizer",
    "ModelTokenizer",
    "Normalizer",
    "copyable",
    "most_frequent",
    "split_runs",
    "split_words",
    "train",
]

PADDING = 0
UNKNOWN = 1
TRAINED = ("bpe", "char", "unigram", "word", "wordpiece")
SPECIAL_TOKENS = ["[PAD]", "[UNK]"]

# Scripts that are written without spaces. Katakana is not among them: it mostly spells single loan words.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
# Longer runs than 100 are cut: they are data rather than words, and training subwords on them takes minutes or crashes.
# \X is what a reader sees as one sign: a flag or a family of emoji is one token although it is several code points.
_RUN = r"[\p{L}\p{N}_][\p{L}\p{M}\p{N}_]{0,99}|(?!\s)\X"
_WORD = (
    rf"[{_UNSPACED}]\p{{M}}*|"
    rf"[\p{{L}}\p{{N}}_&&[^{_UNSPACED}]][\p{{L}}\p{{M}}\p{{N}}_&&[^{_UNSPACED}]]{{0,99}}|"
    rf"(?!\s)\X"
)
_RUNS = pre_tokenizers.Split(Regex(_RUN), behavior="removed", invert=True)
_WORDS = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
_ASCII_RUN = re.compile(r"\w{1,100}|[^\w\s]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_COMBINING_ACCENT = re.compile("[\u0300-\u036f]+")
_BATCH = 10_000  # the library keeps much more than the ids of each text, so that all texts at once would fill memory


def split_words(text):
    """Return pairs of a word and its place (start, end): letters and digits, single signs, single unspaced letters."""
    return _WORDS.pre_tokenize_str(text)


def split_runs(text):
    """Return runs of letters and digits, and single signs; text without spaces stays one run."""
    if text.isascii():  # the same result, many times faster
        return _ASCII_RUN.findall(text)
    return [run for run, _ in _RUNS.pre_tokenize_str(text)]


def most_frequent(counts, vocab_size, min_frequency):
    """Return the vocabulary, token to id, of a Counter: the most frequent tokens, ties in the order of the tokens."""
    frequent = [t for t, count in counts.items() if count >= min_frequency and t not in SPECIAL_TOKENS]
    frequent.sort(key=lambda token: (-counts[token], token))
    return {token: i for i, token in enumerate(SPECIAL_TOKENS + frequent[: vocab_size - len(SPECIAL_TOKENS)])}


class Normalizer:
    """Bring a text into the form in which tokenizers meet it.

    Parameters
    ----------
    lowercase, strip_accents : bool
        As in `TextTransformer`.
    stop_words : iterable of str
        Words to take out. One that `split_words` takes for several, such as "don't", goes where they all follow.
    unify : bool
        Whether to bring the text into Unicode's form NFKC and to write any white space as one space.
    """

    def __init__(self, lowercase, strip_accents, stop_words=(), unify=True):
        self.lowercase = lowercase
        self.strip_accents = strip_accents
        self.unify = unify
        self._phrases = {}  # stop words by their first part, the longest first
        for stop_word in stop_words:
            parts = [part for part, _ in split_words(self.spell(stop_word))]
            if parts:
                self._phrases.setdefault(parts[0], set()).add(tuple(parts))
        self._phrases = {first: sorted(phrases, key=len, reverse=True) for first, phrases in self._phrases.items()}

    def __call__(self, text):
        text = self.spell(text)
        if self._phrases:
            text = self._without_stop_words(text)
        return " ".join(text.split()) if self.unify or self._phrases else text

    def spell(self, text):
        """Return the text in the one spelling of its letters, stop words included."""
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: broken text, which the tokenizers refuse
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self.unify:
            text = unicodedata.normalize("NFKC", _CONTROL.sub(" ", text))
        if self.lowercase:
            text = text.lower()
        if self.strip_accents:
            # Only the accents of European scripts: the marks of others (Japanese, Hindi, Thai) make another letter.
            text = _COMBINING_ACCENT.sub("", unicodedata.normalize("NFD", text))
            text = unicodedata.normalize("NFC", text)
        return text

    def _without_stop_words(self, text):
        words = split_words(text)
        kept, end, i = [], 0, 0
        while i < len(words):
            n_parts = self._stop_word_at(words, i)
            if n_parts:
                kept.append(text[end : words[i][1][0]])
                end = words[i + n_parts - 1][1][1]
            i += n_parts or 1
        return "".join(kept) + text[end:]

    def _stop_word_at(self, words, i):
        for phrase in self._phrases.get(words[i][0], ()):
            if phrase == tuple(word for word, _ in words[i : i + len(phrase)]):
                return len(phrase)
        return 0


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


def copyable(function):
    """Return what is to be copied and pickled in place of a function, and becomes it again there.

    That is a reference by name for a method that a module offers as a function, such as ``jieba.lcut``, whose object
    has a lock and cannot be copied. Everything else is returned as it is.
    """
    module = sys.modules.get(type(getattr(function, "__self__", None)).__module__)
    name = getattr(function, "__name__", "")
    return _Reference(module.__name__, name) if getattr(module, name, None) == function else function


class _Reference:
    """A function that pickle and deepcopy find by its name in a module."""

    def __init__(self, module, name):
        self.module = module
        self.name = name

    def __call__(self, text):  # a shallow copy keeps the reference
        return _find(self.module, self.name)(text)

    def __reduce__(self):
        return _find, (self.module, self.name)


def _find(module, name):
    return getattr(importlib.import_module(module), name)


class CallableSplitter:
    """Split a text by a user's function from str to a list of str, and leave stop words out."""

    def __init__(self, function, stop_words):
        self.function = function
        self.stop_words = stop_words

    def __getstate__(self):
        return {**vars(self), "function": copyable(self.function)}

    def __call__(self, text):
        tokens = self.function(text)
        if isinstance(tokens, (str, bytes, Mapping)) or not isinstance(tokens, Iterable):
            raise TypeError(self._complaint(f"an object of type {type(tokens).__name__}", text))
        tokens = list(tokens)
        for token in tokens:
            if not isinstance(token, str):
                raise TypeError(self._complaint(f"a list with an element of type {type(token).__name__}", text))
        return [token for token in tokens if token.strip() and token not in self.stop_words]

    def _complaint(self, got, text):
        name = getattr(self.function, "__qualname__", type(self.function).__name__)
        return (
            f"TextTransformer needs a tokenizer that returns a list of str for a str, but {name} returned {got} for "
            f"{text[:60]!r}. Of a transformers tokenizer, hand in its `tokenize` or its `backend_tokenizer`."
        )


def train(kind, texts, vocab_size, min_frequency):
    """Return a `ModelTokenizer` of one of the kinds in ``TRAINED``, trained on normalised texts.

    The vocabulary depends on the texts alone: not on their order, the number of threads or the process.
    """
    tokenizer = _TRAIN[kind](texts, vocab_size, min_frequency)
    return ModelTokenizer(tokenizer)


def _fit_model(model, trainer, pre_tokenizer, texts):
    scratch = Tokenizer(model)
    scratch.pre_tokenizer = pre_tokenizer
    scratch.train_from_iterator(texts, trainer)
    return scratch.model


def _assemble(model, pre_tokenizer, decoder=None):
    # A new tokenizer, because the trained one would take the string "[PAD]" in a text for padding.
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if decoder is not None:
        tokenizer.decoder = decoder
    return tokenizer


def _train_units(texts, vocab_size, min_frequency, pre_tokenizer, decoder=None):
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=SPECIAL_TOKENS, show_progress=False
    )
    model = _fit_model(models.WordLevel(unk_token="[UNK]"), trainer, pre_tokenizer, texts)
    return _assemble(model, pre_tokenizer, decoder)


def _train_words(texts, vocab_size, min_frequency):
    return _train_units(texts, vocab_size, min_frequency, _WORDS)


def _train_characters(texts, vocab_size, min_frequency):
    characters = pre_tokenizers.Split(Regex("."), behavior="isolated")
    return _train_units(texts, vocab_size, min_frequency, characters, decoders.Fuse())


def _train_bpe(texts, vocab_size, min_frequency):
    texts = _with_frequent_characters(texts, vocab_size, min_frequency)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=SPECIAL_TOKENS, show_progress=False
    )
    model = _fit_model(models.BPE(unk_token="[UNK]", fuse_unk=True), trainer, _spaced_runs(), texts)
    return _assemble(model, _spaced_runs(), decoders.Metaspace(prepend_scheme="first"))


def _train_wordpiece(texts, vocab_size, min_frequency):
    texts = _with_frequent_characters(texts, vocab_size, min_frequency)
    words = _train_units(texts, 2**31, 0, _WORDS).get_vocab()
    # The trainer numbers these in an order that changes from run to run, and breaks ties by the numbers.
    continuations = sorted({"##" + letter for word in words if word not in SPECIAL_TOKENS for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS + continuations,
        show_progress=False,
    )
    model = _fit_model(models.WordPiece(unk_token="[UNK]"), trainer, _WORDS, texts)
    return _assemble(model, _WORDS, decoders.WordPiece())


def _train_unigram(texts, vocab_size, min_frequency):
    texts = _with_frequent_characters(texts, vocab_size, min_frequency)
    trainer = trainers.UnigramTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL_TOKENS, unk_token="[UNK]", show_progress=False
    )
    model = _fit_model(models.Unigram(), trainer, _spaced_runs(), texts)
    scratch = Tokenizer(model)
    vocabulary = json.loads(scratch.to_str())["model"]["vocab"]
    # Rounded because sums differ in their last digits from run to run; NaN (null) where all letters occur once.
    scores = {token: 0.0 if score is None else round(score, 6) for token, score in vocabulary}
    for token in SPECIAL_TOKENS:
        del scores[token]
    # Letters that are only in the vocabulary so that every text can be spelt get the lowest score, plus 0.0001 for
    # each in an order that changes from run to run. Here they all get the lowest.
    letters = [token for token in scores if len(token) == 1]
    lowest = min(scores.values(), default=0.0)
    for letter in letters:
        if scores[letter] < lowest + 1e-4 * len(letters):
            scores[letter] = lowest
    pieces = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: vocab_size - len(SPECIAL_TOKENS)]
    model = models.Unigram([(token, 0.0) for token in SPECIAL_TOKENS] + pieces, unk_id=UNKNOWN)
    return _assemble(model, _spaced_runs(), decoders.Metaspace(prepend_scheme="first"))


def _spaced_runs():
    """Runs, each with the space before it as "▁", so that the text can be put together again."""
    runs = pre_tokenizers.Split(Regex(rf" ?(?:{_RUN})"), behavior="isolated")
    return pre_tokenizers.Sequence([runs, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)])


def _with_frequent_characters(texts, vocab_size, min_frequency):
    """Blank out rare characters, so that spelling the rest takes half of the vocabulary at most."""
    counts = Counter()
    for text in texts:
        counts.update(text)
    del counts[" "]
    kept = most_frequent(counts, vocab_size // 2, min_frequency)
    rare = str.maketrans(dict.fromkeys(counts.keys() - kept.keys(), " "))
    return [text.translate(rare) for text in texts] if rare else texts


_TRAIN = {
    "bpe": _train_bpe,
    "char": _train_characters,
    "unigram": _train_unigram,
    "word": _train_words,
    "wordpiece": _train_wordpiece,
}
