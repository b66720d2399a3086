"""Numbers in texts: how they are written, which units get a column, and what estimators have of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_mm import ModalityTransformer, MultimodalRegressor, TabularInput, TextInput
from sklearn_mm.preprocessing import TextNumbers

N_OF_ALL = 4


def read(text, decimal="."):
    """Return the first number of each unit of a text."""
    transformer = TextNumbers(max_units=None, min_frequency=1, decimal=decimal)
    row = transformer.fit_transform([text])[0]
    return dict(zip(transformer.units_, row[N_OF_ALL:], strict=False))


def of_all(text, decimal="."):
    """Return how many numbers a text has, the first, the smallest and the largest."""
    n_numbers, *others = TextNumbers(decimal=decimal).fit_transform([text])[0, :N_OF_ALL]
    return (int(n_numbers), *others) if n_numbers else 0


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("12 oz", {"oz": 12}),
        ("a 12-inch pan, 3+ years, 6-Pack", {"inch": 12, "years": 3, "pack": 6}),
        ("pack of 6", {"of": 6}),
        ("Size: 38", {"size": 38}),
        ("version v3.2", {"v": 3.2}),
        ("Version 3.2.1, PAGES (12)", {"version": 3.2, "pages": 12}),
        ("$12.50 each", {"$": 12.5}),
        ("€ 5", {"€": 5}),
        ("5 €, 20%, 7 %", {"€": 5, "%": 20}),
        ("5ft", {"ft": 5}),
        ("5'4\"", {"'": 5, '"': 4}),
        ("5’4”", {"'": 5, '"': 4}),
        ("100 km/h", {"km/h": 100}),
        ("10 m² or 12 m2, 3 cm³", {"m2": 10, "cm3": 3}),
        ("-5 °C", {"°c": -5}),
        ("\u22125 °C", {"°c": -5}),
        ("MP-5", {"mp": 5}),
        ("-$5", {"$": -5}),
        ("2-3 years", {"years": 2}),
        ("$10-20", {"$": 10}),
        ("pages 10–20", {"pages": 10}),
        ("110/220 V", {"v": 110}),
        ("1 year, 2 years", {"year": 1}),
        ("3 classes, 4 glass", {"classes": 3, "glass": 4}),
    ],
)
def test_units(text, units):
    assert read(text) == units


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1,000", ".", 1000),
        ("1,000", ",", 1),
        ("1.000", ".", 1),
        ("1.000", ",", 1000),
        ("1,5", ".", 1.5),
        ("1.5", ",", 1.5),
        ("0,500", ".", 0.5),
        ("0.500", ",", 0.5),
        ("1'000", ".", 1000),
        ("1\u00a0000", ".", 1000),
        ("1\u202f234\u202f567", ".", 1234567),
        ("1 000", ",", 1000),
        ("1 000,5", ",", 1000.5),
        ("1,234,567", ".", 1234567),
        ("1.234.567", ".", 1234567),
        ("1,234.5", ",", 1234.5),
        ("1.234,5", ".", 1234.5),
        ("12,34,567.5", ".", 1234567.5),
        (".5", ".", 0.5),
        ("1/2", ".", 0.5),
        ("1 1/2", ".", 1.5),
        ("½", ".", 0.5),
        ("1½", ".", 1.5),
        ("4.5/5", ".", 0.9),
        ("3/4", ".", 0.75),
        ("2021-05-03", ".", 2021),
        ("2021-05-03T12:30:00Z", ".", 2021),
        ("03/05/2021", ".", 2021),
        ("03.05.2021", ".", 2021),
        ("3.2.1", ".", 3.2),
        ("3.2.1", ",", 3.2),
        ("+5", ".", 5),
        ("12 ٣", ".", None),
    ],
)
def test_a_number_as_it_is_written(text, decimal, value):
    assert of_all(text, decimal) == ((1, value, value, value) if value is not None else (2, 12, 3, 12))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1,2,3", (3, 1, 1, 3)),
        ("16:9", (2, 16, 9, 16)),
        ("24/7", (2, 24, 7, 24)),
        ("5/0", (2, 5, 0, 5)),
        ("12 256 GB", (2, 12, 12, 256)),
        ("10 -5", (2, 10, -5, 10)),
        ("2021/22", (2, 2021, 22, 2021)),
        ("5 x 3", (2, 5, 3, 5)),
    ],
)
def test_several_numbers(text, numbers):
    assert of_all(text) == numbers


@pytest.mark.parametrize(
    "text",
    [
        *["9783161484100", "978-3-16-148410-0", "555-123-4567", "1/2/3", "03.05.21", "A4", "B07XJ8C8F5", "USB3.0"],
        *["size_12", "no number", "1" * 400, "1,000" + ",000" * 200, "², ①, Ⅷ, 三"],
    ],
)
def test_names_and_codes_are_no_numbers(text):
    assert of_all(text) == 0


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("١٢ كيلو", {"كيلو": 12}),
        ("۱۲٫۵ کیلو", {"کیلو": 12.5}),
        ("१२ किलो", {"किलो": 12}),
        ("５００ｍｌ", {"ml": 500}),
        ("约500克", {"克": 500}),
        ("20 ㎏", {"kg": 20}),
        ("5 ℃", {"°c": 5}),
        ("12 штук", {"штук": 12}),
        ("๑๒ กรัม", {"กรัม": 12}),
    ],
)
def test_scripts(text, units):
    assert read(text) == units


@pytest.mark.parametrize(
    ("text", "units", "products"),
    [
        ("10×20 cm", {"cm": 10}, {"cm_product": 200}),
        ("10 x 20 x 3 in", {"in": 10}, {"in_product": 600}),
        ("10cmx20cm", {"cm": 10}, {"cm_product": 200}),
        ("10 cm X 20 cm", {"cm": 10}, {"cm_product": 200}),
        ("6 х 330 мл", {"мл": 6}, {"мл_product": 1980}),
        ("2 m x 90 cm", {"cm": 90, "m": 2}, {}),
        ("10 x big", {"x": 10}, {}),
    ],
)
def test_factors_share_their_unit_and_have_a_product(text, units, products):
    transformer = TextNumbers(min_frequency=1).fit([text])
    names = [name.removeprefix("x0_") for name in transformer.get_feature_names_out()[N_OF_ALL:]]
    assert dict(zip(names, transformer.transform([text])[0, N_OF_ALL:], strict=True)) == {**units, **products}


def test_a_single_number_is_its_own_product():
    transformer = TextNumbers().fit(["6 x 330 ml", "500 ml", "5 kg"])
    assert transformer.get_feature_names_out()[N_OF_ALL:].tolist() == ["x0_ml", "x0_kg", "x0_ml_product"]
    products = transformer.transform(["6 x 330 ml", "500 ml", "5 kg"])[:, -1]
    np.testing.assert_array_equal(products, [1980, 500, np.nan])


def test_the_first_number_of_a_unit_counts():
    transformer = TextNumbers().fit(["5 g and 7 g", "3 g"])
    np.testing.assert_array_equal(transformer.transform(["9 kg, 5 g and 7 g"]), [[3, 9, 5, 9, 5]])


def test_the_word_before_counts_where_what_is_behind_is_rare():
    texts = ["pack of 6 bottles", "pack of 12 cans", "pack of 3", "5 ml", "7 ml of 9"]
    transformer = TextNumbers(min_frequency=2).fit(texts)
    assert transformer.units_ == ["of", "ml"]
    np.testing.assert_array_equal(transformer.transform(texts)[:, N_OF_ALL], [6, 12, 3, np.nan, 9])


def test_a_word_that_mostly_stands_elsewhere_is_no_unit():
    texts = ["pack of 6 with soap", "pack of 12 with soap"] + ["soap with lemon"] * 9
    assert TextNumbers(min_frequency=2).fit(texts).units_ == ["of"]
    assert TextNumbers(min_frequency=2).fit(texts[:2]).units_ == ["with"]


def test_units_are_frequent_and_ordered():
    texts = ["1 b", "2 b", "3 a", "4 a", "5 c", "no", None, None, None, None]
    assert TextNumbers().fit(texts).units_ == ["a", "b", "c"]
    assert TextNumbers(max_units=1).fit(texts).units_ == ["a"]
    assert TextNumbers(max_units=0).fit_transform(texts).shape == (10, N_OF_ALL)
    assert TextNumbers(min_frequency=2).fit(texts).units_ == ["a", "b"]
    assert TextNumbers(min_frequency=0.2).fit(texts).units_ == ["a", "b"]
    assert TextNumbers(min_frequency=0.21).fit(texts).units_ == []


def test_plural_and_singular_are_one_unit():
    transformer = TextNumbers().fit(["1 year", "2 years", "3 years"])
    assert transformer.units_ == ["years"]
    np.testing.assert_array_equal(transformer.transform(["1 YEAR", "2 Years"])[:, -1], [1, 2])


def test_the_decimal_sign_is_learnt():
    assert TextNumbers().fit(["1,5 l", "0,75 l", "1.000 g"]).decimal_ == ","
    assert TextNumbers().fit(["1.5 l", "1,5 l", "1,000 g"]).decimal_ == "."
    transformer = TextNumbers().fit(["1,5 kg"])
    np.testing.assert_array_equal(transformer.transform(["1.000 kg", "1 000 kg"])[:, 1], [1000, 1000])
    assert TextNumbers(decimal=".").fit(["1,5 l"]).decimal_ == "."


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, "", "  "])
def test_missing_cells(missing):
    array = TextNumbers().fit_transform([missing, "no number", "5 kg"])
    assert np.isnan(array[0]).all()
    np.testing.assert_array_equal(array[1], [0, np.nan, np.nan, np.nan, np.nan])
    assert np.isnan(TextNumbers().fit_transform([missing])).all()


COLUMN = pd.Series(["5 kg", "7 kg", None], name="title", index=[3, 4, 5])


@pytest.mark.parametrize(
    "make",
    [pd.Series.to_frame, pd.Series.tolist, pd.Series.to_numpy, lambda column: column.to_numpy()[:, None]],
    ids=["frame", "list", "array", "2-D array"],
)
def test_containers(make):
    array = TextNumbers().fit_transform(make(COLUMN))
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, TextNumbers().fit_transform(COLUMN))
    np.testing.assert_array_equal(array, TextNumbers().fit(make(COLUMN)).transform(make(COLUMN)))


def test_names_and_set_output():
    transformer = TextNumbers().set_output(transform="pandas")
    frame = transformer.fit_transform(COLUMN)
    names = ["title_n_numbers", "title_first_number", "title_smallest_number", "title_largest_number", "title_kg"]
    assert frame.columns.tolist() == names
    assert frame.index.tolist() == [3, 4, 5]
    pd.testing.assert_frame_equal(transformer.transform(COLUMN), frame)
    assert TextNumbers().fit(COLUMN.tolist()).get_feature_names_out(["a"])[0] == "a_n_numbers"
    with pytest.raises(ValueError, match="should have length"):
        transformer.get_feature_names_out(["a", "b"])
    assert not hasattr(transformer.fit(COLUMN.tolist()), "feature_names_in_")
    with pytest.raises(NotFittedError):
        TextNumbers().get_feature_names_out()


def test_clone_and_pickle():
    fitted = TextNumbers(max_units=3).fit(COLUMN)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(COLUMN), fitted.transform(COLUMN))
    assert clone(fitted).get_params() == {"max_units": 3, "min_frequency": 0.01, "decimal": "auto"}
    with pytest.raises(NotFittedError):
        clone(fitted).transform(COLUMN)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (["a", 5], TypeError, r"TextNumbers reads strings, but 1 of 2 cells.*row 1: 5 of type int.*astype\('string'\)"),
        (pd.Series(["a", ["b"]], name="t"), TypeError, r"TextNumbers reads strings.*column 't'.*row 1.*of type list"),
        (pd.DataFrame({"a": ["b"], "c": ["d"]}), ValueError, "TextNumbers reads one column, got 2"),
        ("5 kg", TypeError, "TextNumbers reads one column"),
        ([], ValueError, "minimum of 1 is required by TextNumbers"),
    ],
)
def test_errors(X, error, message):
    with pytest.raises(error, match=message):
        TextNumbers().fit(X)
    with pytest.raises(error, match=message):
        TextNumbers().fit(["5 kg"]).transform(X)


@pytest.mark.parametrize(
    "parameters", [{"max_units": -1}, {"min_frequency": 0}, {"min_frequency": 1.5}, {"decimal": ";"}], ids=repr
)
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=f"The {next(iter(parameters))!r} parameter of TextNumbers"):
        TextNumbers(**parameters).fit(["5 kg"])


HOSTILE = {
    **{repr(part): part * (1_000_000 // len(part)) for part in ["1", " ", ",", "1,", "1 ", "1-", "1/", "1.", "a", "$"]},
    **{repr(part): part * (1_000_000 // len(part)) for part in ["1x", "a1", "9 999 ", "½", "\u00a0", "1'", "1,000,"]},
    **{repr(part): part * (1_000_000 // len(part)) for part in ["a\u0301", "毫", "(", "1" * 12 + " ", "-", "x "]},
}


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_read(name, decimal):  # in quadratic time each would take hours
    array = TextNumbers(decimal=decimal).fit_transform([HOSTILE[name]])
    assert 0 <= array[0, 0] <= 1000 or np.isnan(array).all()
    assert not np.isinf(array).any()


PARTS = [*"0123456789", "12", "999", *".,'/-–×x:$€%°\" \u00a0½²⁄٣५", "cm", "of", "v", "a", "T", "克", "e", "inf", "nan"]


@given(
    st.lists(st.one_of(st.text(), st.lists(st.sampled_from(PARTS), max_size=30).map("".join)), min_size=1, max_size=4)
)
@settings(max_examples=300, deadline=None)
def test_any_text_gives_finite_numbers(texts):
    transformer = TextNumbers()
    array = transformer.fit_transform(texts)
    assert not np.isinf(array).any()
    assert (np.abs(array[~np.isnan(array)]) < 1e16).all()
    assert array.shape[1] == len(set(transformer.get_feature_names_out()))
    np.testing.assert_array_equal(array, transformer.transform(texts))
    np.testing.assert_array_equal(array[:1], transformer.transform(texts[:1]))


@pytest.fixture(scope="module")
def soaps():
    rng = np.random.default_rng(0)
    n_rows = 240
    pack, ml, kind = rng.integers(2, 60, n_rows), rng.integers(20, 999, n_rows), rng.integers(0, 3, n_rows)
    words = np.array(["rose", "lemon", "pine"])[kind]
    texts = [f"Soap with {w}, pack of {p}, {m} ml each" for w, p, m in zip(words, pack, ml, strict=True)]
    return pd.DataFrame({"description": texts}), pack / 20 + ml / 300 + 0.5 * kind


def score(estimator, X, y):
    return estimator.fit(X[:160], y[:160]).score(X[160:], y[160:])


def test_an_estimator_reads_numbers_beside_words(soaps):
    X, y = soaps
    regressor = MultimodalRegressor(text="description", max_epochs=15, random_state=0)
    numbers = TabularInput("description", transformer=TextNumbers())
    without, beside = score(regressor, X, y), score(clone(regressor).set_params(tabular=numbers), X, y)
    assert beside > 0.9
    assert beside - without > 0.3


def test_trees_read_numbers(soaps):
    X, y = soaps
    trees = HistGradientBoostingRegressor(random_state=0)
    assert score(make_pipeline(TextNumbers(), trees), X["description"], y) > 0.8
    columns = make_column_transformer((TextNumbers(), ["description"]), verbose_feature_names_out=False)
    assert columns.fit(X).get_feature_names_out()[0] == "description_n_numbers"


def test_numbers_of_an_input_are_scaled_and_gaps_are_told(soaps):
    X = pd.DataFrame({"text": ["5 kg", "7 kg", "2000 kg, 3 m", "no number", None], "size": [1.0, 2.0, 3.0, 4.0, 5.0]})
    inputs = [
        ("words", TextInput("text")),
        ("numbers", TabularInput("text", transformer=TextNumbers())),
        ("table", TabularInput()),
    ]
    transformer = ModalityTransformer(inputs=inputs).fit(X)
    blocks = transformer.transform(X)
    assert list(blocks) == ["words", "numbers", "table"]
    assert blocks.present.tolist() == [[True, True, True]] * 4 + [[False, False, True]]
    numbers = blocks["numbers"]["numbers"]
    assert np.isfinite(numbers).all()
    assert np.abs(numbers).max() <= 3
    names = transformer.transformers_["numbers"].get_feature_names_out().tolist()
    assert numbers.shape[1] == len(names)
    np.testing.assert_array_equal(numbers[:, names.index("text_kg_missing")], [0, 0, 0, 1, 0])
    later = transformer.transform(X.assign(text="8 m"))["numbers"]["numbers"]
    np.testing.assert_array_equal(later[:, names.index("text_kg_missing")], np.ones(5))


def test_only_numbers_share_a_column_with_words(soaps):
    X, _ = soaps
    with pytest.raises(ValueError, match="claimed by `text` and `tabular`"):
        ModalityTransformer(text="description", tabular=TabularInput("description")).fit(X)
