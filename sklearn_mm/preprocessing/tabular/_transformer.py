"""Columns of a table to numbers and codes."""

import warnings
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks._specs import TabularSpec
from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing.containers._frame import frame_of_array
from sklearn_mm.preprocessing.containers._tables import check_is_table, check_not_empty, check_unique_labels
from sklearn_mm.preprocessing.tabular._categorical_reader import CategoricalReader
from sklearn_mm.preprocessing.tabular._column_kinds import KINDS, detect_column_kind
from sklearn_mm.preprocessing.tabular._datetime_reader import DatetimeReader
from sklearn_mm.preprocessing.tabular._numeric_reader import NumericReader
from sklearn_mm.preprocessing.tabular._odd_cells import warn_of_odd_cells
from sklearn_mm.preprocessing.tabular._vector_reader import VectorReader
from sklearn_mm.utils._registry import did_you_mean
from sklearn_mm.utils._validation import Interval, StrOptions, _fit_context

__all__ = ["TabularTransformer"]


class TabularTransformer(BlockTransformer):
    """Read the columns of a table into one array of scaled numbers and of codes for categories.

    The result of `transform` is a structured array (n_rows,) with the fields ``numbers`` (float32) and ``codes``
    (int32), so that rows of both are selected together.

    - *Numbers* are scaled. What is missing becomes 0, the centre of the column, and a column of 0 and 1 says where,
      if some was missing in ``fit``. Columns that are constant in ``fit`` become 0. Strings are read as numbers if
      ``kinds`` calls their column numeric: "1,234.5", and with a unit that most cells have, "$1,234.50", "1.234,50 €",
      "12 %", "12 km", "(300)". A comma sets off the decimals if more cells are numbers so than with a point.
    - *Dates* become numbers: the scaled seconds since 1970, and sine and cosine of the place in the year, month, week
      and day, as far as these vary in ``fit``. Dates with a time zone are read on the clock of the zone seen in
      ``fit``. Strings are of one format: ISO 8601, or such as 03/31/2024, 31.03.2024 and 31 Mar 2024. All cells
      together tell whether the day comes first; where they do not, it does between points only.
    - *Categories* become codes: 0 for what was not seen in ``fit`` or too rare there, 1 for what is missing, then the
      levels, sorted. Levels that Python calls equal are one (1, 1.0 and True); a value that equals none but reads like
      one (``"1"`` where ``fit`` saw 1) is taken for it. Nothing is said about unseen levels: they are normal.

    - *Vectors*, such as embeddings computed elsewhere (1-D arrays, lists or tuples of numbers, tensors, or strings of
      these as files store them; all of one length), become one number per element. Their mean is subtracted, and all
      are divided by the same number, after which the elements have variance 1 on average: unlike ``scaling`` of each
      element, this keeps the directions and relative distances that an embedding stands for. Missing elements become
      0, the mean; a cell without any is missing, which a column of 0 and 1 says if it occurs in ``fit``.

    None, NaN, NaT, pd.NA, blank strings and empty lists are missing; among numbers and dates also well-known words and
    signs for it, such as "?", "N/A", "-", "unknown" and "NULL". Other odd cells, up to one in ten of those that are not
    missing, are read as missing, with a warning that says where they are; more are an error of ``fit``, and so is a
    dict or a set in any cell. In ``transform``, strings are read as those of ``fit`` were written, and however many
    cells are odd, they are missing, with the warning: one output per row.

    Columns are found by name in ``transform``: their order does not matter, and further columns are ignored.

    Parameters
    ----------
    kinds : "auto" or dict, default="auto"
        What each column is: a dict from the column's name (its position in an array without names) to "numeric",
        "categorical", "datetime" or "vector". Columns that it does not name, and all with "auto", are decided by their
        content in ``fit``: where nearly all cells are numbers or durations, they are numeric, and where these are dates
        or strings of dates, dates; where most are vectors, vectors; the rest are categories, booleans and all strings
        of numbers among them.
    scaling : {"robust", "standard", "quantile"}, default="robust"
        How numbers and dates are scaled. "robust": the median goes to 0 and the distance of the quartiles to 1 (half
        the range if they coincide), then x / sqrt(1 + (x / 3)²) keeps outliers within ±3. "standard": mean 0 and
        standard deviation 1, outliers as far out as they are. "quantile": to a normal distribution by rank, which
        forgets distances.
    add_indicator : bool, default=True
        Whether a numeric, date or vector column with missing values in ``fit`` gets a column that says where. Without,
        the network cannot tell a missing value from a central one.
    max_categories : int or None, default=1000
        Most levels of a column that get codes of their own, the most frequent ones. Fewer make a smaller network that
        knows less of rare levels. None sets no limit.
    min_frequency : int, float or None, default=None
        Rows of ``fit`` (int), or their share (float below 1), that a level needs to get a code of its own. Rarer levels
        train the code 0 that unseen levels get later.

    Attributes
    ----------
    spec_ : TabularSpec
        Number of numbers and codes per row, and number of codes per categorical column.
    kinds_ : dict
        Kind of each column: "numeric", "categorical", "datetime" or "vector".
    categories_ : dict of list
        The levels of each categorical column; the first has code 2.
    n_features_in_ : int
        Number of columns seen in ``fit``.
    feature_names_in_ : ndarray of shape (``n_features_in_``,), dtype object
        Names of the columns, if all of them are strings.

    References
    ----------
    Holzmüller, Grinsztajn, Steinwart: Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data.
    NeurIPS 2024 (the robust scaling and smooth clipping).

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mm.preprocessing import TabularTransformer
    >>> X = pd.DataFrame({"age": [31.0, None, 54.0], "city": ["Rome", "Oslo", "Rome"]})
    >>> transformer = TabularTransformer()
    >>> rows = transformer.fit_transform(X)
    >>> rows["numbers"].shape, rows["codes"].ravel()
    ((3, 2), array([3, 2, 3], dtype=int32))
    >>> transformer.get_feature_names_out()
    array(['age', 'age_missing', 'city'], dtype=object)
    >>> transformer.transform(pd.DataFrame({"city": ["Lima", None], "age": [40, 40]}))["codes"].ravel()
    array([0, 1], dtype=int32)
    """

    _parameter_constraints = {
        "kinds": [StrOptions({"auto"}), dict],
        "scaling": [StrOptions({"robust", "standard", "quantile"})],
        "add_indicator": ["boolean"],
        "max_categories": [Interval(Integral, 1, None, closed="left"), None],
        "min_frequency": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ],
    }

    def __init__(
        self,
        kinds: str | dict = "auto",
        scaling: str = "robust",
        add_indicator: bool = True,
        max_categories: int | None = 1000,
        min_frequency: int | float | None = None,
    ):
        self.kinds = kinds
        self.scaling = scaling
        self.add_indicator = add_indicator
        self.max_categories = max_categories
        self.min_frequency = min_frequency

    @_fit_context(prefer_skip_nested_validation=True)
    def fit_read(self, X: Any, y: Any = None) -> tuple[Any, np.ndarray]:
        """Learn from a table and read it.

        Parameters
        ----------
        X : table of shape (n_rows, n_columns)
            A pandas or polars DataFrame, a pyarrow Table, or a 2-D array or list of lists.
        y : None
            Ignored.

        Returns
        -------
        array : ndarray of shape (n_rows,), structured
            Fields ``numbers`` (float32, all numbers of a row) and ``codes`` (int32, one per categorical column).
        present : ndarray of shape (n_rows,), dtype bool
            False where every cell of the row is missing.
        """
        frame, has_names = _as_frame(X)
        check_not_empty(frame.shape, "TabularTransformer")
        check_unique_labels(frame.columns, "TabularTransformer")
        kinds = self._resolve_kinds(frame)
        readers = {label: self._make_reader(label, kind) for label, kind in kinds.items()}
        parts, missing = _read_columns(readers, [frame[label] for label in readers], "fit_read")

        self.n_features_in_ = frame.shape[1]
        self._has_names = has_names
        if has_names and all(isinstance(label, str) for label in frame.columns):
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_  # of an earlier fit
        self.kinds_ = kinds
        self._readers = readers
        codes = {label: reader for label, reader in readers.items() if isinstance(reader, CategoricalReader)}
        self.categories_ = {label: reader.levels for label, reader in codes.items()}
        n_numbers = sum(part.shape[1] for part in parts if part.ndim == 2)
        self.spec_ = TabularSpec(
            name="tabular",
            shape=(n_numbers + len(codes),),
            columns=tuple(map(str, frame.columns)),
            n_numbers=n_numbers,
            cardinalities=tuple(reader.cardinality for reader in codes.values()),
        )
        return self._assemble(parts, missing)

    def read(self, X: Any) -> tuple[Any, np.ndarray]:
        """Read a table with what was learnt; see `fit_read` for what it takes and returns."""
        check_is_fitted(self)
        return self._assemble(*_read_columns(self._readers, self._select(X), "read"))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the numbers, then those of the codes.

        Parameters
        ----------
        input_features : None
            Ignored: the names are those seen in ``fit``, or x0, x1, ... for an array without names.

        Returns
        -------
        names : ndarray of shape (``spec_.shape[0]``,), dtype object
            One name per number ("age", "age_missing", "when_seconds", "when_hour_sin", "embedding_0") and per
            code ("city").
        """
        check_is_fitted(self)
        numbers, codes = [], []
        for label, reader in self._readers.items():
            name = str(label) if self._has_names else f"x{label}"
            if isinstance(reader, CategoricalReader):
                codes.append(name)
            else:
                numbers += reader.feature_names(name)
        return np.array(numbers + codes, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        tags.input_tags.categorical = True
        return tags

    def _resolve_kinds(self, frame):
        given_kinds = {} if isinstance(self.kinds, str) else self.kinds
        for label, kind in given_kinds.items():
            if label not in frame.columns:
                raise ValueError(
                    f"`kinds` of TabularTransformer names column {label!r}, which X does not have."
                    f"{did_you_mean(label, frame.columns)} Its columns: {list(frame.columns)}."
                )
            if kind not in KINDS:
                raise ValueError(
                    f"`kinds` of TabularTransformer must map columns to one of {list(KINDS)}, got {kind!r} for column "
                    f"{label!r}."
                )
        return {label: given_kinds.get(label) or detect_column_kind(column) for label, column in frame.items()}

    def _make_reader(self, label, kind):
        if kind == "categorical":
            return CategoricalReader(label, self.max_categories, self.min_frequency)
        if kind == "vector":
            return VectorReader(label, self.add_indicator)
        reader = NumericReader if kind == "numeric" else DatetimeReader
        return reader(label, self.scaling, self.add_indicator)

    def _select(self, X):
        """The columns seen in fit, in their order: by name, or by position where either side has no names."""
        frame, has_names = _as_frame(X)
        if has_names and self._has_names:
            check_unique_labels([label for label in frame.columns if label in self._readers], "TabularTransformer")
            lacking = [label for label in self._readers if label not in frame.columns]
            if lacking:
                extra = [label for label in frame.columns if label not in self._readers]
                raise ValueError(
                    f"X lacks {len(lacking)} of the {self.n_features_in_} columns that TabularTransformer was fitted "
                    f"with: {lacking}. Columns of X that were not seen in fit: {extra}. Add or rename columns."
                )
            return [frame[label] for label in self._readers]
        if frame.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {frame.shape[1]} features, but TabularTransformer is expecting {self.n_features_in_} features "
                f"as input."
            )
        if self._has_names:
            warnings.warn(
                "X does not have valid feature names, but TabularTransformer was fitted with feature names; its "
                "columns are taken by position.",
                UserWarning,
                stacklevel=4,
            )
        elif has_names:
            warnings.warn(
                "X has feature names, but TabularTransformer was fitted without feature names; its columns are taken "
                "by position.",
                UserWarning,
                stacklevel=4,
            )
        return [column for _, column in frame.items()]

    def _assemble(self, parts, missing):
        n_numbers, n_codes = self.spec_.n_numbers, len(self.spec_.cardinalities)
        array = np.empty(len(missing), dtype=[("numbers", np.float32, (n_numbers,)), ("codes", np.int32, (n_codes,))])
        numbers = [part for part in parts if part.ndim == 2]
        codes = [part for part in parts if part.ndim == 1]
        if numbers:
            np.concatenate(numbers, axis=1, out=array["numbers"])
        if codes:
            np.stack(codes, axis=1, out=array["codes"])
        array[missing] = np.zeros((), dtype=array.dtype)
        return array, ~missing


def _read_columns(readers, columns, method):
    """What each reader makes of its column (2-D numbers or 1-D codes), and where a whole row is missing."""
    parts, missing, odd_cells = [], np.ones(len(columns[0]), dtype=bool), []
    for reader, column in zip(readers.values(), columns, strict=True):
        part, is_missing, odd = getattr(reader, method)(column)
        parts.append(part)
        missing &= is_missing
        if odd:
            odd_cells.append(odd)
    warn_of_odd_cells(odd_cells)
    return parts, missing


def _as_frame(X):
    """Return a pandas DataFrame, and whether its columns have names of the user's."""
    if not isinstance(X, pd.DataFrame | pd.Series) and hasattr(X, "to_pandas"):  # polars, pyarrow
        X = X.to_pandas()
    check_is_table(X, "TabularTransformer")
    if isinstance(X, pd.DataFrame):
        frame, has_names = X, not X.columns.equals(pd.RangeIndex(X.shape[1]))
    else:
        frame, has_names = frame_of_array(X, "TabularTransformer"), False
    check_not_empty(frame.shape, "TabularTransformer", may_lack_rows=True)
    return frame, has_names
