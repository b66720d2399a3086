"""A few cells that are not what their column is are missing, and one warning says so."""

import datetime as dt
import pickle
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from sklearn_mm.preprocessing import TabularTransformer

NUMBERS = np.random.default_rng(0).normal(size=300).round(3)
DAYS = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.random.default_rng(0).integers(0, 900, size=300), unit="D")
MARKS = ["?", "N/A", "-", "unknown", "NULL", "None", "#REF!", " "]
ODD = ["much", "<5", "5 or 6", [1.5], (1, 2), np.zeros(2), DAYS[0]]


def column(values, cell, row=17):
    cells = np.array([None] * len(values), dtype=object)
    cells[:] = list(values)
    cells[row] = cell
    return pd.DataFrame({"x": pd.Series(cells, dtype=object), "other": 1.0})


def fit_silently(X, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer = TabularTransformer(**params)
        return transformer, transformer.fit_transform(X)["numbers"]


def assert_missing_in_row_17(transformer, numbers, expected):
    assert numbers[17, :2].tolist() == [0, 1]
    np.testing.assert_array_equal(numbers, expected)
    assert transformer.get_feature_names_out()[1] == "x_missing"


@pytest.mark.parametrize("as_string", [False, True])
@pytest.mark.parametrize("mark", MARKS)
def test_signs_of_missing_numbers(mark, as_string):
    expected = fit_silently(column(NUMBERS, None), kinds={"x": "numeric"})[1]
    X = column(list(map(str, NUMBERS)) if as_string else NUMBERS, mark)
    transformer, numbers = fit_silently(X, kinds={"x": "numeric"} if as_string else "auto")
    assert transformer.kinds_["x"] == "numeric"
    assert_missing_in_row_17(transformer, numbers, expected)


@pytest.mark.parametrize("cell", ODD, ids=repr)
def test_odd_cells_among_numbers(cell):
    expected = fit_silently(column(NUMBERS, None))[1]
    transformer = TabularTransformer()
    message = (
        r"odd cells as missing, in column 'x': 1 of 300 cells are no numbers \(row 17; first: .*\{'x': 'categorical'"
    )
    with pytest.warns(UserWarning, match=message):
        numbers = transformer.fit_transform(column(NUMBERS, cell))["numbers"]
    assert transformer.kinds_["x"] == "numeric"
    assert_missing_in_row_17(transformer, numbers, expected)


@pytest.mark.parametrize(
    ("cell", "number"), [("1,200", 1200), ("12 ", 12), ("-3e2", -300), (Decimal("1.5"), 1.5), (np.float32(2), 2)]
)
def test_numbers_of_another_type_are_numbers(cell, number):
    expected = fit_silently(column(NUMBERS, number))[1]
    transformer, numbers = fit_silently(column(NUMBERS, cell))
    assert transformer.kinds_["x"] == "numeric"
    np.testing.assert_array_equal(numbers, expected)


@pytest.mark.parametrize("cell", [*ODD[:-1], "1", 5])
@pytest.mark.parametrize("as_string", [False, True])
def test_odd_cells_among_dates(cell, as_string):
    values = DAYS.strftime("%m/%d/%Y") if as_string else DAYS
    expected = fit_silently(column(values, None))[1]
    transformer = TabularTransformer()
    with pytest.warns(UserWarning, match=r"column 'x': 1 of 300 cells are no dates \(row 17; first: "):
        numbers = transformer.fit_transform(column(values, cell))["numbers"]
    assert transformer.kinds_["x"] == "datetime"
    np.testing.assert_array_equal(numbers, expected)
    assert numbers[17, -2] == 1


@pytest.mark.parametrize("mark", MARKS)
def test_signs_of_missing_dates(mark):
    for values in (DAYS, DAYS.strftime("%d.%m.%Y"), DAYS.strftime("%Y-%m-%d"), [day.date() for day in DAYS]):
        transformer, numbers = fit_silently(column(values, mark))
        assert transformer.kinds_["x"] == "datetime"
        np.testing.assert_array_equal(numbers, fit_silently(column(values, None))[1])


def test_a_container_among_categories():
    transformer = TabularTransformer(kinds={"x": "categorical"})
    with pytest.warns(UserWarning, match=r"column 'x': 1 of 300 cells are no single values \(row 17; first: \['a'\]\)"):
        codes = transformer.fit_transform(column(["a", "b", "c"] * 100, ["a"]))["codes"].ravel()
    assert codes.tolist() == [2, 3, 4] * 5 + [2, 3, 1] + [2, 3, 4] * 94
    with pytest.warns(UserWarning, match=r"1 of 2 cells are no single values \(row 0; first: \{'a': 1\}\)"):
        assert transformer.transform(column(["a", "b"], {"a": 1}, row=0))["codes"].ravel().tolist() == [1, 3]


@pytest.mark.parametrize("cell", [{"a": 1}, {1}], ids=str)
@pytest.mark.parametrize("values", [NUMBERS, DAYS, ["a", "b", "c"] * 100], ids=["numbers", "dates", "categories"])
def test_structures_are_refused_in_fit(values, cell):
    with pytest.raises(TypeError, match=rf"a string or a real number, not '{type(cell).__name__}' \(row 17\)"):
        TabularTransformer().fit(column(values, cell))


def test_empty_lists_are_missing():
    assert fit_silently(column(NUMBERS, []))[1][17].tolist() == [0, 1, 0]
    assert fit_silently(column(["a", "b"] * 50, ()))[0].categories_ == {"x": ["a", "b"]}


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (NUMBERS, ["much", [1], {"a": 1}, "5 €"]),
        (DAYS, ["much", [1], {"a": 1}, 5]),
        (DAYS.strftime("%m/%d/%Y"), ["much", [1], "2024-03-31"]),
        ([np.ones(2), np.zeros(2)] * 5, ["much", 3.5, np.ones((2, 2))]),
    ],
    ids=["numbers", "dates", "strings of dates", "vectors"],
)
def test_later_rows_are_read_whatever_is_in_them(values, cells):
    X = column(values, None, row=1)
    transformer = TabularTransformer().fit(X)
    before = pickle.dumps(transformer)
    missing = transformer.transform(X.iloc[[1]])
    for cell in cells:
        with pytest.warns(UserWarning, match=r"column 'x': 1 of 1 cells are no \w+ \(row 0; first: "):
            np.testing.assert_array_equal(transformer.transform(column([None], cell, row=0)), missing)
    assert pickle.dumps(transformer) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(transformer.transform(column([None], "N/A", row=0)), missing)


def test_the_format_of_fit_is_how_later_rows_are_read():
    X = pd.DataFrame(
        {"price": ["1.234,50 €", "3,25 €", "700 €"] * 10, "day": ["31/03/2024", "01/02/2024", "02/02/2024"] * 10}
    )
    kinds = {"price": "numeric", "day": "datetime"}
    transformer = TabularTransformer(kinds=kinds).fit(X)
    later = pd.DataFrame({"price": ["1.234"], "day": ["03/04/2024"]})
    plain = TabularTransformer(kinds=kinds).fit(
        pd.DataFrame({"price": [1234.5, 3.25, 700] * 10, "day": ["2024-03-31", "2024-02-01", "2024-02-02"] * 10})
    )
    np.testing.assert_array_equal(
        transformer.transform(later), plain.transform(pd.DataFrame({"price": [1234], "day": ["2024-04-03"]}))
    )


def test_one_warning_for_all_columns():
    X = column(NUMBERS, "much").assign(y=column(DAYS, "never", row=3)["x"])
    with pytest.warns(UserWarning, match="column 'x': 1 of 300") as record:
        TabularTransformer().fit(X)
    assert len(record) == 1
    assert "in column 'y': 1 of 300 cells are no dates (row 3; first: 'never')" in str(record[0].message)


def test_a_tenth_of_the_cells_may_be_odd():
    X = column(NUMBERS[:40], None)
    X.loc[:2, "x"] = "much"
    with pytest.warns(UserWarning, match=r"3 of 40 cells are no numbers \(rows 0, 1, 2; first: 'much'\)"):
        TabularTransformer(kinds={"x": "numeric"}).fit(X)
    X.loc[3:4, "x"] = "more"
    assert TabularTransformer().fit(X).kinds_["x"] == "categorical"
    with pytest.raises(
        ValueError, match=r"5 of 40 cells of column 'x' as numbers \(rows 0, 1, 2, 3, 4\). First: 'much'"
    ):
        TabularTransformer(kinds={"x": "numeric"}).fit(X)


def test_words_for_missing_do_not_count():
    X = column(NUMBERS, None)
    X.loc[:200, "x"] = "?"
    assert fit_silently(X)[0].kinds_["x"] == "numeric"
    X["x"] = "?"
    assert fit_silently(X)[0].kinds_["x"] == "categorical"


def test_categories_keep_words_as_levels():
    X = column(["a", "b", "unknown"] * 20, "?")
    assert TabularTransformer().fit(X).categories_ == {"x": ["?", "a", "b", "unknown"]}


def test_a_word_among_date_objects():
    days = [dt.date(1900 + i, 1, 1) for i in range(20)]
    transformer = TabularTransformer()
    with pytest.warns(UserWarning, match="1 of 20 cells are no dates"):
        transformer.fit(column(days, "never"))
    assert transformer.kinds_["x"] == "datetime"
