import numpy as np
import pytest

from sklearn_mm.utils._messages import abbreviate, abbreviated_repr, first_few, name_column, name_rows, of_column


def test_abbreviations_have_the_length_that_is_asked_for():
    assert abbreviate("a" * 60) == "a" * 60
    assert abbreviate("a" * 61) == "a" * 57 + "..."
    assert abbreviate("abcdefgh", 7) == "abcd..."
    assert abbreviated_repr("a" * 59) == repr("a" * 59)[:57] + "..."
    assert abbreviated_repr(1.5) == "1.5"


def test_the_first_few_are_named():
    assert first_few([]) == ""
    assert first_few([3, 1, 2]) == "3, 1, 2"
    assert first_few("abc", 2, repr) == "'a', 'b', ..."
    assert first_few(range(6)) == "0, 1, 2, 3, 4, ..."


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([7], "row 7"),
        ([7, 9], "rows 7, 9"),
        (np.arange(5), "rows 0, 1, 2, 3, 4"),
        (np.arange(1, 7), "rows 1, 2, 3, 4, 5, ..."),
        (np.array([False, True, False]), "row 1"),
        (np.array([True, True]), "rows 0, 1"),
    ],
    ids=str,
)
def test_rows_are_named_by_number_or_mask(rows, words):
    assert name_rows(rows) == words


def test_columns_without_a_name():
    assert (name_column("price"), name_column(0), name_column(None)) == ("column 'price'", "column 0", "the column")
    assert (of_column("price"), of_column(None)) == (" of column 'price'", "")
