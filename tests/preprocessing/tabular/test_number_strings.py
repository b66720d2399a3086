import numpy as np
import pytest

from sklearn_mm.preprocessing.tabular._number_strings import NumberFormat, learn_number_format, parse_numbers


def learn(strings, counts=None):
    return learn_number_format(np.array(strings, dtype=object), np.array(counts or [1] * len(strings)))


def parse(strings, format):
    return parse_numbers(np.array(strings, dtype=object), format).tolist()


@pytest.mark.parametrize(
    ("strings", "format", "numbers"),
    [
        (["1.5", " 2 ", "-3e2", "+.5"], (".", ""), [1.5, 2, -300, 0.5]),
        (["$1,234.50", "$3", "-$5.25", "$-6", "$ 7"], (".", "$"), [1234.5, 3, -5.25, -6, 7]),
        (["($1,000)", "$(2.5)", "$1"], (".", "$"), [-1000, -2.5, 1]),
        (["1.234,50 €", "3 €", "0,5€", "1.000 €"], (",", "€"), [1234.5, 3, 0.5, 1000]),
        (["US$ 5", "US$6"], (".", "us$"), [5, 6]),
        (["EUR 12", "EUR 1,000"], (".", "eur"), [12, 1000]),
        (["12 %", "3.5%"], (".", "%"), [12, 3.5]),
        (["12 km", "1,000 km", "-4km"], (".", "km"), [12, 1000, -4]),
        (["85 m2", "90.5 m2"], (".", "m2"), [85, 90.5]),
        (["12 km/h", "5 KM/h."], (".", "km/h"), [12, 5]),
        (["1 month", "12 months"], (".", "month"), [1, 12]),
        (["20 °C", "-3.5 °C"], (".", "°c"), [20, -3.5]),
        (["(300)", "200", "(1,000.5)"], (".", ""), [-300, 200, -1000.5]),
        (["1 234", "12\u202f345,5", "3"], (",", ""), [1234, 12345.5, 3]),
        (["1'234.5", "7’000"], (".", ""), [1234.5, 7000]),
        (["12,34,567", "3,000"], (".", ""), [1234567, 3000]),
        (["1,5", "2,25", "1.000,5", "3"], (",", ""), [1.5, 2.25, 1000.5, 3]),
        (["−5", "+3"], (".", ""), [-5, 3]),
        (["1e5 kg", "2 kg"], (".", "kg"), [1e5, 2]),
    ],
)
def test_what_people_write(strings, format, numbers):
    assert learn(strings) == NumberFormat(*format)
    assert parse(strings, NumberFormat(*format)) == numbers


@pytest.mark.parametrize(
    ("strings", "numbers"), [(["1,234", "5,678"], [1234, 5678]), (["1.234", "5.678"], [1.234, 5.678])]
)
def test_a_point_sets_off_decimals_where_nothing_tells(strings, numbers):
    assert parse(strings, learn(strings)) == numbers


def test_all_cells_tell_what_sets_off_decimals():
    assert learn(["1.234", "5.678", "0,5"]) == NumberFormat(",")
    assert learn(["1.234", "5.678", "0.5", "0,5"]) == NumberFormat(".")
    assert learn(["1,5", "2.5"], [2, 1]) == NumberFormat(",")
    assert learn(["1,5", "2.5"], [1, 2]) == NumberFormat(".")


def test_the_unit_is_that_of_most_cells():
    format = learn(["12 km", "3 km", "6 km", "4 miles", "5"])
    assert format == NumberFormat(".", "km")
    assert learn(["12 km", "3 miles"]).unit == ""
    np.testing.assert_array_equal(parse(["12 km", "4 miles", "5"], format), [12, np.nan, 5])
    assert learn(["12 km", "3", "4", "5"]).unit == ""
    np.testing.assert_array_equal(parse(["12 km", "3"], NumberFormat()), [np.nan, 3])


@pytest.mark.parametrize(
    "string",
    [
        *("", "x", "12:30", "1.2.3", "1,2,3", "0,123,456", "5-6", "<5", "A-1", "Room 1", "ABC 12", "03/31/2024"),
        *("1 2", "555-1234", "192.168.1.1", "12A4", "(3", "3)", "--3", "1,,000", "5'10\"", "1_000", "0x10"),
    ],
)
def test_what_is_no_number(string):
    assert np.isnan(parse([string], NumberFormat())).all()
    assert np.isnan(parse([string], learn([string]))).all()


def test_long_strings_are_refused_quickly():
    strings = [" " * 5000 + "x", "1" * 5000 + "x x" * 1000, "(" * 5000, "$" * 5000, "1,000" * 1000]
    assert np.isnan(parse(strings, learn(strings))).all()


def test_a_format_in_words():
    assert str(NumberFormat()) == ""
    assert str(NumberFormat(",", "€")) == "the unit '€' and a decimal comma"
