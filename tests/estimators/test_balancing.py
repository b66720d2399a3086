"""Balancing of modalities through the estimators."""

import numpy as np
import pytest
from sklearn.base import clone

from sklearn_mm import MultimodalClassifier, MultimodalRegressor
from sklearn_mm.networks import WideLinear
from sklearn_mm.networks._tops import BALANCING
from sklearn_mm.networks.losses._registry import classifier_losses, regressor_losses

SMALL = {"image": None, "wide": WideLinear(n_folds=2), "batch_size": 24, "max_epochs": 2, "random_state": 0}


@pytest.mark.parametrize("balancing", BALANCING)
@pytest.mark.parametrize("loss", classifier_losses.names)
@pytest.mark.parametrize("fusion", ["concat", "late"])
def test_classifier(table, balancing, loss, fusion):
    X, y = table
    X = X.assign(title=X["title"].where(np.arange(96) % 3 > 0))  # some absent
    clf = MultimodalClassifier(balancing=balancing, loss=loss, fusion=fusion, **SMALL).fit(X, y, X_val=X, y_val=y)
    assert clf.score(X, y) == pytest.approx(clf.history_[clf.best_epoch_ - 1]["valid_score"])
    assert [len(clf.net_.module_.top.unimodal.layers), clf.predict_proba(X).shape] == [2, (96, 4)]


@pytest.mark.parametrize("balancing", BALANCING)
@pytest.mark.parametrize("loss", regressor_losses.names)
def test_regressor(table, numeric_target, balancing, loss):
    X, _ = table
    y = np.abs(numeric_target)
    reg = MultimodalRegressor(balancing=balancing, loss=loss, **SMALL).fit(X, y)
    assert np.isfinite(reg.predict(X)).all()


@pytest.mark.parametrize("balancing", BALANCING)
def test_labels(table, balancing):
    X, y = table
    labels = np.column_stack([y.str.contains("dog"), y.str.contains("bright")]).astype(int)
    clf = MultimodalClassifier(balancing=balancing, class_weight="balanced", **SMALL).fit(X, labels)
    assert clf.predict_proba(X).shape == (96, 2)


def test_the_loss_shown_is_that_of_the_outputs(table):
    X, y = table
    at_rest = {"image": None, "max_epochs": 1, "lr": 1e-9, "head": "linear", "random_state": 0}
    shown = [
        MultimodalClassifier(balancing=balancing, **at_rest).fit(X, y).history_[0]["train_loss"]
        for balancing in (None, "heads")
    ]
    assert shown[1] == pytest.approx(shown[0], rel=0.1)  # about log 4; with the heads' losses it would be three times


def test_a_block_alone_learns_the_same_with_and_without(table):
    X, y = table
    alone = MultimodalClassifier(image=None, tabular=None, max_epochs=2, random_state=0)
    expected = clone(alone).set_params(balancing=None).fit(X, y).predict_proba(X)
    for balancing in BALANCING:
        np.testing.assert_array_equal(alone.set_params(balancing=balancing).fit(X, y).predict_proba(X), expected)


def test_unknown_balancing(table):
    with pytest.raises(ValueError, match="The 'balancing' parameter of MultimodalClassifier must be"):
        MultimodalClassifier(balancing="fair").fit(*table)
