import numpy as np
import pytest
from scipy import sparse

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


@pytest.mark.parametrize(("shift", "scale"), [(0, 1), (1e6, 1), (-3, 1e-5), (1.7e9, 100), (0, 1e300), (0, 1e-300)])
def test_the_unit_of_the_target_does_not_matter(numbers, shift, scale):
    X, y = numbers
    reg = MultimodalRegressor(random_state=0, max_epochs=20).fit(X, y)
    moved = MultimodalRegressor(random_state=0, max_epochs=20).fit(X, shift + scale * y)
    np.testing.assert_allclose((moved.predict(X) - shift) / scale, reg.predict(X), atol=0.02)


def test_pictures_text_and_numbers(table, numeric_target):
    X, _ = table
    reg = MultimodalRegressor(random_state=0, max_epochs=30).fit(X, numeric_target)
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


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_target_must_be_finite(numbers, bad):
    X, y = numbers
    y = y.copy()
    y[3] = bad
    with pytest.raises(ValueError, match="Input y contains"):
        MultimodalRegressor().fit(X, y)


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
