"""What kind of column a column is; how the kinds are read is tested with `TabularTransformer`."""

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from sklearn_mm.preprocessing.tabular._column_kinds import detect_column_kind, explain_column_kind

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


NUMBERS = np.random.default_rng(0).permutation(2000)[:300]
STRINGS = [str(number) for number in NUMBERS]
PRICES = [f"${number / 7:,.2f}" for number in NUMBERS]
EUROS = [price[1:].translate({ord("."): ",", ord(","): "."}) + " €" for price in PRICES]
DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(NUMBERS, unit="D")


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        ([*NUMBERS, "?"], "numeric", "numbers"),
        ([*NUMBERS, "much"], "numeric", "numbers, but for 1 of 301 cells"),
        ([*NUMBERS, "much", "1,200", "12 ", "more"], "numeric", "numbers, but for 2 of 304 cells"),
        ([*STRINGS, "?"], "numeric", "strings that are whole numbers"),
        ([*STRINGS, "N/A", "much"], "numeric", "strings that are whole numbers, but for 1 of 301 cells"),
        ([*STRINGS, "1.5"], "numeric", "strings that are numbers with a point, a sign or an exponent"),
        ([*STRINGS, "1,200"], "numeric", "strings that are numbers with separators or in brackets"),
        (PRICES, "numeric", "strings that are numbers with the unit '$'"),
        ([*PRICES, "free"], "numeric", "strings that are numbers with the unit '$', but for 1 of 301 cells"),
        (EUROS, "numeric", "strings that are numbers with the unit '€' and a decimal comma"),
        ([f"{number} %" for number in NUMBERS], "numeric", "strings that are numbers with the unit '%'"),
        (
            [f"({number})" for number in NUMBERS],
            "numeric",
            "strings that are numbers with separators or in brackets",
        ),
        ([f"{n} {'km' if n % 2 else 'miles'}" for n in NUMBERS], "categorical", None),
        (STRINGS, "categorical", None),
        ([*STRINGS, None, "", np.nan], "categorical", None),
        ([*STRINGS, "007", "?"], "categorical", None),
        ([*STRINGS, "12A", "?"], "categorical", None),
        ([*(f"{90000 + n}" for n in NUMBERS), "unknown"], "categorical", None),
        ([*(f"{n % 9 + 1}" for n in NUMBERS), "?"], "categorical", None),
        ([*NUMBERS, True], "categorical", None),
        ([*NUMBERS, *["much"] * 40], "categorical", None),
        (["?"] * 300, "categorical", None),
        (DAYS.strftime("%m/%d/%Y"), "datetime", "strings that are dates like 03/31/2024"),
        ([*DAYS.strftime("%d/%m/%Y"), "?"], "datetime", "strings that are dates like 31/03/2024"),
        (["01/02/2024", "03/04/2024"], "datetime", "(no cell tells whether day or month comes first)"),
        (DAYS.strftime("%Y-%m-%d"), "datetime", "strings that are ISO 8601 dates"),
        ([*DAYS.strftime("%Y-%m-%d"), "2024"], "datetime", "strings that are ISO 8601 dates"),
        ([*DAYS, "never"], "datetime", "dates, but for 1 of 301 cells"),
        ([f"[{n}, 1.5]" for n in NUMBERS], "vector", "strings that are vectors of 2 numbers"),
        ([f"[{n} 1.5 2.]" for n in NUMBERS], "vector", "strings that are vectors of 3 numbers"),
        ([str(list(range(n % 5))) for n in NUMBERS], "categorical", None),
    ],
)
def test_kinds_and_reasons(cells, kind, reason):
    are_strings = all(isinstance(cell, str) for cell in cells)
    for dtype in [object, "string", "string[pyarrow]"] if are_strings else [object]:
        for column in (pd.Series(cells, dtype=dtype), pd.Series(cells, dtype=dtype)[::-1]):
            found, why = explain_column_kind(column)
            assert found == kind
            assert why == reason if reason is None else why.endswith(reason)


def test_strings_of_numbers_are_left_to_whoever_knows_better():
    assert detect_column_kind(pd.Series(PRICES)) == "categorical"
    assert detect_column_kind(pd.Series([*NUMBERS, "much"], dtype=object)) == "numeric"


def test_a_large_column_is_judged_as_a_whole():
    cells = np.array([*(["1.5", "2.5"] * 50_000), *["much"] * 10_900], dtype=object)
    assert explain_column_kind(pd.Series(cells))[0] == "numeric"
    assert explain_column_kind(pd.Series([*cells, *["much"] * 300]))[0] == "categorical"
