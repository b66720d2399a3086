"""One odd cell in a column does not change what is learnt from it."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold, cross_val_score

from sklearn_mm import MultimodalRegressor
from sklearn_mm.networks import WideLinear

RNG = np.random.default_rng(0)
X = RNG.normal(size=300).round(3)
Y = 3 * X + RNG.normal(scale=0.1, size=300)


def table(cell, as_string=False, row=7):
    cells = X.astype(str).astype(object) if as_string else X.astype(object)
    cells[row] = cell
    return pd.DataFrame({"x": pd.Series(cells, dtype=object)})


def regressor():
    return MultimodalRegressor(wide=WideLinear(trees=False), batch_size=64, max_epochs=3, random_state=0)


@pytest.mark.parametrize("as_string", [False, True])
@pytest.mark.parametrize("cell", ["?", "N/A", "-", "unknown", "NULL", "12 ", "1,200"])
def test_one_odd_cell_of_a_column_of_numbers(cell, as_string):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*(odd cells|ignores)")
        reg = regressor().fit(table(cell, as_string), Y)
    assert reg.transformer_.column_kinds_ == {"x": "numeric"}
    rows = np.delete(np.arange(300), 7)
    assert reg.score(table("0")[:].iloc[rows], Y[rows]) > 0.9


def test_an_odd_cell_in_a_test_fold():
    with pytest.warns(UserWarning, match=r"column 'x': 1 of \d+ cells are no numbers \(row \d+; first: 'much'\)"):
        scores = cross_val_score(regressor(), table("much"), Y, cv=KFold(3), error_score="raise")
    assert scores.min() > 0.8


@pytest.mark.parametrize("cell", ["?", "much", [1.5], {"a": 1}, None], ids=str)
def test_an_odd_cell_in_predict_is_missing(cell):
    reg = regressor().fit(table(None), Y)
    expected = reg.predict(table(None))
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        np.testing.assert_array_equal(reg.predict(table(cell)), expected)
    assert sum("reads odd cells as missing" in str(warning.message) for warning in record) == (cell not in ("?", None))


def test_numbers_as_people_write_them():
    price = RNG.permutation(5000)[:300] / 4
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 1000, size=300), unit="D")
    y = np.log1p(price) + (day.month > 6)
    plain = pd.DataFrame({"price": price, "day": day})
    written = pd.DataFrame({"price": [f"${value:,.2f}" for value in price], "day": day.strftime("%d/%m/%Y")})
    reg = regressor().fit(written, y)
    assert reg.transformer_.column_kinds_ == {"price": "numeric", "day": "datetime"}
    assert "dates like 31/03/2024" in reg.transformer_.column_reasons_["day"]
    np.testing.assert_allclose(reg.predict(written[:9]), regressor().fit(plain, y).predict(plain[:9]), rtol=1e-5)
