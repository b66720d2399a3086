"""Texts to the numbers in them, a column for each unit that is frequent."""

from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.preprocessing.cells._items import explode
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.text._number_spelling import spell_numbers
from sklearn_mm.preprocessing.text._number_values import learn_decimal
from sklearn_mm.preprocessing.text._numbers_in_text import find_quantities
from sklearn_mm.preprocessing.text._text_cells import check_texts
from sklearn_mm.preprocessing.text._units import Units
from sklearn_mm.utils._validation import Interval, RealNotInt, StrOptions, _fit_context

__all__ = ["TextNumbers"]

_OF_ALL = ("n_numbers", "first_number", "smallest_number", "largest_number")


class TextNumbers(TransformerMixin, BaseEstimator):
    """Turn a column of texts into the numbers in them, with a column for each unit that is frequent.

    "Shampoo, pack of 6, 250 ml" has the numbers 6, with the unit "of", and 250, with the unit "ml": sizes, amounts,
    years, prices and versions, which tokens do not tell apart by size. The columns of the result are

    - how many numbers a text has, and the first, the smallest and the largest of them;
    - for each unit that enough texts of `fit` have, the first number with this unit;
    - for each of these whose numbers enough texts join by ×, the product of the first such: the area of "10 × 20 cm",
      the whole amount of "6 x 330 ml". Of a text with a single such number it is this one.

    What a text lacks is NaN, which `sklearn.ensemble.HistGradientBoostingRegressor` and others take as it is. As the
    transformer of a `TabularInput`, which scales its numbers and says where one is missing, it may read a column that
    a `TextInput` reads too.

    The unit of a number is the sign of money before it ("$12"), else the word or sign behind it ("oz", "%", "°C",
    "km/h"), or, where that is rare or mostly stands elsewhere ("for", "with"), the word before it ("pack of 6",
    "version 3.2"); case and the s of a plural are left aside. In Chinese characters and Hiragana it is one character.
    Numbers that are joined share a unit: "2-3 years", "10 × 20 cm", "$10-20". Of each text the first 1,000 numbers are
    read.

    How numbers are read:

    - Digits of any script, also fullwidth ones. A comma, point, apostrophe or space that does not break, with three
      digits behind each, sets off thousands ("1,000", "1'000", "12,34,567"). A single comma or point with three digits
      behind it is open, and read as ``decimal`` says: "1,000" is 1000 where a point sets off decimals and 1 where a
      comma does. All others tell by themselves: "1,5" is one and a half. An ordinary space sets off thousands
      only where a comma sets off decimals ("1 000,5"); else "12 256 GB" are two numbers.
    - A hyphen is a minus at the beginning, after a space or a bracket ("-5 °C"), not after a letter or a digit ("A-5").
    - "1/2", "½", "1 1/2" and "4.5/5" are fractions; where they would be more than 1 or their denominator more than 100,
      they are two numbers ("110/220 V"). "16:9" are two numbers, and so is 5'4", of two units.
    - Dates whose year has four digits are their year ("2021-05-03", "03.05.2021"), and versions the number of their
      first two parts ("3.2.1" is 3.2). Other rows of numbers with hyphens or slashes, such as phone numbers, are none.
    - Integers of more than nine digits without separators (ISBN, article and phone numbers) and digits behind a letter
      ("A4", "B07XJ8", but not "v3.2") are names and no numbers.

    Parameters
    ----------
    max_units : int or None, default=16
        Most units that get a column, the most frequent ones, of equally frequent ones the first in alphabetical order.
        None sets no limit.
    min_frequency : int or float, default=0.01
        Rows of ``fit`` (int), or their share (float below 1), that must have a unit for it to get a column. Higher
        leaves out words that stand beside a number by chance.
    decimal : {"auto", ".", ","}, default="auto"
        What sets off decimals. "auto" is a comma where more numbers of ``fit`` say so than say a point.

    Attributes
    ----------
    units_ : list of str
        The units, the most frequent first, each as most texts write it, in lower case.
    decimal_ : str
        What sets off decimals, "." or ",".
    n_features_in_ : int
        1, the number of columns.
    feature_names_in_ : ndarray of shape (1,), dtype object
        The name of the column, if it is a string.

    See Also
    --------
    TabularTransformer : Reads columns whose cells are a number and nothing else ("12 km").
    TextTransformer : Reads the words.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mm.preprocessing import TextNumbers
    >>> titles = pd.Series(["Shampoo, pack of 6, 250 ml", "Soap, pack of 12", "Oil 1,5 l", None], name="title")
    >>> transformer = TextNumbers().fit(titles)
    >>> transformer.units_
    ['of', 'l', 'ml']
    >>> transformer.transform(titles)
    array([[  2. ,   6. ,   6. , 250. ,   6. ,   nan, 250. ],
           [  1. ,  12. ,  12. ,  12. ,  12. ,   nan,   nan],
           [  1. ,   1.5,   1.5,   1.5,   nan,   1.5,   nan],
           [  nan,   nan,   nan,   nan,   nan,   nan,   nan]])
    >>> transformer.get_feature_names_out()[3:]
    array(['title_largest_number', 'title_of', 'title_l', 'title_ml'],
          dtype=object)
    """

    _parameter_constraints = {
        "max_units": [Interval(Integral, 0, None, closed="left"), None],
        "min_frequency": [Interval(Integral, 1, None, closed="left"), Interval(RealNotInt, 0, 1, closed="neither")],
        "decimal": [StrOptions({"auto", ".", ","})],
    }

    def __init__(self, max_units: int | None = 16, *, min_frequency: int | float = 0.01, decimal: str = "auto"):
        self.max_units = max_units
        self.min_frequency = min_frequency
        self.decimal = decimal

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the units of a column of texts.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            Strings, and missing cells.
        y : None
            Ignored.

        Returns
        -------
        self : TextNumbers
            This transformer.
        """
        self._learn(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> np.ndarray:
        """Learn the units of a column of texts, and return its numbers; each text is read once.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            Strings, and missing cells.
        y : None
            Ignored.

        Returns
        -------
        numbers : ndarray of shape (n_rows, n_features), dtype float64
            As of `transform`.
        """
        return self._assemble(*self._learn(X))

    def transform(self, X: Any) -> np.ndarray:
        """Return the numbers of a column of texts.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            Strings, and missing cells.

        Returns
        -------
        numbers : ndarray of shape (n_rows, n_features), dtype float64
            NaN where a text has no such number, and in the whole row of a missing cell. Never infinite.
        """
        check_is_fitted(self)
        texts, present, _ = _read_texts(X)
        return self._assemble([find_quantities(text, self.decimal_) for text in texts], present)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the columns.

        Parameters
        ----------
        input_features : array-like of str of shape (1,), default=None
            The name of the column of texts; by default that seen in ``fit``, or "x0".

        Returns
        -------
        names : ndarray of shape (n_features,), dtype object
            The name of the column and what is read, as in "title_n_numbers", "title_ml" and "title_ml_product".
        """
        check_is_fitted(self)
        if input_features is None:
            input_features = getattr(self, "feature_names_in_", ["x0"])
        if len(input_features) != 1:
            raise ValueError(f"input_features should have length equal to number of features (1), got {input_features}")
        units = self._units
        products = [f"{units.names[unit]}_product" for unit in units.names if unit in units.with_products]
        names = [*_OF_ALL, *units.names.values(), *products]
        return np.array([f"{input_features[0]}_{name}" for name in names], dtype=object)

    @property
    def units_(self) -> list[str]:
        return list(self._units.names.values())

    @_fit_context(prefer_skip_nested_validation=True)
    def _learn(self, X):
        """Learn from a column, and return the numbers of its texts and which cells are texts."""
        texts, present, column = _read_texts(X)
        self.decimal_ = learn_decimal(texts) if self.decimal == "auto" else self.decimal
        quantities = [find_quantities(text, self.decimal_) for text in texts]
        is_share = not isinstance(self.min_frequency, Integral)
        min_count = self.min_frequency * (len(present) if is_share else 1)
        self._units = Units.learn(texts, quantities, min_count, self.max_units)
        self.n_features_in_ = 1
        if isinstance(column, str):
            self.feature_names_in_ = np.array([column], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_  # of an earlier fit
        return quantities, present

    def _assemble(self, quantities, present):
        units = self._units
        places = {unit: place for place, unit in enumerate(units.names, len(_OF_ALL))}
        first_product = len(_OF_ALL) + len(places)
        product_places = {
            unit: place
            for place, unit in enumerate((u for u in units.names if u in units.with_products), first_product)
        }
        array = np.full((len(present), first_product + len(product_places)), np.nan)
        for row, found in zip(np.flatnonzero(present), quantities, strict=True):
            array[row, 0] = len(found.numbers)
            if not found.numbers:
                continue
            values = [quantity.value for quantity in found.numbers]
            array[row, 1 : len(_OF_ALL)] = values[0], min(values), max(values)
            firsts = _first_by_unit(found.numbers, units)
            for unit, value in firsts.items():
                array[row, places[unit]] = value
            for unit, value in {**firsts, **_first_by_unit(found.products, units)}.items():
                if unit in product_places:
                    array[row, product_places[unit]] = value
        return array

    def __sklearn_is_fitted__(self):
        return hasattr(self, "_units")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags


def _read_texts(X):
    """Return the texts of a column, spelt alike, which of its cells these are, and its name."""
    cells, column = as_cells(X, "TextNumbers")
    items = explode(cells, column, lists=False)
    present = check_texts(items, "TextNumbers")
    return [spell_numbers(text) for text in items.cells[present]], present, column


def _first_by_unit(quantities, units):
    firsts = {}
    for quantity in quantities:
        unit = units.unit_of(quantity)
        if unit is not None:
            firsts.setdefault(unit, quantity.value)
    return firsts
