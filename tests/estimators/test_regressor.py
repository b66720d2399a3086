import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

from sklearn_mm import MultimodalRegressor


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=200)


def test_it_learns(numbers):
    reg = MultimodalRegressor(random_state=0).fit(*numbers)
    assert reg.score(*numbers) > 0.95
    assert reg.predict(numbers[0]).shape == (200,)


def test_several_targets(numbers):
    X, y = numbers
    Y = np.column_stack([y, 1000 - 50 * y])
    reg = MultimodalRegressor(random_state=0).fit(X, Y)
    assert reg.predict(X).shape == (200, 2)
    assert reg.score(X, Y) > 0.95


@pytest.fixture(scope="module")
def predicted(numbers):
    X, y = numbers
    return MultimodalRegressor(random_state=0, max_epochs=3).fit(X, y).predict(X)


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (1e6, 1), (-3, 1e-5), (1.7e9, 100), (0, 1e300), (0, 1e-300)])
def test_the_unit_of_the_target_does_not_matter(numbers, predicted, shift, scale):
    X, y = numbers
    moved = MultimodalRegressor(random_state=0, max_epochs=3).fit(X, shift + scale * y)
    np.testing.assert_allclose((moved.predict(X) - shift) / scale, predicted, atol=0.02)


def test_pictures_text_and_numbers(table, numeric_target):
    X, _ = table
    reg = MultimodalRegressor(random_state=0, max_epochs=4).fit(X, numeric_target)
    assert set(reg.specs_) == {"photo", "title", "tabular"}
    assert reg.score(X, numeric_target) > 0.8


def test_constant_target(numbers):
    X, _ = numbers
    np.testing.assert_allclose(MultimodalRegressor(max_epochs=2).fit(X, np.full(200, 7.0)).predict(X), 7, atol=0.5)


def test_weighted_mean_and_scale_of_the_target(numbers):
    X, _ = numbers
    y, weight = np.arange(200.0), np.repeat([1.0, 0.0], 100)
    reg = MultimodalRegressor(wide=None, max_epochs=1).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(reg.target_center_, 49.5)
    np.testing.assert_allclose(reg.target_scale_, np.arange(100).std())


def ways_in(X, y, y_bad):
    """Yield what takes targets, and what it calls them."""
    yield lambda: MultimodalRegressor().fit(X, y_bad), "y"
    yield lambda: MultimodalRegressor().partial_fit(X, y_bad), "y"
    yield lambda: MultimodalRegressor().fit(X, y, X_val=X, y_val=y_bad), "y_val"
    fitted = MultimodalRegressor(wide=None, max_epochs=1, warm_start=True).fit(X, y)
    yield lambda: fitted.fit(X, y_bad), "y"
    yield lambda: fitted.partial_fit(X, y_bad), "y"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.nan, r"Input {} contains NaN or None in 2 of 12 rows \(rows 3, 7\)\. Leave these rows out"),
        (-np.inf, r"Input {} contains infinity or a value too large for .* in 2 of 12 rows \(rows 3, 7\)\. Leave"),
    ],
)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_target_must_be_finite(bad, message, n_targets):
    X, y = np.arange(12.0)[:, np.newaxis], np.arange(12.0)
    y_bad = y.copy()
    y_bad[[3, 7]] = bad
    if n_targets == 2:
        y, y_bad = np.column_stack([y, y]), np.column_stack([y, y_bad])
    for learn, name in ways_in(X, y, y_bad):
        with pytest.raises(ValueError, match=message.format(name)):
            learn()


@pytest.mark.parametrize(
    "y",
    [
        [1.0, None, 3.0, 4.0],
        pd.Series([1, None, 3, 4], dtype="Int64"),
        pd.Series([1.0, pd.NA, 3, 4], dtype=object),
        ["1", "nan", "3", "4"],
        pd.DataFrame({"a": [1.0, np.nan, 3, 4], "b": 1}),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}",
)
def test_missing_targets_are_counted(y):
    with pytest.raises(ValueError, match=r"Input y contains NaN or None in 1 of 4 rows \(rows 1\)"):
        MultimodalRegressor().fit(np.arange(4.0)[:, np.newaxis], y)


DAYS = pd.Series(pd.date_range("2024-01-30", periods=4))


@pytest.mark.parametrize(
    "y",
    [
        DAYS,
        DAYS.to_numpy(),
        DAYS.dt.tz_localize("UTC"),
        DAYS.dt.to_period("D"),
        DAYS.dt.date.to_list(),
        pd.DataFrame({"a": DAYS, "b": 1.0}),
        DAYS.where(DAYS.dt.day != 31),
    ],
    ids=["Series", "array", "zone", "period", "list", "DataFrame", "NaT"],
)
def test_dates_are_refused_with_the_way_out(y):
    X = np.arange(4.0)[:, np.newaxis]
    message = r"MultimodalRegressor predicts numbers, got dates in {0}, in (3|4) of 4 rows \(rows .* first: '2024-01-3"
    for learn, name in ways_in(X, np.arange(4.0), y):
        with pytest.raises(ValueError, match=message.format(name)):
            learn()
    since = (DAYS - DAYS.min()) / pd.Timedelta(days=1)  # what the message says to do
    assert MultimodalRegressor(max_epochs=1).fit(X, since).predict(X).shape == (4,)


@pytest.mark.parametrize("convert", [pd.Series, np.asarray, list])
def test_durations_are_refused_with_the_way_out(convert):
    X, durations = np.arange(4.0)[:, np.newaxis], pd.to_timedelta(np.arange(4), unit="h")
    with pytest.raises(ValueError, match=r"got durations in y, in 4 of 4 rows .* y / pd\.Timedelta\(days=1\)"):
        MultimodalRegressor().fit(X, convert(durations))
    MultimodalRegressor(max_epochs=1).fit(X, pd.Series(durations) / pd.Timedelta(days=1))


def test_text_among_targets_is_refused_unless_all_of_it_is_numbers():
    X = np.arange(4.0)[:, np.newaxis]
    message = r"got text that is no number in y, in 2 of 4 rows \(rows 1, 2; first: '\$1,200'\)\. Convert it"
    for convert in (list, pd.Series, np.asarray):
        with pytest.raises(ValueError, match=message):
            MultimodalRegressor().fit(X, convert(["1", "$1,200", "two", "3"]))
    reg = MultimodalRegressor(max_epochs=1, random_state=0)  # as scikit-learn's
    as_text = clone(reg).fit(X, ["1", "2.5", "-3", "4"]).predict(X)
    np.testing.assert_array_equal(as_text, clone(reg).fit(X, [1, 2.5, -3, 4]).predict(X))


def test_validation_weights_that_are_all_zero_are_an_error(numbers):
    X, y = numbers
    with pytest.raises(ValueError, match=r"at least one non-zero number, got only zeros in sample_weight_val"):
        MultimodalRegressor().fit(X, y, X_val=X[:20], y_val=y[:20], sample_weight_val=np.zeros(20))


def test_target_must_be_dense(numbers):
    X, y = numbers
    with pytest.raises(TypeError, match=r"needs a dense target, got a sparse one\. Pass y\.toarray"):
        MultimodalRegressor().fit(X, sparse.csr_array(y[:, np.newaxis]))


def test_divergence_is_an_error(numbers):
    X, y = numbers
    message = r"MultimodalRegressor: the training loss became (nan|inf) in epoch \d+\. Lower lr"
    with pytest.raises(ValueError, match=message):
        MultimodalRegressor(lr=1e18, optimizer="sgd", lr_schedule="constant").fit(X, y)


@pytest.mark.parametrize(
    ("y", "y_val", "expected"),
    [
        (np.ones(8), np.ones((4, 2)), r"\(n_rows,\), got \(4, 2\)"),
        (np.ones((8, 2)), np.ones(4), r"\(n_rows, 2\), got \(4,\)"),
        (np.ones((8, 2)), np.ones((4, 1)), r"\(n_rows, 2\), got \(4, 1\)"),
    ],
)
def test_validation_targets_of_another_shape(numbers, y, y_val, expected):
    X, _ = numbers
    with pytest.raises(ValueError, match=f"y_val must have the shape of y, {expected}"):
        MultimodalRegressor().fit(X[:8], y, X_val=X[8:12], y_val=y_val)
