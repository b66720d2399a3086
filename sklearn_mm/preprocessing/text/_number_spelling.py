"""One spelling for the digits, spaces and signs of numbers, whatever their script."""

import re
import unicodedata

__all__ = ["NO_BREAK", "spell_numbers"]

# A space that does not break, between digits: it sets off thousands, where an ordinary one may part two numbers.
NO_BREAK = "\ue000"
_SIGNS = {
    **dict.fromkeys("\u00a0\u2007\u2009\u202f", NO_BREAK),
    **dict.fromkeys("\u2010\u2011\u2212", "-"),
    **dict.fromkeys("\u2715\u2716\u2a2f", "×"),
    **dict.fromkeys("\u2019\u2032\u066c", "'"),
    **dict.fromkeys("\u201d\u2033", '"'),
    **{"\u066b": ".", "\u066a": "%", "\u301c": "~", "\u2103": "°C", "\u2109": "°F"},
}
_REWRITTEN = ("<wide>", "<narrow>", "<square>", "<fraction>")
_BREAKING = re.compile(rf"(?<![0-9]){NO_BREAK}|{NO_BREAK}(?![0-9])")
# An x between numbers, of which the first may have a unit: "10x20", "10 cm x 20 cm", "10cmx20cm". The last is Cyrillic.
_X = "xX\u0445\u0425"
_TIMES = re.compile(rf"[{_X}](?:(?<=[0-9\"'].)|(?<=[\w\"'] .)(?= )|(?<=[0-9][cm]m.))(?= ?[0-9.])")


class _Spelling(dict):
    """What each character is written as, by its code point, found when it is first met."""

    def __missing__(self, code):
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        if digit is not None:
            spelling = str(digit)
        elif character in _SIGNS:
            spelling = _SIGNS[character]
        elif unicodedata.decomposition(character).startswith(_REWRITTEN):
            spelling = unicodedata.normalize("NFKC", character)
            # "1½" is one and a half, and not eleven halves.
            spelling = f" {spelling}" if "\u2044" in spelling else _SIGNS.get(spelling, spelling)
        else:
            spelling = character
        self[code] = spelling
        return spelling


_SPELLING = _Spelling()


def spell_numbers(text):
    """Return a text with ASCII digits and signs, "×" between factors, and one space for white space of any length."""
    if not text.isascii():
        text = _BREAKING.sub(" ", text.translate(_SPELLING))
    return _TIMES.sub("×", " ".join(text.split()))
