"""Which units the texts of a column use often, found in the numbers of its texts."""

import re
from collections import Counter, defaultdict

__all__ = ["Units"]

_WORD = re.compile(r"[^\W\d_]+")
_LEAST_SHARE = 0.2  # of the texts with a word, in which it stands behind a number; "for" and "with" mostly do not


class Units:
    """The units that enough texts have, the most frequent first.

    Parameters
    ----------
    names : dict of str
        How each is written most often, by its form without the s of a plural.
    with_products : set of str
        Those whose numbers enough texts join by ×.
    """

    def __init__(self, names, with_products):
        self.names = names
        self.with_products = with_products

    @classmethod
    def learn(cls, strings, texts, min_count, max_units):
        """Return the units that enough texts have.

        The word before a number counts where what stands behind it is too rare, or mostly stands elsewhere.

        Parameters
        ----------
        strings : list of str
            The texts.
        texts : list of TextQuantities
            Their numbers.
        min_count : float
            How many texts must have a unit.
        max_units : int or None
            How many units there are at most.
        """
        spellings, n_behind, n_texts = Counter(), Counter(), Counter()
        for text in texts:
            written = {spelling for quantity in text.numbers for spelling in (quantity.own, quantity.before)} - {None}
            spellings.update(written)
            n_behind.update({_single(quantity.own) for quantity in text.numbers})
        n_anywhere = Counter(word for string in strings for word in set(map(_single, _WORD.findall(string.lower()))))
        least = {unit: max(min_count, _LEAST_SHARE * n_anywhere[unit]) for unit in n_behind}
        known = {unit for unit, count in n_behind.items() if count >= least[unit]} - {None}
        for text in texts:
            n_texts.update({_known_unit(quantity, known) or _single(quantity.before) for quantity in text.numbers})
        del n_texts[None]
        frequent = sorted((unit for unit in n_texts if n_texts[unit] >= min_count), key=lambda u: (-n_texts[u], u))
        by_unit = defaultdict(list)
        for spelling, count in spellings.items():
            by_unit[_single(spelling)].append((-count, spelling))
        units = cls({unit: min(by_unit[unit])[1] for unit in frequent[:max_units]}, set())
        n_products = Counter(unit for text in texts for unit in {units.unit_of(product) for product in text.products})
        units.with_products = {unit for unit in units.names if n_products[unit] >= min_count}
        return units

    def unit_of(self, quantity):
        """Return the unit of a `Quantity`, by what stands behind it or else before it; None if it has none."""
        return _known_unit(quantity, self.names)


def _known_unit(quantity, known):
    for spelling in (quantity.own, quantity.before):
        unit = _single(spelling)
        if unit in known:
            return unit
    return None


def _single(unit):
    """Return a unit without the s of a plural, so that "1 year" and "2 years" have one unit."""
    return unit[:-1] if unit and len(unit) > 2 and unit[-1] == "s" and unit[-2] != "s" else unit
