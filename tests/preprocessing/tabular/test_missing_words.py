import pytest

from sklearn_mm.preprocessing.tabular._missing_words import is_missing_word


@pytest.mark.parametrize(
    "string", ["", "  ", "?", "N/A", "n/a", " NaN ", "-", "--", "Unknown", "NULL", "none", "<NA>", "\\N"]
)
def test_words(string):
    assert is_missing_word(string)


@pytest.mark.parametrize("string", ["0", "x", "no", "-1", "not", "minus"])
def test_other_words(string):
    assert not is_missing_word(string)
