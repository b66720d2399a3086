"""Word segmentation: runs of letters and digits, single signs, and letters of scripts without spaces."""

import re

from tokenizers import Regex, pre_tokenizers

__all__ = ["RUN", "WORDS", "split_runs", "split_words"]

# Scripts that are written without spaces. Katakana is not among them: it mostly spells single loan words.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
# Longer runs than 100 are cut: they are data rather than words, and training subwords on them takes minutes or crashes.
# \X is what a reader sees as one sign: a flag or a family of emoji is one token although it is several code points.
RUN = r"[\p{L}\p{N}_][\p{L}\p{M}\p{N}_]{0,99}|(?!\s)\X"
_WORD = (
    rf"[{_UNSPACED}]\p{{M}}*|"
    rf"[\p{{L}}\p{{N}}_&&[^{_UNSPACED}]][\p{{L}}\p{{M}}\p{{N}}_&&[^{_UNSPACED}]]{{0,99}}|"
    rf"(?!\s)\X"
)
_RUNS = pre_tokenizers.Split(Regex(RUN), behavior="removed", invert=True)
WORDS = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
_ASCII_RUN = re.compile(r"\w{1,100}|[^\w\s]", re.ASCII)


def split_words(text):
    """Return pairs of a word and its place (start, end): letters and digits, single signs, single unspaced letters."""
    return WORDS.pre_tokenize_str(text)


def split_runs(text):
    """Return runs of letters and digits, and single signs; text without spaces stays one run."""
    if text.isascii():  # the same result, many times faster
        return _ASCII_RUN.findall(text)
    return [run for run, _ in _RUNS.pre_tokenize_str(text)]
