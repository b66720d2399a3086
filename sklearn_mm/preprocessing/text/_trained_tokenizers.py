"""Tokenizers that are trained on the texts of ``fit``: words, characters, BPE, WordPiece and unigram."""

import json
from collections import Counter

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from sklearn_mm.preprocessing.text._model_tokenizer import ModelTokenizer
from sklearn_mm.preprocessing.text._vocabulary import SPECIAL_TOKENS, UNKNOWN, most_frequent
from sklearn_mm.preprocessing.text._words import RUN, WORDS

__all__ = ["TRAINED", "train"]

TRAINED = ("bpe", "byte_bpe", "char", "unigram", "word", "wordpiece")


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
    return _train_units(texts, vocab_size, min_frequency, WORDS)


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


def _train_byte_bpe(texts, vocab_size, min_frequency):
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    fewest = len(alphabet) + len(SPECIAL_TOKENS)
    if vocab_size < fewest:
        raise ValueError(
            f"TextTransformer with tokenizer='byte_bpe' needs an id for each of 256 bytes, and {len(SPECIAL_TOKENS)} "
            f"more: vocab_size must be at least {fewest}, got {vocab_size}."
        )
    runs = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    return _assemble(_fit_model(models.BPE(), trainer, runs, texts), runs, decoders.ByteLevel())


def _train_wordpiece(texts, vocab_size, min_frequency):
    texts = _with_frequent_characters(texts, vocab_size, min_frequency)
    words = _train_units(texts, 2**31, 0, WORDS).get_vocab()
    # The trainer numbers these in an order that changes from run to run, and breaks ties by the numbers.
    continuations = sorted({"##" + letter for word in words if word not in SPECIAL_TOKENS for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=SPECIAL_TOKENS + continuations,
        show_progress=False,
    )
    model = _fit_model(models.WordPiece(unk_token="[UNK]"), trainer, WORDS, texts)
    return _assemble(model, WORDS, decoders.WordPiece())


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
    runs = pre_tokenizers.Split(Regex(rf" ?(?:{RUN})"), behavior="isolated")
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
    "byte_bpe": _train_byte_bpe,
    "char": _train_characters,
    "unigram": _train_unigram,
    "word": _train_words,
    "wordpiece": _train_wordpiece,
}
