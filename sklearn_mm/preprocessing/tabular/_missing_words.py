"""Words and signs that stand for a missing value in a table."""

__all__ = ["is_missing_word"]

_WORDS = {
    *("", "?", "??", "???", "-", "--", "---", "\u2013", "\u2014", "\u2212", ".", "..", "...", "*", "_"),
    *("na", "n/a", "n.a.", "n.a", "#na", "#n/a", "#n/a n/a", "<na>", "not available", "not applicable", "no data"),
    *("nan", "-nan", "nat", "none", "nil", "null", "<null>", "(null)", "\\n", "unknown", "undefined", "missing", "tbd"),
    *("#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
}


def is_missing_word(string):
    """Return whether a string is blank, or a well-known word or sign for "missing" in a column of numbers or dates."""
    return string.strip().lower() in _WORDS
