"""`warm_start` and `partial_fit`: training that goes on from the weights that are there."""

import copy
import pickle

import numpy as np
import pytest
from skorch.callbacks import Callback

from sklearn_mm import (
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalRegressor,
)

BOTH = pytest.mark.parametrize("Estimator", [MultimodalClassifier, MultimodalRegressor])


def numeric(y):
    return (y == "yes") + 0.5


@BOTH
def test_warm_start_goes_on(yes_no, Estimator):
    X, y = yes_no
    y = y if Estimator is MultimodalClassifier else numeric(y)
    model = Estimator(wide=None, max_epochs=2, lr=0.02, warm_start=True, random_state=0).fit(X, y)
    outputs, losses = model.predict(X[:3]), [row["train_loss"] for row in model.history_]
    model.set_params(max_epochs=1, lr=1e-12).fit(X, y)  # so little that nothing changes
    assert_same = np.testing.assert_array_equal if Estimator is MultimodalClassifier else np.testing.assert_allclose
    assert_same(model.predict(X[:3]), outputs)
    model.set_params(max_epochs=3, lr=0.02).fit(X, y)
    assert model.n_epochs_ == model.best_epoch_ == 6
    assert [row["epoch"] for row in model.history_] == [1, 2, 3, 4, 5, 6]
    assert [row["train_loss"] for row in model.history_[:2]] == losses
    assert model.history_[-1]["train_loss"] < losses[0]
    cold = model.set_params(warm_start=False, max_epochs=1).fit(X, y)
    assert cold.n_epochs_ == 1


def test_warm_start_keeps_what_was_learnt_of_rows_and_targets(table, numeric_target):
    X, _ = table
    reg = MultimodalRegressor(image=None, warm_start=True, max_epochs=1).fit(X[:60], numeric_target[:60])
    specs, scale = reg.specs_, reg.target_scale_
    reg.fit(X[60:], numeric_target[60:] * 1000)
    assert reg.specs_ is specs
    assert reg.target_scale_ is scale


def test_early_stopping_of_a_warm_start_restores_its_own_best(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(warm_start=True, max_epochs=4, early_stopping=True, lr=0.05, random_state=0).fit(X, y)
    clf.fit(X, y)
    losses = [row["valid_loss"] for row in clf.history_]
    assert clf.best_epoch_ == 5 + int(np.argmin(losses[4:]))


def test_warm_start_of_other_classes_or_blocks_is_an_error(yes_no, table):
    X, y = yes_no
    clf = MultimodalClassifier(warm_start=True, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        clf.fit(X, np.where(y == "yes", "yes", "maybe"))
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        clf.fit(X[y == "yes"], y[y == "yes"])
    with pytest.raises(ValueError, match="X has 2 features, but MultimodalClassifier is expecting 3"):
        clf.fit(X[:, :2], y)
    X, y = table
    clf = MultimodalClassifier(warm_start=True, max_epochs=1)
    clf.fit(ModalityTransformer(image=None).fit_transform(X), y)
    with pytest.raises(ValueError, match=r"fitted on the blocks \['title', 'tabular'\]; missing: \['title'\]"):
        clf.fit(ModalityTransformer(image=None, text=None).fit_transform(X), y)


def test_partial_fit_learns_from_chunks(table):
    X, y = table
    clf = MultimodalClassifier(image=None, lr=5e-3, random_state=0)
    for epoch in range(8):
        for rows in np.arange(96).reshape(3, 32):
            clf.partial_fit(X.iloc[rows], y.iloc[rows], classes=np.unique(y) if epoch == 0 else None)
    animals = [label.split()[1] for label in y]  # the pictures are not looked at
    assert np.mean([label.split()[1] for label in clf.predict(X)] == np.array(animals)) > 0.9
    assert clf.n_epochs_ == len(clf.history_) == 24


def test_partial_fit_of_targets_keeps_their_scale(yes_no):
    X, _ = yes_no
    reg = MultimodalRegressor(lr=0.003, random_state=0).partial_fit(X[:60], X[:60, 0] * 100)
    scale = reg.target_scale_.copy()
    for _ in range(12):
        reg.partial_fit(X, X[:, 0] * 100)
    np.testing.assert_array_equal(reg.target_scale_, scale)
    assert reg.score(X, X[:, 0] * 100) > 0.9
    with pytest.raises(ValueError, match=r"y must have the shape of y of the call before, \(n_rows,\), got \(121, 2\)"):
        reg.partial_fit(X, X[:, :2])


def test_partial_fit_is_one_pass_at_lr_and_the_optimiser_goes_on(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(lr=0.01, batch_size=121, random_state=0)
    steps = []
    for _ in range(3):
        clf.partial_fit(X, y, classes=["no", "yes"])
        steps.append({int(state["step"]) for state in clf.net_.optimizer_.state.values()})
        assert clf.net_.optimizer_.param_groups[0]["lr"] == 0.01
        clf = pickle.loads(pickle.dumps(clf))
    assert steps == [{1}, {2}, {3}]
    clf.fit(X, y)
    assert not clf.net_.optimizer_.state  # of no use for prediction


@BOTH
@pytest.mark.parametrize(
    "copied", [lambda model: pickle.loads(pickle.dumps(model)), copy.deepcopy], ids=["pickle", "deepcopy"]
)
def test_copies_are_as_well_connected_and_go_on_alike(yes_no, Estimator, copied):
    X, y = yes_no
    first = {"classes": ["no", "yes"]} if Estimator is MultimodalClassifier else {}
    model = Estimator(random_state=0).partial_fit(X, y if first else X[:, 0], **first)
    other = copied(model)
    assert other.net_.module is other.net_.module_
    assert other.net_.criterion is other.net_.criterion_
    assert other.net_.criterion_.criterion is other._loss
    weights = {id(weight) for weight in other.net_.module_.parameters()}
    assert weights >= {id(weight) for weight in other.net_.optimizer_.state} != set()
    assert weights.isdisjoint(map(id, model.net_.module_.parameters()))
    for each in (model, other):
        each.partial_fit(X, y if first else X[:, 0])
    np.testing.assert_array_equal(other.outputs(X), model.outputs(X))


def test_partial_fit_goes_on_from_fit_and_sees_rows_in_new_orders(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(max_epochs=3, random_state=0).fit(X, y)
    orders = []

    class Orders(Callback):
        def on_batch_begin(self, net, batch, **kwargs):
            orders.append(batch.rows.tolist())

    clf.set_params(skorch_callbacks=[Orders()])
    before = clf.predict_proba(X)
    clf.partial_fit(X, y).partial_fit(X, y)
    assert clf.n_epochs_ == 5
    assert 0 < np.abs(clf.predict_proba(X) - before).max() < 0.5
    assert orders[0] != orders[len(orders) // 2]


def test_partial_fit_of_labels(yes_no):
    X, _ = yes_no
    Y = (X > 0).astype(int)
    clf = MultimodalClassifier(lr=0.005, random_state=0)
    for _ in range(40):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    assert (clf.predict(X) == Y).mean() > 0.9
    assert clf.classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"y must have the 3 labels of the call before, got shape \(121, 2\)"):
        clf.partial_fit(X, Y[:, :2])
    with pytest.raises(ValueError, match=r"are the numbers of their columns, range\(3\), got \['a', 'b', 'c'\]"):
        MultimodalClassifier().partial_fit(X, Y, classes=["a", "b", "c"])


def test_class_weights_of_partial_fit(yes_no):
    X, y = yes_no
    clf = MultimodalClassifier(class_weight={"yes": 5.0}, random_state=0)
    clf.partial_fit(X[y == "no"], y[y == "no"], classes=["no", "yes"]).partial_fit(X, y)
    np.testing.assert_array_equal(clf._target.weights_, [1, 5])


@pytest.mark.parametrize(
    ("parameters", "classes", "message"),
    [
        ({}, None, "classes must be passed on the first call to partial_fit"),
        ({}, ["yes"], r"needs at least two classes, got \['yes'\]"),
        ({}, ["yes", "maybe"], r"y has classes that the call before lacks: \['no'\]"),
        ({"early_stopping": True}, ["no", "yes"], "partial_fit does not support early_stopping=True"),
        ({"class_weight": "balanced"}, ["no", "yes"], "'balanced' is not supported for partial_fit"),
        ({"lr": -1}, ["no", "yes"], "'lr' parameter"),
    ],
    ids=str,
)
def test_what_partial_fit_refuses(yes_no, parameters, classes, message):
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(**parameters).partial_fit(*yes_no, classes=classes)
