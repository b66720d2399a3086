"""Tables to numbers and codes: what each kind of column becomes, and what hostile columns do."""

import copy
import datetime as dt
import pickle
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from sklearn_mm.preprocessing import TabularTransformer

pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

DAYS = ["2024-01-31", "2023-06-15", "2024-12-31", "2022-03-01"]


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def table():
    return pd.DataFrame(
        {
            "age": [31.0, None, 54.0, 20.0],
            "city": ["Rome", "Oslo", None, "Rome"],
            "when": pd.to_datetime([*DAYS[:3], None]),
            "rooms": [3, 1, 2, 2],
            "is_new": [True, False, True, True],
        }
    )


def beside_another(**column):
    """A table of the column and another one that is always there, so that no row is absent."""
    return pd.DataFrame(column).assign(other=0)


def numbers(column, new=None, **params):
    X = beside_another(x=column)
    transformer = TabularTransformer(kinds={"x": "numeric", "other": "categorical"}, **params).fit(X)
    return transformer.transform(X if new is None else beside_another(x=new))["numbers"]


def codes(column, new=None, **params):
    X = beside_another(x=column)
    transformer = TabularTransformer(kinds={"x": "categorical"}, **params).fit(X)
    return transformer.transform(X if new is None else beside_another(x=new))["codes"].ravel().tolist()


class TestArray:
    def test_fields_and_spec(self):
        transformer = TabularTransformer()
        array, present = transformer.fit_read(table())
        spec = transformer.spec_
        assert array.shape == (4,)
        assert array.dtype.names == ("numbers", "codes")
        assert array["numbers"].dtype == np.float32
        assert array["codes"].dtype == np.int32
        assert array["numbers"].shape == (4, spec.n_numbers)
        assert spec.cardinalities == (4, 4)
        assert spec.shape == (spec.n_numbers + 2,)
        assert spec.columns == ("age", "city", "when", "rooms", "is_new")
        assert np.isfinite(array["numbers"]).all()
        assert present.all()
        assert transformer.kinds_ == {
            "age": "numeric",
            "city": "categorical",
            "when": "datetime",
            "rooms": "numeric",
            "is_new": "categorical",
        }
        assert transformer.categories_ == {"city": ["Oslo", "Rome"], "is_new": [False, True]}
        np.testing.assert_array_equal(array["codes"], [[3, 3], [2, 2], [1, 3], [3, 3]])

    def test_feature_names(self):
        transformer = TabularTransformer().fit(table())
        names = transformer.get_feature_names_out().tolist()
        assert len(names) == transformer.spec_.shape[0]
        assert names[:3] == ["age", "age_missing", "when_seconds"]
        assert names[-4:] == ["when_missing", "rooms", "city", "is_new"]
        assert "when_day_of_year_sin" in names
        assert "when_hour_sin" not in names

    def test_fit_and_read_agree(self):
        transformer = TabularTransformer()
        fitted, present = transformer.fit_read(table())
        read, read_present = transformer.read(table())
        np.testing.assert_array_equal(fitted, read)
        np.testing.assert_array_equal(present, read_present)
        np.testing.assert_array_equal(transformer.fit_transform(table()), fitted)

    def test_rows_do_not_influence_each_other(self):
        transformer = TabularTransformer().fit(table())
        whole = transformer.transform(table())
        np.testing.assert_array_equal(transformer.transform(table().iloc[[2, 0]]), whole[[2, 0]])
        np.testing.assert_array_equal(transformer.transform(table().iloc[[3]]), whole[[3]])
        assert transformer.transform(table().iloc[:0]).shape == (0,)

    def test_row_order_in_fit_does_not_matter(self):
        X = pd.DataFrame({"a": [1.0, 1, 3, 9], "b": np.array(["x", 1, 1.0, "x"], dtype=object)})
        first = TabularTransformer().fit(X)
        second = TabularTransformer().fit(X[::-1])
        assert first.categories_ == second.categories_
        assert first.spec_ == second.spec_
        np.testing.assert_array_equal(first.transform(X), second.transform(X))

    def test_zero_width_fields(self):
        array = TabularTransformer().fit_transform(pd.DataFrame({"a": ["x", "y"]}))
        assert array["numbers"].shape == (2, 0)
        assert array["codes"].shape == (2, 1)
        array = TabularTransformer().fit_transform(pd.DataFrame({"a": [1.0, 2.0]}))
        assert array["numbers"].shape == (2, 1)
        assert array["codes"].shape == (2, 0)
        assert array[[1, 0, 1]]["codes"].shape == (3, 0)

    def test_a_row_with_nothing_is_absent_and_zero(self):
        X = pd.DataFrame(
            {"a": [1.0, None, None], "b": ["x", " ", "y"], "c": pd.to_datetime(["2024-01-01", None, None])}
        )
        array, present = TabularTransformer().fit_read(X)
        assert present.tolist() == [True, False, True]
        assert array[1].tobytes() == bytes(array.dtype.itemsize)
        assert array["codes"][2] == 3

    def test_a_single_row(self):
        transformer = TabularTransformer()
        array = transformer.fit_transform(table().iloc[[0]])
        assert np.isfinite(array["numbers"]).all()
        assert np.isfinite(transformer.transform(table())["numbers"]).all()

    def test_x_is_untouched(self):
        X = table()
        TabularTransformer().fit(X).transform(X)
        pd.testing.assert_frame_equal(X, table())
        array = np.array([[1.0, np.nan], [3.0, 4.0]])
        before = array.copy()
        TabularTransformer().fit_transform(array)
        np.testing.assert_array_equal(array, before)


class TestNumbers:
    def test_robust_scaling(self):
        values = np.array([1.0, 2, 3, 4, 100])
        z = (values - 3) / 2
        np.testing.assert_allclose(numbers(values)[:, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)

    def test_robust_scaling_of_coinciding_quartiles_takes_the_range(self):
        values = np.array([0.0] * 9 + [4.0])
        z = values / 2
        np.testing.assert_allclose(numbers(values)[:, 0], z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6)

    def test_standard_scaling(self):
        values = np.random.default_rng(0).normal(5, 3, size=50)
        expected = StandardScaler().fit_transform(values[:, None])
        np.testing.assert_allclose(numbers(values, scaling="standard"), expected, rtol=1e-5, atol=1e-6)

    def test_quantile_scaling(self):
        values = np.random.default_rng(0).exponential(size=50)
        expected = QuantileTransformer(n_quantiles=50, output_distribution="normal").fit_transform(values[:, None])
        np.testing.assert_allclose(numbers(values, scaling="quantile"), expected, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
    def test_missing_becomes_the_centre_and_is_indicated(self, scaling):
        out = numbers([1.0, np.nan, 2.0, 3.0], scaling=scaling)
        assert out[1].tolist() == [0, 1]
        assert out[[0, 2, 3], 1].tolist() == [0, 0, 0]
        assert out[2, 0] == pytest.approx(0, abs=1e-6)
        assert numbers([1.0, np.nan, 2.0], scaling=scaling, add_indicator=False).shape == (3, 1)

    @pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
    def test_missing_in_transform_only(self, scaling):
        assert numbers([1.0, 2.0, 3.0], [np.nan, 2.0], scaling=scaling)[0].tolist() == [0]

    @pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
    @pytest.mark.parametrize("value", [0, 7.5, 0.1, -1e300])
    def test_constant_columns_become_zero(self, scaling, value):
        assert not numbers([value] * 5, [value, 8, 1e9, np.nan], scaling=scaling).any()

    @pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
    @pytest.mark.parametrize("column", [[np.nan] * 3, pd.Series([None] * 3, dtype="Int64")])
    def test_a_column_all_missing_in_fit(self, scaling, column):
        frame = pd.DataFrame({"x": column, "y": [1.0, 2.0, 3.0]})
        transformer = TabularTransformer(scaling=scaling)
        fitted = transformer.fit_transform(frame)["numbers"]
        assert fitted[:, :2].tolist() == [[0, 1]] * 3
        new = transformer.transform(pd.DataFrame({"x": [5.0, np.nan], "y": [1.0, 1.0]}))["numbers"]
        assert new[:, :2].tolist() == [[0, 0], [0, 1]]

    @pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
    @pytest.mark.parametrize(
        "column",
        [
            [-1.7e308, 0.0, 1.7e308, 1.0],
            [1e-320, 2e-320, 0.0, 5e-324],
            [0.0, 1e-300, 2e-300, 1e300],
            [2**64 - 1, 0, 1, 2**63],
            np.array([1, 2, 3, 4], dtype=np.longdouble),
            np.array([1, 2, 3, 65504], dtype=np.float16),
        ],
    )
    def test_extreme_numbers_stay_finite_and_in_order(self, scaling, column):
        out = numbers(column, scaling=scaling)[:, 0]
        assert np.isfinite(out).all()
        rank = np.argsort(np.asarray(column, dtype=np.float64), kind="stable")
        assert (np.diff(out[rank]) >= 0).all()
        assert out.max() > out.min()

    @pytest.mark.parametrize("scaling", ["robust", "standard", "quantile"])
    def test_numbers_far_from_those_of_fit_stay_finite(self, scaling):
        out = numbers([1.0, 1.0 + 1e-12, 1.0 + 2e-12, 1.0], [1.7e308, -1.7e308, 1e30], scaling=scaling)
        assert np.isfinite(out).all()
        assert np.isfinite(out**2).all()

    def test_large_offsets_keep_their_differences(self):
        values = 1.7e9 + np.arange(5.0)
        np.testing.assert_allclose(numbers(values), numbers(np.arange(5.0)), rtol=1e-6)

    @pytest.mark.parametrize(
        "column",
        [
            pd.Series([3, 1, None], dtype="Int64"),
            pd.Series([3, 1, None], dtype="Float32"),
            pd.Series([3, 1, None], dtype="int64[pyarrow]"),
            pd.Series([Decimal(3), Decimal(1), None]),
            pd.Series([Decimal(3), Decimal(1), None], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
            pd.Series([3, 1.0, None], dtype=object),
            pd.Series([np.float32(3), np.int8(1), pd.NA], dtype=object),
            pd.Series([3.0, 1.0, np.nan]).astype(pd.SparseDtype(float)),
            pd.to_timedelta(pd.Series(["3s", "1s", None])),
            pd.Series([dt.timedelta(seconds=3), dt.timedelta(seconds=1), None], dtype=object),
            pd.Series([dt.timedelta(seconds=3), dt.timedelta(seconds=1), None], dtype=pd.ArrowDtype(pa.duration("us"))),
        ],
        ids=lambda column: str(column.dtype),
    )
    def test_number_dtypes_are_found_and_read_alike(self, column):
        transformer = TabularTransformer(kinds={"other": "categorical"})
        out = transformer.fit_transform(beside_another(x=column))
        assert transformer.kinds_["x"] == "numeric"
        np.testing.assert_array_equal(out["numbers"], numbers([3.0, 1.0, np.nan]))

    @pytest.mark.parametrize("dtype", [object, "string", "category", "string[pyarrow]"])
    def test_strings_of_numbers_are_converted_when_told(self, dtype):
        column = pd.Series(["3", " 1.0 ", None, "", "nan", "1e1"], dtype=dtype)
        np.testing.assert_array_equal(numbers(column), numbers([3.0, 1.0, np.nan, np.nan, np.nan, 10.0]))

    def test_strings_may_come_in_transform(self):
        np.testing.assert_array_equal(numbers([1, 2, 3, 4], ["4", "2"]), numbers([1, 2, 3, 4], [4, 2]))

    def test_text_among_numbers_is_refused(self):
        X = pd.DataFrame({"price": ["1", "12 €", "3", "free", None] + ["much"] * 9})
        with pytest.raises(ValueError, match=r"11 of 14 cells of column 'price' as numbers") as error:
            TabularTransformer(kinds={"price": "numeric"}).fit(X)
        assert "rows 1, 3, 5, 6, 7, ..." in str(error.value)
        assert "'12 €'" in str(error.value)
        assert "kinds={'price': 'categorical'}" in str(error.value)
        transformer = TabularTransformer().fit(pd.DataFrame({"price": [1.0, 2.0]}))
        with pytest.warns(UserWarning, match=r"column 'price': 1 of 1 cells are no numbers \(row 0; first: 'x'\)"):
            array, present = transformer.read(pd.DataFrame({"price": ["x"]}))
        assert (array["numbers"].tolist(), present.tolist()) == ([[0]], [False])

    @pytest.mark.parametrize(
        "column",
        [
            [1.0, np.inf, -np.inf],
            [1.0, "inf", "-inf"],
            np.array([1, 10**400, 10**400], dtype=object),
            np.array([1, np.longdouble("1e400"), np.longdouble("-1e400")]),
            pd.Series([1, np.inf, np.inf], dtype="double[pyarrow]"),
        ],
    )
    def test_infinity_is_refused(self, column):
        message = r"Input X contains infinity or a value too large.*'x'.*2 of 3 cells \(rows 1, 2\)"
        with pytest.raises(ValueError, match=message):
            numbers(column)
        with pytest.raises(ValueError, match="Input X contains infinity"):
            numbers([1.0, 2.0], column)

    @pytest.mark.parametrize("column", [np.array([1j, 2]), np.array([1j, 2j], dtype=object)])
    def test_complex_numbers_are_refused(self, column):
        with pytest.raises(ValueError, match=r"Complex data not supported.*'x'"):
            TabularTransformer().fit(pd.DataFrame({"x": column}))

    def test_complex_numbers_among_others_are_refused(self):
        with pytest.raises(ValueError, match=r"1 of 2 cells of column 'x' as numbers \(row 1\). First: 1j"):
            numbers(np.array([2, 1j], dtype=object))


class TestCategories:
    def test_codes(self):
        assert codes(["b", "a", None, "b"]) == [3, 2, 1, 3]
        assert codes(["b", "a", "b"], ["c", "a", None, "", "  "]) == [0, 2, 1, 1, 1]

    @pytest.mark.parametrize(
        "column",
        [
            pd.Series(["b", "a", None], dtype=object),
            pd.Series(["b", "a", pd.NA], dtype=object),
            pd.Series(["b", "a", np.nan], dtype=object),
            pd.Series(["b", "a", None], dtype="string"),
            pd.Series(["b", "a", None], dtype="string[pyarrow]"),
            pd.Series(["b", "a", None], dtype=pd.ArrowDtype(pa.string())),
            pd.Series(["b", "a", None], dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
            pd.Series(pd.Categorical(["b", "a", None], categories=["z", "b", "a"])),
            pd.Series([True, False, None], dtype=object),
            pd.Series([True, False, None], dtype="boolean"),
            pd.Series([True, False, None], dtype="bool[pyarrow]"),
            pd.Series([2, 1, None], dtype="category"),
            pd.cut(pd.Series([9.0, 1.0, None]), [0, 5, 10]),
            pd.Series([b"b", b"a", None]),
            pd.Series([dt.time(2), dt.time(1), None]),
            pd.Series(["a", 1, None], dtype=object),
        ],
        ids=lambda column: f"{column.dtype}-{type(column.iloc[0]).__name__}",
    )
    def test_dtypes_are_found_and_read_alike(self, column):
        transformer = TabularTransformer()
        array = transformer.fit_transform(beside_another(x=column))
        assert transformer.kinds_["x"] == "categorical"
        assert array["codes"].ravel().tolist() == [3, 2, 1]
        assert transformer.spec_.cardinalities == (4,)

    @pytest.mark.parametrize(
        "new",
        [
            [2, 1, 7],
            [2.0, 1.0, np.nan],
            pd.Series([2, 1, None], dtype="Int64"),
            pd.Series([2, 1, None], dtype="category"),
            pd.Series([2.0, 1, "x"], dtype=object),
            ["2", "1", "1.5"],
            pd.Series(["2", "1", None], dtype="string[pyarrow]"),
        ],
    )
    @pytest.mark.parametrize("old", [[1, 2, 3], [1.0, 2.0, 3.0], ["1", "2", "3"]])
    def test_levels_survive_a_change_of_type(self, old, new):
        assert codes(old, new)[:2] == [3, 2]

    @pytest.mark.parametrize("new", [[True, False], ["True", "False"], [1, 0], [1.0, 0.0]])
    def test_booleans_survive_a_change_of_type(self, new):
        assert codes([True, False, True], new) == [3, 2]

    def test_a_level_of_each_type_keeps_its_own_code(self):
        assert codes(np.array([1, "1", "1", 2.5], dtype=object)) == [2, 4, 4, 3]

    def test_large_identifiers_stay_apart(self):
        assert codes([2**53, 2**53 + 1, 2**53]) == [2, 3, 2]

    def test_mixed_types_are_sorted_alike_in_any_order(self):
        column = np.array(["b", 2, "a", 1.5, True], dtype=object)
        assert codes(column) == [6, 4, 5, 3, 2]
        assert codes(column, column[::-1]) == codes(column[::-1]) == [2, 3, 5, 4, 6]

    def test_unused_categories_get_no_code(self):
        column = pd.Categorical(["a", "c"], categories=["a", "b", "c"])
        assert codes(column, ["a", "b", "c"]) == [2, 0, 3]

    def test_rare_levels_share_the_code_of_unseen_ones(self):
        column = ["a"] * 3 + ["b"] * 2 + ["c"] * 2 + ["d", None, None, None]
        new = ["a", "b", "c", "d", "e", None]
        assert codes(column, new, min_frequency=2) == [2, 3, 4, 0, 0, 1]
        assert codes(column, new, min_frequency=0.25) == [2, 0, 0, 0, 0, 1]
        assert codes(column, new, max_categories=2) == [2, 3, 0, 0, 0, 1]
        assert codes(column, new, max_categories=None) == [2, 3, 4, 5, 0, 1]
        assert codes(column, new, max_categories=1, min_frequency=5) == [0, 0, 0, 0, 0, 1]

    @pytest.mark.parametrize("dtype", [object, "string", "category"])
    def test_a_column_all_missing_in_fit(self, dtype):
        transformer = TabularTransformer()
        frame = pd.DataFrame({"x": pd.Series([None, None], dtype=dtype), "y": [1, 2]})
        assert transformer.fit_transform(frame)["codes"].tolist() == [[1], [1]]
        assert transformer.spec_.cardinalities == (2,)
        new = pd.DataFrame({"x": ["a", None, 3], "y": [1, 2, 3]})
        assert transformer.transform(new)["codes"].tolist() == [[0], [1], [0]]

    def test_strings_of_digits_are_categories(self):
        transformer = TabularTransformer().fit(pd.DataFrame({"zip": ["01234", "99999"]}))
        assert transformer.categories_ == {"zip": ["01234", "99999"]}

    @pytest.mark.parametrize("kinds", ["auto", {"x": "numeric"}, {"x": "categorical"}, {"x": "datetime"}])
    @pytest.mark.parametrize("cell", [{"a": 1}, [1], (1, 2), {1}, np.arange(2)], ids=lambda cell: type(cell).__name__)
    def test_containers_are_refused(self, kinds, cell):
        column = np.array([1.0, None, 3.0], dtype=object)
        column[1] = cell
        message = f"argument must be a string or a real number, not '{type(cell).__name__}'"
        with pytest.raises(TypeError, match=message):
            TabularTransformer(kinds=kinds).fit(pd.DataFrame({"x": column}))

    @pytest.mark.parametrize("dtype", [pa.list_(pa.string()), pa.struct([("a", pa.int64())])])
    def test_nested_pyarrow_columns_are_refused(self, dtype):
        cells = [["1"], ["2"]] if pa.types.is_list(dtype) else [{"a": 1}, {"a": 2}]
        with pytest.raises(TypeError, match="must be a string or a real number"):
            TabularTransformer().fit(pd.DataFrame({"x": pd.Series(cells, dtype=pd.ArrowDtype(dtype))}))


class TestDates:
    def read(self, column, new=None):
        transformer = TabularTransformer(kinds={"when": "datetime", "other": "categorical"})
        transformer.fit(beside_another(when=column))
        array = transformer.transform(beside_another(when=column if new is None else new))
        return pd.DataFrame(array["numbers"], columns=transformer.get_feature_names_out()[:-1])

    def test_places_in_the_cycles(self):
        out = self.read(
            pd.to_datetime(["2024-01-01 00:00", "2023-07-02 12:00", "2024-12-31 18:00", "2023-01-05 06:00"])
        )
        assert out["when_seconds"].rank().tolist() == [3, 2, 4, 1]
        angle = np.arctan2(out["when_hour_sin"], out["when_hour_cos"]) / (2 * np.pi) % 1
        np.testing.assert_allclose(angle, [0, 0.5, 0.75, 0.25], atol=1e-6)
        angle = np.arctan2(out["when_day_of_week_sin"], out["when_day_of_week_cos"]) / (2 * np.pi) % 1
        np.testing.assert_allclose(angle, [0, 6.5 / 7, 1.75 / 7, 3.25 / 7], atol=1e-6)
        angle = np.arctan2(out["when_day_of_year_sin"], out["when_day_of_year_cos"]) / (2 * np.pi) % 1
        np.testing.assert_allclose(angle, [0, 0.5, 365.75 / 366, 4.25 / 365], atol=1e-6)
        angle = np.arctan2(out["when_day_sin"], out["when_day_cos"]) / (2 * np.pi) % 1
        np.testing.assert_allclose(angle, [0, 1.5 / 31, 30.75 / 31, 4.25 / 31], atol=1e-6)

    def test_what_does_not_vary_is_left_out(self):
        assert list(self.read(pd.to_datetime(["2024-01-01", "2024-01-08", "2024-01-15"]))) == [
            "when_seconds",
            "when_day_of_year_sin",
            "when_day_of_year_cos",
            "when_day_sin",
            "when_day_cos",
        ]
        assert list(self.read(pd.to_datetime(["2024-01-01"]))) == ["when_seconds"]

    def test_missing_dates(self):
        out = self.read(pd.to_datetime(["2024-01-01", None, "2024-05-08"]))
        assert out.iloc[1].tolist() == [0] * (out.shape[1] - 1) + [1]
        assert "when_missing" not in self.read(pd.to_datetime(DAYS), [None] * 4)
        assert not self.read(pd.to_datetime(DAYS), [None] * 4).to_numpy().any()

    def test_all_missing(self):
        out = self.read(pd.to_datetime([None, None]), pd.to_datetime(["2024-01-01", None]))
        assert out.to_numpy().tolist() == [[0, 0], [0, 1]]

    @pytest.mark.parametrize(
        "column",
        [
            pd.Series(DAYS),
            pd.Series(DAYS, dtype=object),
            pd.Series(DAYS, dtype="category"),
            pd.Series([f"{day}T00:00:00Z" for day in DAYS]),
            pd.Series([dt.date.fromisoformat(day) for day in DAYS]),
            pd.Series([dt.datetime.fromisoformat(day) for day in DAYS], dtype=object),
            pd.Series([dt.date.fromisoformat(day) for day in DAYS], dtype=pd.ArrowDtype(pa.date32())),
            pd.Series([dt.datetime.fromisoformat(day) for day in DAYS], dtype=pd.ArrowDtype(pa.timestamp("us"))),
            pd.to_datetime(pd.Series(DAYS)).dt.tz_localize("UTC"),
            pd.to_datetime(pd.Series(DAYS)).astype("datetime64[s]"),
            pd.Series(pd.PeriodIndex(DAYS, freq="D")),
        ],
        ids=lambda column: f"{column.dtype}-{type(column.iloc[0]).__name__}",
    )
    def test_dtypes_are_read_alike(self, column):
        expected = self.read(pd.to_datetime(pd.Series(DAYS)))
        pd.testing.assert_frame_equal(self.read(column), expected)
        pd.testing.assert_frame_equal(self.read(pd.to_datetime(pd.Series(DAYS)), column), expected)
        if column.dtype != "category":
            assert TabularTransformer().fit(pd.DataFrame({"when": column})).kinds_ == {"when": "datetime"}

    def test_time_zones_are_read_on_the_clock_of_fit(self):
        clock = pd.to_datetime(pd.Series(["2024-01-01 09:00", "2024-07-02 10:30", "2024-03-03 23:00"]))
        paris = clock.dt.tz_localize("Europe/Paris")
        expected = self.read(clock)
        pd.testing.assert_frame_equal(self.read(paris), expected)
        pd.testing.assert_frame_equal(self.read(paris, paris.dt.tz_convert("Asia/Tokyo")), expected)
        pd.testing.assert_frame_equal(self.read(paris, clock), expected)

    def test_mixed_time_zones(self):
        moments = [pd.Timestamp("2024-01-01", tz="Asia/Tokyo"), pd.Timestamp("2024-05-05", tz="UTC"), None]
        expected = self.read(pd.to_datetime(pd.Series(moments, dtype=object), utc=True))
        pd.testing.assert_frame_equal(self.read(pd.Series(moments, dtype=object)), expected)

    @pytest.mark.parametrize("cell", ["soon", "31.01.2024", 20240131, 3.5, "2024-02-30"])
    def test_what_is_no_date_is_refused(self, cell):
        column = pd.Series([*DAYS, cell], dtype=object)
        with pytest.raises(ValueError, match=r"1 of 5 cells of column 'when' as dates \(row 4\)") as error:
            self.read(column)
        assert repr(cell) in str(error.value)
        assert "pd.to_datetime(X['when']" in str(error.value)

    @pytest.mark.parametrize("cell", ["soon", "2024-02-30", "2024"])
    def test_strings_that_are_not_all_dates_are_categories(self, cell):
        transformer = TabularTransformer().fit(pd.DataFrame({"when": [*DAYS, cell]}))
        assert transformer.kinds_ == {"when": "categorical"}


class TestDoor:
    def test_columns_are_found_by_name(self):
        transformer = TabularTransformer().fit(table())
        shuffled = table()[["is_new", "when", "city", "rooms", "age"]].assign(extra="ignored")
        np.testing.assert_array_equal(transformer.transform(shuffled), transformer.transform(table()))
        np.testing.assert_array_equal(transformer.feature_names_in_, table().columns)
        assert transformer.n_features_in_ == 5

    def test_missing_columns_are_listed(self):
        transformer = TabularTransformer().fit(table())
        with pytest.raises(
            ValueError, match=r"lacks 2 of the 5 columns.*\['age', 'city'\].*not seen in fit: \['Age'\]"
        ):
            transformer.transform(table().rename(columns={"age": "Age"}).drop(columns="city"))

    @pytest.mark.parametrize(
        "convert",
        [
            pl.from_pandas,
            lambda X: pa.Table.from_pandas(X, preserve_index=False),
            lambda X: X.convert_dtypes(),
            lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
            lambda X: X.astype(object),
            lambda X: X.set_index(np.array([5, 5, 1, 0])),
        ],
        ids=["polars", "pyarrow", "nullable", "arrow dtypes", "object", "index"],
    )
    def test_other_tables_give_the_same(self, convert):
        expected = TabularTransformer().fit_transform(table())
        transformer = TabularTransformer()
        np.testing.assert_array_equal(transformer.fit_transform(convert(table())), expected)
        np.testing.assert_array_equal(transformer.transform(table()), expected)
        np.testing.assert_array_equal(TabularTransformer().fit(table()).transform(convert(table())), expected)

    @pytest.mark.parametrize("convert", [np.asarray, lambda X: X.to_numpy().tolist()], ids=["array", "list"])
    def test_arrays_go_by_position(self, convert):
        X = convert(table().astype(object))
        transformer = TabularTransformer(kinds={1: "categorical"})
        array = transformer.fit_transform(X)
        np.testing.assert_array_equal(array, TabularTransformer().fit_transform(table()))
        assert not hasattr(transformer, "feature_names_in_")
        assert transformer.get_feature_names_out()[[0, 1, -1]].tolist() == ["x0", "x0_missing", "x4"]
        np.testing.assert_array_equal(transformer.transform(X), array)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, object])
    def test_number_arrays(self, dtype):
        X = np.arange(12).reshape(4, 3).astype(dtype)
        transformer = TabularTransformer()
        array = transformer.fit_transform(X)
        assert transformer.spec_.n_numbers == 3
        assert transformer.spec_.cardinalities == ()
        np.testing.assert_array_equal(array, TabularTransformer().fit_transform(X.astype(float)))

    def test_masked_arrays_keep_their_mask(self):
        X = np.ma.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]], mask=[[0, 1], [0, 0], [0, 0]])
        np.testing.assert_array_equal(
            TabularTransformer().fit_transform(X), TabularTransformer().fit_transform(X.filled(np.nan))
        )

    def test_names_on_one_side_only(self):
        X = table()[["age", "rooms"]]
        expected = TabularTransformer().fit_transform(X)
        with pytest.warns(UserWarning, match="X does not have valid feature names, but TabularTransformer was fitted"):
            array = TabularTransformer().fit(X).transform(X.to_numpy())
        np.testing.assert_array_equal(array, expected)
        with pytest.warns(UserWarning, match="X has feature names, but TabularTransformer was fitted without"):
            array = TabularTransformer().fit(X.to_numpy()).transform(X)
        np.testing.assert_array_equal(array, expected)
        message = "X has 1 features, but TabularTransformer is expecting 2 features as input"
        with pytest.raises(ValueError, match=message):
            TabularTransformer().fit(X.to_numpy()).transform(X.to_numpy()[:, :1])
        with pytest.raises(ValueError, match=message):
            TabularTransformer().fit(X).transform(X.to_numpy()[:, :1])

    @pytest.mark.parametrize(
        ("X", "error", "message"),
        [
            ([1, 2], ValueError, "Expected 2D array, got 1D array"),
            (pd.Series([1, 2]), ValueError, "Expected 2D array, got 1D array|Expected a 2-dimensional"),
            (np.zeros((2, 2, 2)), ValueError, "dim 3"),
            (np.zeros((0, 3)), ValueError, r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required"),
            (pd.DataFrame({"a": []}), ValueError, r"0 sample\(s\)"),
            (np.zeros((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required"),
            (pd.DataFrame(index=[0, 1]), ValueError, r"0 feature\(s\)"),
            (sp.csr_array(np.eye(2)), TypeError, "Sparse data was passed"),
            (np.eye(2) * 1j, ValueError, "Complex data not supported"),
            (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, r"several of the name \['a'\]"),
        ],
    )
    def test_what_is_no_table_is_refused(self, X, error, message):
        with pytest.raises(error, match=message):
            TabularTransformer().fit(X)

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"kinds": {"agee": "numeric"}}, r"column 'agee'.*Did you mean 'age'\?"),
            ({"kinds": {"age": "number"}}, "one of .*numeric.*got 'number' for column 'age'"),
            ({"kinds": "numeric"}, "kinds"),
            ({"scaling": "minmax"}, "scaling"),
            ({"max_categories": 0}, "max_categories"),
            ({"min_frequency": 1.5}, "min_frequency"),
            ({"add_indicator": "yes"}, "add_indicator"),
        ],
    )
    def test_wrong_parameters_are_refused(self, params, message):
        with pytest.raises(ValueError, match=message):
            TabularTransformer(**params).fit(table())

    def test_kinds_can_be_told(self):
        transformer = TabularTransformer(kinds={"rooms": "categorical", "is_new": "numeric"}).fit(table())
        assert transformer.kinds_["rooms"] == "categorical"
        assert transformer.kinds_["is_new"] == "numeric"
        assert transformer.kinds_["age"] == "numeric"

    def test_unfitted(self):
        with pytest.raises(NotFittedError):
            TabularTransformer().transform(table())
        with pytest.raises(NotFittedError):
            TabularTransformer().get_feature_names_out()

    def test_a_failed_fit_keeps_the_earlier_one(self):
        transformer = TabularTransformer().fit(table())
        expected = transformer.transform(table())
        with pytest.raises(ValueError, match="infinity"):
            transformer.fit(pd.DataFrame({"x": [np.inf]}))
        np.testing.assert_array_equal(transformer.transform(table()), expected)

    @pytest.mark.parametrize("scaling", ["robust", "quantile"])
    def test_pickle_copy_and_clone(self, scaling):
        X = table().assign(zone=pd.to_datetime(DAYS).tz_localize("Europe/Paris"))
        transformer = TabularTransformer(scaling=scaling).fit(X)
        expected = transformer.transform(X)
        for other in (pickle.loads(pickle.dumps(transformer)), copy.deepcopy(transformer)):
            np.testing.assert_array_equal(other.transform(X), expected)
        np.testing.assert_array_equal(clone(transformer).fit_transform(X), expected)

    def test_transform_changes_no_attribute(self):
        transformer = TabularTransformer().fit(table())
        before = pickle.dumps(transformer)
        transformer.transform(pd.DataFrame({**table(), "city": ["new"] * 4, "age": [1e9] * 4}))
        assert pickle.dumps(transformer) == before

    def test_pandas_output_is_left_alone(self):
        with sklearn.config_context(transform_output="pandas"):
            assert isinstance(TabularTransformer().fit_transform(table()), np.ndarray)
        assert isinstance(TabularTransformer().set_output(transform="pandas").fit_transform(table()), np.ndarray)
