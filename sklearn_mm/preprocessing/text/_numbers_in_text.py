"""Numbers in a text and their units: what stands behind a number or, for money, before it, and the word before."""

import re
import unicodedata
from functools import lru_cache
from math import prod
from typing import NamedTuple

from sklearn_mm.preprocessing.text._number_spelling import NO_BREAK
from sklearn_mm.preprocessing.text._number_values import read_chain, read_fraction, read_run

__all__ = ["Quantity", "TextQuantities", "find_quantities"]

_MONEY = "$\u00a2-\u00a5\u0e3f\u20a0-\u20cf"
_UNSPACED = "\u3005\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han and Hiragana
_LETTER = rf"[^\W\d_{_UNSPACED}]"
# Vowel signs of the scripts of India and of South-East Asia are no letters to Python, but belong to words.
_MARKED = rf"(?:{_LETTER}|[\u0300-\u036f\u0900-\u0963\u0970-\u0e3e\u0e40-\u109f\u1780-\u17ff])"
# At most so many letters, so that no hostile text is read twice.
_WORD = rf"[{_UNSPACED}]|(?<!{_MARKED}){_LETTER}(?>{_MARKED}{{0,19}})(?!{_MARKED})"
_UNIT = (
    rf"['\"](?!{_LETTER})|"
    rf"[+]?(?:[ -]?(?:{_WORD})(?:/{_LETTER}{{1,3}}+(?!\w))?(?:[23²³](?!\w))?| ?(?:°[CFcf](?!\w)|[%‰°{_MONEY}]))"
)
_RUN = rf"[0-9]++(?>(?:[.,{NO_BREAK}][0-9]++|'[0-9]{{3}}(?![0-9]))*)"
_SPACED_RUN = r"[1-9][0-9]{0,2}(?>(?: [0-9]{3}(?![0-9]))+)(?:,[0-9]++)?"
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]++)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
_JOIN = r"[-–—~/:*±]|[ ]?×[ ]?|[ ][-–—~/*±][ ]"

_DIGIT = re.compile("[0-9]")
_NAME = re.compile(rf"{_LETTER}|_")  # behind which digits are part of a name: "A4", "B07XJ8"
_REST_OF_NAME = re.compile(r"[0-9](?>(?:[.,]?\w)*)")
_HEAD = re.compile(rf"(?P<minus>(?<![^ (\[:=;,<>~|])-)?(?:(?P<money>[{_MONEY}#№]) ?)?(?P<point>(?<![\w.)])\.)?$")
_LONGEST_HEAD = 4
_BEFORE = re.compile(rf"({_WORD})[ :=.#(-]{{0,3}}$")
_LONGEST_BEFORE = 24
_MOST = 1000  # numbers of a text
_LARGEST_PRODUCT = 1e15


def _pattern(run):
    # Of what is matched nothing is given back (++, and (?>...) where more than single characters are repeated, which
    # Python before 3.11.5 mismatches with ++), so that time is linear in the length of a text.
    return re.compile(
        rf"(?:(?P<chain>[0-9]++(?>(?:-[0-9]++){{2,}}|(?:/[0-9]++){{2,}})(?>(?:{_TIME})?))|"
        rf"(?P<whole>[0-9]{{1,3}} )?(?P<top>[0-9]{{1,3}}(?:[.,][0-9]{{1,2}})?)(?P<slash>[/⁄])(?P<bottom>[0-9]{{1,3}})"
        rf"(?![0-9]|[.,/⁄][0-9])|"
        rf"(?P<run>{run}))"
        rf"(?>(?P<behind>{_UNIT})?)(?>(?P<join>(?:{_JOIN})(?=[0-9{_MONEY}]))?)"
    )


_PATTERNS = {".": _pattern(_RUN), ",": _pattern(f"{_SPACED_RUN}|{_RUN}")}


class Quantity(NamedTuple):
    """A number in a text, and what may be its unit.

    Parameters
    ----------
    value : float
        The number; of a product, that of its factors.
    own : str or None
        What stands behind it, or the sign of money before it, in lower case.
    before : str or None
        The word before it.
    """

    value: float
    own: str | None
    before: str | None


class TextQuantities(NamedTuple):
    """The numbers of a text, and the products of those that are joined by ×.

    Parameters
    ----------
    numbers, products : list of Quantity
        In the order of the text.
    """

    numbers: list
    products: list


def find_quantities(text, decimal):
    """Return the first thousand numbers of a text, as `spell_numbers` spells it, and their products.

    Parameters
    ----------
    text : str
        The text.
    decimal : {".", ","}
        What sets off the decimals where a number leaves it open.
    """
    found = TextQuantities([], [])
    pattern = _PATTERNS[decimal]
    chain, chain_start, before_chain = [], 0, 0  # numbers that are joined, and where what is before them begins
    end = n_matches = 0
    while n_matches < _MOST and (digit := _DIGIT.search(text, end)):
        start = digit.start()
        if start and _NAME.match(text, start - 1) and not _is_version(text, start):
            end = _REST_OF_NAME.match(text, start).end()
            continue
        n_matches += 1
        match = pattern.match(text, start)
        head = _HEAD.search(text, max(end, start - _LONGEST_HEAD), start)
        if not (chain and chain[-1].is_joined and head.start() == end):
            _add_chain(chain, text, before_chain, chain_start, found)
            chain, chain_start, before_chain = [], head.start(), end
        chain.append(_Match.of(head, match, decimal))
        end = match.end()
    _add_chain(chain, text, before_chain, chain_start, found)
    return TextQuantities(found.numbers[:_MOST], found.products)


class _Match(NamedTuple):
    values: tuple
    unit: str | None
    is_joined: bool  # with the next one
    is_factor: bool

    @classmethod
    def of(cls, head, match, decimal):
        if match["run"]:
            values = read_run("." + match["run"] if head["point"] else match["run"], decimal)
        elif match["chain"]:
            values = read_chain(match["chain"])
        else:
            values = read_fraction(match["whole"], match["top"], match["bottom"], match["slash"] == "⁄")
        if head["minus"]:
            values = tuple(-value for value in values)
        unit, join = head["money"] or match["behind"], match["join"]
        return cls(values, _as_unit(unit) if unit else None, join is not None, join is not None and "×" in join)


def _is_version(text, start):
    return text[start - 1] in "vV" and not text[max(0, start - 2) : start - 1].isalnum()


def _add_chain(chain, text, before_start, start, found):
    """Add the numbers of matches that are joined to what was found."""
    if not chain:
        return
    before = _BEFORE.search(text, max(before_start, start - _LONGEST_BEFORE), start)
    before = _as_unit(before[1]) if before else None
    if len(chain) == 1:
        found.numbers.extend([Quantity(value, chain[0].unit, before) for value in chain[0].values])
        return
    units = [match.unit for match in chain]
    for i in reversed(range(len(units) - 1)):
        units[i] = units[i] or units[i + 1]  # "2-3 years"
    for i in range(1, len(units)):
        units[i] = units[i] or units[i - 1]  # "$2-3"
    for match, unit in zip(chain, units, strict=True):
        found.numbers.extend([Quantity(value, unit, before) for value in match.values])
    are_factors = all(match.is_factor for match in chain[:-1]) and all(len(match.values) == 1 for match in chain)
    if are_factors and len(set(units)) == 1:
        product = prod(match.values[0] for match in chain)
        if abs(product) < _LARGEST_PRODUCT:
            found.products.append(Quantity(product, units[0], before))


@lru_cache(maxsize=10_000)
def _as_unit(written):
    return unicodedata.normalize("NFKC", written).lower().strip(" +-")
