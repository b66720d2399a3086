"""What it means to fit by a loss."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import GridSearchCV

from sklearn_mm import MultimodalClassifier, MultimodalRegressor
from sklearn_mm.networks import CrossEntropyLoss, FocalLoss, OrdinalLoss, PoissonLoss, QuantileLoss, WideLinear
from sklearn_mm.networks.losses._registry import classifier_losses, regressor_losses

SMALL = {"image": None, "wide": WideLinear(n_folds=2), "batch_size": 24, "max_epochs": 2, "random_state": 0}
FEELINGS = ["negative", "neutral", "positive"]


@pytest.fixture(scope="module")
def numbers():
    return np.random.default_rng(0).normal(size=(600, 2))


@pytest.fixture(scope="module")
def feelings(numbers):
    """Three classes whose order is not that of the alphabet's codes of y, with noise."""
    noisy = numbers[:, 0] + 0.5 * np.random.default_rng(1).normal(size=600)
    return np.array(FEELINGS)[np.digitize(noisy, [-0.5, 0.5])]


@pytest.mark.parametrize("fusion", ["concat", "late"])
@pytest.mark.parametrize("loss", classifier_losses.names)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_classifier_with_each_loss_and_fusion(table, loss, fusion, n_classes):
    X, y = table
    y = y if n_classes == 4 else y.str.contains("dog")
    clf = MultimodalClassifier(loss=loss, fusion=fusion, **SMALL).fit(X, y)
    probabilities, scores = clf.predict_proba(X), clf.decision_function(X)
    assert probabilities.shape == (96, n_classes)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert scores.shape == ((96,) if n_classes == 2 else (96, 4))
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[probabilities.argmax(1)])
    nothing = clf.predict_proba(X[:1].assign(title=None, weight=np.nan, colour=None))
    assert np.isfinite(nothing).all()


@pytest.mark.parametrize("fusion", ["concat", "late"])
@pytest.mark.parametrize("loss", regressor_losses.names)
@pytest.mark.parametrize("n_targets", [1, 2])
def test_regressor_with_each_loss_and_fusion(table, numeric_target, loss, fusion, n_targets):
    X, _ = table
    y = np.abs(numeric_target) if n_targets == 1 else np.abs(np.column_stack([numeric_target, -numeric_target]))
    reg = MultimodalRegressor(loss=loss, fusion=fusion, **SMALL).fit(X, y)
    assert reg.predict(X).shape == y.shape
    assert np.isfinite(reg.predict(X)).all()


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", CrossEntropyLoss(label_smoothing=0.1)])
def test_losses_of_labels(table, loss):
    X, y = table
    labels = np.column_stack([y.str.contains("dog"), y.str.contains("bright"), X["weight"] > 10]).astype(int)
    clf = MultimodalClassifier(loss=loss, image=None, max_epochs=12, lr=1e-2, class_weight="balanced", random_state=0)
    clf.fit(X, labels)
    assert (clf.predict(X)[:, [0, 2]] == labels[:, [0, 2]]).mean() > 0.9


def test_ordinal_errs_by_fewer_classes_than_the_best_constant_and_as_little_as_cross_entropy(numbers, feelings):
    places = np.unique(feelings, return_inverse=True)[1]
    train, test = slice(0, 400), slice(400, None)
    errors = {}
    for loss in ("ordinal", "cross_entropy"):
        clf = MultimodalClassifier(loss=loss, max_epochs=6, lr=1e-2, random_state=0).fit(
            numbers[train], feelings[train]
        )
        errors[loss] = mean_absolute_error(places[test], np.searchsorted(clf.classes_, clf.predict(numbers[test])))
    assert errors["ordinal"] < 0.7 * mean_absolute_error(places[test], np.full(200, 1))
    assert errors["ordinal"] < errors["cross_entropy"] + 0.05


def test_order_of_the_loss_of_the_categorical_and_of_the_alphabet(numbers, feelings):
    translate = {"negative": "bad", "neutral": "so-so", "positive": "good"}  # in the alphabet: bad, good, so-so
    order, y = list(translate.values()), pd.Series(feelings).map(translate)
    ordinal = MultimodalClassifier(wide=None, loss="ordinal", max_epochs=2, random_state=0)
    by_name = clone(ordinal).fit(numbers, feelings)
    by_loss = clone(ordinal).set_params(loss=OrdinalLoss(order=order)).fit(numbers, y)
    declared = pd.Categorical(y, categories=[*order, "never"], ordered=True)
    by_dtype = clone(ordinal).fit(numbers, pd.Series(declared))
    assert by_loss.classes_.tolist() == by_dtype.classes_.tolist() == sorted(order)
    np.testing.assert_array_equal(by_loss.predict_proba(numbers), by_dtype.predict_proba(numbers))
    np.testing.assert_array_equal(by_loss.predict_proba(numbers)[:, [0, 2, 1]], by_name.predict_proba(numbers))
    wrong = clone(ordinal).fit(numbers, y)
    assert not np.allclose(wrong.predict_proba(numbers), by_loss.predict_proba(numbers))


def test_first_chunk_of_an_ordered_categorical_without_all_classes(numbers):
    order = ["low", "middle", "high"]
    y = pd.Series(pd.Categorical.from_codes(np.arange(600) // 200, [*order, "never"], ordered=True))
    clf = MultimodalClassifier(loss="ordinal", random_state=0)
    clf.partial_fit(numbers[:200], y[:200], classes=order).partial_fit(numbers, y)
    named = MultimodalClassifier(loss=OrdinalLoss(order=order), random_state=0)
    named.partial_fit(numbers[:200], y[:200], classes=order).partial_fit(numbers, y)
    np.testing.assert_array_equal(clf.predict_proba(numbers), named.predict_proba(numbers))


def test_order_that_differs_from_the_classes(numbers, feelings):
    clf = MultimodalClassifier(loss=OrdinalLoss(order=["negative", "neutral", "postive"]))
    with pytest.raises(ValueError, match=r"In y only: \['positive'\]; in order only: \['postive'\]"):
        clf.fit(numbers, feelings)


def test_label_smoothing_keeps_from_certainty(numbers):
    y = numbers[:, 0] > 0
    sure, smooth = (
        MultimodalClassifier(loss=CrossEntropyLoss(label_smoothing=share), max_epochs=6, lr=1e-2, random_state=0)
        .fit(numbers, y)
        .predict_proba(numbers)
        .max()
        for share in (0.0, 0.4)
    )
    assert sure > 0.99
    assert smooth < 0.9


def test_quantiles_cover_what_they_say():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(1400, 2))
    wide = X[:, 1] > 0
    y = 3 * X[:, 0] + (1 + 3 * wide) * rng.normal(size=1400)
    reg = MultimodalRegressor(loss=QuantileLoss(), max_epochs=10, lr=1e-2, random_state=0)
    low, high = (
        clone(reg).set_params(loss__quantile=quantile).fit(X[:400], y[:400]).predict(X[400:]) for quantile in (0.1, 0.9)
    )
    assert 0.05 < (y[400:] < low).mean() < 0.17
    assert 0.83 < (y[400:] < high).mean() < 0.95
    spread = high - low
    assert spread[wide[400:]].mean() > 1.4 * spread[~wide[400:]].mean()


def test_poisson_predicts_rates(numbers):
    rate = 1000 * np.exp(0.8 * numbers[:, 0])
    y = np.random.default_rng(3).poisson(rate)
    reg = MultimodalRegressor(loss="poisson", max_epochs=8, lr=1e-2, random_state=0).fit(numbers[:400], y[:400])
    predicted = reg.predict(numbers[400:])
    assert (predicted > 0).all()
    assert np.median(np.abs(np.log(predicted / rate[400:]))) < 0.1
    far = reg.predict(numbers[:5] * -100)  # a straight line would be far below zero
    assert (far >= 0).all()


def test_poisson_needs_targets_that_are_not_negative(numbers):
    y = np.ones(600)
    with pytest.raises(ValueError, match=r"PoissonLoss needs y >= 0, got -1"):
        MultimodalRegressor(loss="poisson").fit(numbers, -y)
    with pytest.raises(ValueError, match=r"PoissonLoss needs y_val >= 0, got -1"):
        MultimodalRegressor(loss=PoissonLoss()).fit(numbers, y, X_val=numbers, y_val=-y)


def test_targets_that_a_new_loss_refuses_leave_the_fit_as_it_was(numbers):
    reg = MultimodalRegressor(max_epochs=1, random_state=0).fit(numbers, numbers[:, 0])
    before = reg.predict(numbers)
    with pytest.raises(ValueError, match="PoissonLoss needs y >= 0"):
        reg.set_params(loss="poisson").fit(numbers, numbers[:, 0])
    np.testing.assert_array_equal(reg.predict(numbers), before)


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_outliers_do_not_move_robust_losses(numbers, loss):
    rng = np.random.default_rng(4)
    truth = numbers @ [2.0, -1.0]
    y = truth + np.where(rng.random(600) < 0.05, 1e4, 0)
    errors = {}
    for name in (loss, "squared_error"):
        reg = MultimodalRegressor(wide=None, loss=name, max_epochs=6, lr=1e-2, random_state=0).fit(numbers, y)
        errors[name] = np.median(np.abs(reg.predict(numbers) - truth))
    assert errors[loss] < 0.3
    assert errors["squared_error"] > 10 * errors[loss]


def test_parameters_of_a_loss_are_keys_of_a_grid(numbers):
    y = numbers[:, 0]
    search = GridSearchCV(
        MultimodalRegressor(loss=QuantileLoss(), max_epochs=2, random_state=0), {"loss__quantile": [0.4, 0.99]}, cv=2
    ).fit(numbers, y)
    assert search.best_params_ == {"loss__quantile": 0.4}
    assert search.best_estimator_.loss.get_params() == {"quantile": 0.4}
    assert not hasattr(search.best_estimator_.loss, "center_")


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (MultimodalClassifier(loss="squared_error"), "Unknown loss of a classifier 'squared_error'"),
        (MultimodalRegressor(loss="quantiles"), "Unknown loss of a regressor 'quantiles'. Did you mean 'quantile'"),
        (MultimodalRegressor(loss=FocalLoss()), "The 'loss' parameter of MultimodalRegressor must be"),
        (MultimodalRegressor(loss=QuantileLoss(quantile=1.5)), "The 'quantile' parameter of QuantileLoss must be"),
        (MultimodalClassifier(loss=CrossEntropyLoss(label_smoothing=1.0)), "The 'label_smoothing' parameter of Cross"),
    ],
)
def test_bad_losses(numbers, estimator, message):
    with pytest.raises(ValueError, match=message):
        estimator.fit(numbers, (numbers[:, 0] > 0).astype(int))


def test_ordinal_refuses_labels(numbers):
    with pytest.raises(ValueError, match="OrdinalLoss takes one target with ordered classes"):
        MultimodalClassifier(loss="ordinal").fit(numbers, (numbers > 0).astype(int))
