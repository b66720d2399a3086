import numpy as np
import pandas as pd
import pytest

from sklearn_mm.preprocessing.tabular._date_strings import (
    ISO,
    describe_date_format,
    is_ambiguous,
    learn_date_format,
    looks_like_date,
    parse_dates,
)


def learn(strings, counts=None):
    return learn_date_format(np.array(strings, dtype=object), np.array(counts or [1] * len(strings)))


@pytest.mark.parametrize(
    ("strings", "format"),
    [
        (["2024-03-31", "2024-03-31T12:00"], ISO),
        (["2024/03/31", "2024/3/1"], ISO),
        (["03/31/2024", "3/4/2024"], "%m/%d/%Y"),
        (["31/03/2024", "3/4/2024"], "%d/%m/%Y"),
        (["03-31-2024"], "%m-%d-%Y"),
        (["31-03-2024"], "%d-%m-%Y"),
        (["31.03.2024"], "%d.%m.%Y"),
        (["03.31.2024"], "%m.%d.%Y"),
        (["03/31/24"], "%m/%d/%y"),
        (["31/03/24"], "%d/%m/%y"),
        (["31.3.24"], "%d.%m.%y"),
        (["31 Mar 2024", "1 May 2023"], "%d %b %Y"),
        (["31-Mar-24"], "%d-%b-%y"),
        (["31 March 2024"], "%d %B %Y"),
        (["Mar 31, 2024"], "%b %d, %Y"),
        (["March 31, 2024"], "%B %d, %Y"),
    ],
)
def test_formats(strings, format):
    assert learn(strings) == format
    dates = parse_dates(np.array(strings, dtype=object), format)
    assert dates[0].date() == pd.Timestamp("2024-03-31").date()
    assert str(dates.tz) == "UTC"
    assert all(map(looks_like_date, strings))


@pytest.mark.parametrize("time", ["12:30", "12:30:15", "12:30:15.250", "12:30 PM", "12:30:15 PM"])
def test_times_of_day(time):
    strings = np.array([f" 03/31/2024 {time} ", "04/01/2024"], dtype=object)
    assert learn(strings) == "%m/%d/%Y"
    first, second = parse_dates(strings, "%m/%d/%Y")
    assert (first.hour, first.minute, second) == (12, 30, pd.Timestamp("2024-04-01", tz="UTC"))


def test_where_no_cell_tells_what_comes_first():
    assert learn(["03/04/2024", "05/06/2024"]) == "%m/%d/%Y"
    assert learn(["03-04-2024"]) == "%m-%d-%Y"
    assert learn(["03.04.2024"]) == "%d.%m.%Y"


def test_one_of_many_cells_tells_what_comes_first():
    strings = [
        f"{day:02d}/{month:02d}/{year}" for year in range(1900, 2000) for month in range(1, 13) for day in (3, 4)
    ]
    assert learn(strings) == "%m/%d/%Y"
    assert learn([*strings, "13/01/2024"]) == "%d/%m/%Y"
    assert is_ambiguous(np.array(strings, dtype=object), "%m/%d/%Y")
    assert not is_ambiguous(np.array(["13/01/2024"], dtype=object), "%d/%m/%Y")
    assert not is_ambiguous(np.array(["2024-01-02"], dtype=object), ISO)


def test_most_cells_decide():
    assert learn(["13/01/2024", "01/14/2024"], [1, 2]) == "%m/%d/%Y"
    assert learn(["13/01/2024", "01/14/2024"], [2, 1]) == "%d/%m/%Y"


def test_what_is_not_of_the_format():
    strings = np.array(["31/03/2024", "2024-03-31", "03/31/24", "x", "", "02/30/2024"], dtype=object)
    assert parse_dates(strings, "%m/%d/%Y").isna().all()
    assert parse_dates(strings[:0], "%m/%d/%Y").shape == (0,)


@pytest.mark.parametrize("format", [ISO, "%m/%d/%Y"])
def test_what_is_read_does_not_depend_on_the_clock(format):
    assert parse_dates(np.array(["now", "Today", " today "], dtype=object), format).isna().all()


@pytest.mark.parametrize("string", ["x", "12", "12.5", "2024", "March", "12 km away from here", "1.2", "12:30"])
def test_what_does_not_look_like_a_date(string):
    assert not looks_like_date(string)


def test_formats_in_words():
    assert describe_date_format(ISO) == "2024-03-31"
    assert describe_date_format("%d/%m/%y") == "31/03/24"
