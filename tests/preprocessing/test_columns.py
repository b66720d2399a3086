"""What kind of column a column is; how the kinds are read is tested with `TabularTransformer`."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from sklearn_mm.preprocessing._columns import detect_column_kind

DATE = dt.date(2024, 3, 31)


@pytest.mark.parametrize(
    ("cells", "dtype", "kind"),
    [
        ([1, 2], "int8", "numeric"),
        ([1, None], "Int64", "numeric"),
        ([1, 2.5, None], object, "numeric"),
        ([Decimal("1.5"), None], object, "numeric"),
        ([np.nan, np.nan], "float64", "numeric"),
        ([dt.timedelta(1), None], object, "numeric"),
        ([True, False], "bool", "categorical"),
        ([True, None], "boolean", "categorical"),
        (["a", None], "string", "categorical"),
        (["1", "2.5"], object, "categorical"),
        (["a", 1], object, "categorical"),
        ([1, 2], "category", "categorical"),
        ([DATE, DATE], "category", "categorical"),
        ([None, None], object, "categorical"),
        (["", " "], object, "categorical"),
        ([None], "string", "categorical"),
        ([DATE, None], object, "datetime"),
        ([DATE, None], "datetime64[s]", "datetime"),
        ([None, None], "datetime64[s]", "datetime"),
        ([pd.Timestamp(DATE, tz="UTC"), pd.Timestamp(DATE, tz="Asia/Tokyo")], object, "datetime"),
        (["2024-03-31", "", None], object, "datetime"),
        (["2024-03-31", " 2024-03-31T12:00:01.5+02:00 "], "string", "datetime"),
        (["2024-03-31", "31.03.2024"], object, "categorical"),
        (["2024-03-31", "2024-02-30"], object, "categorical"),
        (["2024", "2025"], object, "categorical"),
        (["20240331", "20240401"], object, "categorical"),
        (["2024-03-31", DATE], object, "categorical"),
    ],
)
def test_detect_column_kind(cells, dtype, kind):
    column = pd.Series(cells, dtype=dtype)
    assert detect_column_kind(column) == kind
    assert detect_column_kind(column[::-1]) == kind
