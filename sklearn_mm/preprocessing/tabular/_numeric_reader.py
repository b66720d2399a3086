"""A column of numbers, durations or strings that are numbers, as scaled numbers."""

import numpy as np
import pandas as pd

from sklearn_mm.preprocessing.tabular._distinct_values import DistinctValues
from sklearn_mm.preprocessing.tabular._number_strings import NumberFormat
from sklearn_mm.preprocessing.tabular._odd_cells import check_odd_cells
from sklearn_mm.preprocessing.tabular._parsed_values import read_numbers
from sklearn_mm.preprocessing.tabular._scaling import Scaling
from sklearn_mm.utils._messages import name_rows

__all__ = ["NumericReader"]


class NumericReader:
    """Read a column of numbers as its scaled values and, where some were missing in fit, a 0/1 column that says so.

    Strings are read as those of ``fit`` were written. ``fit_read`` and ``read`` of all readers return the numbers or
    codes, which cells are missing, and which of these are odd (`OddCells` or None): too many in ``fit`` are an error.
    """

    def __init__(self, name, scaling, add_indicator):
        self.name = name
        self.scaling = Scaling(scaling)
        self.add_indicator = add_indicator

    def fit_read(self, column):
        values, self.format, odd = _numbers(column, self.name, None)
        self.scaling.fit(values)
        self.has_indicator = bool(self.add_indicator and np.isnan(values).any())
        return *self._features(values), odd

    def read(self, column):
        values, _, odd = _numbers(column, self.name, self.format)
        return *self._features(values), odd

    def feature_names(self, name):
        return [name] + [f"{name}_missing"] * self.has_indicator

    def _features(self, values):
        missing = np.isnan(values)
        columns = [self.scaling.apply(values)] + [missing] * self.has_indicator
        return np.stack(columns, axis=1, dtype=np.float32), missing


def _numbers(column, name, format):
    """Return a column as float64, NaN where missing, durations in seconds; how strings are written; and `OddCells`."""
    dtype = column.dtype
    inferred = pd.api.types.infer_dtype(column, skipna=True)
    if inferred == "complex":
        raise ValueError(f"Complex data not supported: TabularTransformer got complex numbers in column {name!r}.")
    odd = None
    if inferred.startswith("timedelta"):
        values = pd.to_timedelta(column).dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
    elif pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype):
        with np.errstate(over="ignore"):
            if isinstance(dtype, np.dtype):
                values = column.to_numpy(dtype=np.float64)
            else:
                values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        parsed = read_numbers(DistinctValues(column), format)
        odd = check_odd_cells(
            parsed, column, name, "numbers", format is None, f"pd.to_numeric(X[{name!r}], errors='coerce')"
        )
        values, format = parsed.values, parsed.format
    infinite = np.isinf(values)
    if infinite.any():
        raise ValueError(
            f"Input X contains infinity or a value too large for dtype('float64'): column {name!r} does in "
            f"{infinite.sum()} of {len(values)} cells ({name_rows(infinite)}). Replace these, for example with "
            f"X.replace([np.inf, -np.inf], np.nan)."
        )
    return values, format or NumberFormat(), odd
