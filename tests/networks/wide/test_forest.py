import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from sklearn_mm.networks.wide._forest import Bins, Forest


def make_features(n_rows, seed=0):
    """Numbers, one of few values, and one that is the same in all rows."""
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(n_rows, 2))
    return np.column_stack([numbers, rng.integers(5, size=n_rows), np.ones(n_rows)]).astype(np.float32)


@pytest.mark.parametrize("n_rows", [50, 2000])  # fewer and more distinct values than bins
def test_the_forest_says_what_the_models_say(n_rows):
    features, others = make_features(n_rows), make_features(500, seed=1)
    bins = Bins(features)
    assert [len(of_column) for of_column in bins.edges] == [min(n_rows - 1, 254)] * 2 + [4, 0]
    binned, new, rows = bins.transform(features), bins.transform(others), torch.from_numpy(others)
    number = features[:, 0] * features[:, 1] + features[:, 2]

    boosted = HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=5)
    for sort in (boosted, ExtraTreesRegressor(20, min_samples_leaf=2, random_state=0)):
        models = [clone(sort).fit(binned, y) for y in (number, -number)]
        expected = np.column_stack([model.predict(new) for model in models])
        np.testing.assert_allclose(Forest(models, bins)(rows), expected, atol=1e-5)

    classifier = HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5).fit(binned, features[:, 2])
    got = Forest([classifier], bins)(rows)
    np.testing.assert_allclose(got, classifier.decision_function(new), atol=1e-5)
    several = ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0).fit(binned, features[:, 2])
    got = Forest([several], bins)(rows).exp()
    np.testing.assert_allclose(got / got.sum(1, keepdim=True), several.predict_proba(new), atol=0.02)
    np.testing.assert_array_equal(got.argmax(1), several.predict(new))
    labels = (features[:, :2] > 0).astype(np.float32)
    two = clone(several).fit(binned, labels[:, 0])
    np.testing.assert_allclose(Forest([two], bins)(rows).sigmoid(), two.predict_proba(new)[:, 1:], atol=0.01)
    two = clone(several).fit(binned, labels)
    expected = np.column_stack([of_label[:, 1] for of_label in two.predict_proba(new)])
    np.testing.assert_allclose(Forest([two], bins)(rows).sigmoid(), expected, atol=0.01)


@pytest.mark.parametrize("n_classes", [None, 3])
def test_categories_have_no_order(n_classes):
    rng = np.random.default_rng(0)
    codes = np.column_stack(
        [rng.integers(400, size=900), 2 + 3 * rng.integers(9, size=900), rng.integers(20, size=900)]
    )
    features = np.column_stack([codes, rng.normal(size=900)]).astype(np.float32)
    effects = rng.normal(size=(3, 400))
    y = effects[1, codes[:, 1]] * features[:, 3] + effects[2, codes[:, 2]] + (codes[:, 0] > 200)
    y = y if n_classes is None else np.digitize(y, [-0.5, 0.5])
    bins = Bins(features, n_codes=3)
    assert bins.order.tolist() == [1, 2, 0, 3]  # the first has too many
    assert bins.n_categorical == 2

    kind = HistGradientBoostingRegressor if n_classes is None else HistGradientBoostingClassifier
    model = kind(max_iter=30, max_leaf_nodes=8, categorical_features=[True, True, False, False])
    known = codes[:, 2] < 18
    model.fit(bins.transform(features[known]), y[known])
    forest = Forest([model], bins)
    says = model.predict if n_classes is None else model.decision_function
    expected = says(bins.transform(features)).reshape(900, -1)  # with codes that these trees have not seen
    np.testing.assert_allclose(forest(torch.from_numpy(features)), expected, atol=1e-5)
    new, unknown = features.copy(), bins.transform(features)
    new[:, 1:3], unknown[:, :2] = [1, 99], 250  # which nobody has seen
    np.testing.assert_allclose(forest(torch.from_numpy(new)), says(unknown).reshape(900, -1), atol=1e-5)


def test_bins_of_heavy_tails_have_about_equally_many_rows():
    values = np.random.default_rng(0).lognormal(sigma=3, size=(5000, 1)).astype(np.float32)
    counts = np.bincount(Bins(values).transform(values)[:, 0], minlength=255)
    assert counts.min() > 10
    assert counts.max() < 30
