"""Vocabularies: the reserved ids, and which tokens get the others."""

__all__ = ["PADDING", "SPECIAL_TOKENS", "UNKNOWN", "most_frequent"]

PADDING = 0
UNKNOWN = 1
SPECIAL_TOKENS = ["[PAD]", "[UNK]"]


def most_frequent(counts, vocab_size, min_frequency):
    """Return the vocabulary, token to id, of a Counter: the most frequent tokens, ties in the order of the tokens."""
    frequent = [t for t, count in counts.items() if count >= min_frequency and t not in SPECIAL_TOKENS]
    frequent.sort(key=lambda token: (-counts[token], token))
    return {token: i for i, token in enumerate(SPECIAL_TOKENS + frequent[: vocab_size - len(SPECIAL_TOKENS)])}
