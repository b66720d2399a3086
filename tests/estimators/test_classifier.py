import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_validate
from sklearn.utils import compute_class_weight

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.preprocessing import ImageTransformer

FAST = {
    "image": ImageInput(transformer=ImageTransformer(size=16), encoder=CNNEncoder(channels=(8,)), augment=None),
    "max_epochs": 15,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def fitted(table):
    return MultimodalClassifier(**FAST).fit(*table)


def test_it_learns_what_needs_both_modalities(fitted, table):
    X, y = table
    assert fitted.score(X, y) > 0.95
    assert clone(fitted).set_params(image=None, wide=None).fit(X, y).score(X, y) < 0.8


def test_shapes_and_labels(fitted, table):
    X, y = table
    assert fitted.classes_.tolist() == sorted(y.unique())
    assert set(fitted.predict(X)) <= set(y)
    probabilities = fitted.predict_proba(X)
    assert probabilities.shape == fitted.decision_function(X).shape == (96, 4)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(1)], fitted.predict(X))
    fused = fitted.transform(X)
    assert fused.shape == (96, len(fitted.get_feature_names_out()))
    assert fused.dtype == np.float32


def test_binary_targets(table):
    X, y = table
    y = y.str.contains("dog")
    clf = MultimodalClassifier(**FAST).set_params(image=None).fit(X, y)
    assert clf.decision_function(X).shape == (96,)
    assert clf.predict_proba(X).shape == (96, 2)
    assert clf.classes_.tolist() == [False, True]
    np.testing.assert_array_equal(clf.predict(X), clf.decision_function(X) > 0)
    assert clf.score(X, y) > 0.95


def test_history_is_a_table_of_epochs(table):
    fitted = MultimodalClassifier(**FAST, early_stopping=True).fit(*table)
    history = pd.DataFrame(fitted.history_)
    assert history["epoch"].tolist() == list(range(1, fitted.n_epochs_ + 1))
    assert {"train_loss", "train_score", "valid_loss", "valid_score", "seconds"} <= set(history)
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    assert fitted.best_epoch_ == history["valid_loss"].idxmin() + 1


@pytest.mark.parametrize("params", [{}, {"image": None, "wide": None}])
def test_with_pictures_or_without_a_wide_part_nothing_is_held_out(table, params):
    clf = MultimodalClassifier(**{**FAST, **params}).fit(*table)
    assert clf.n_epochs_ == clf.best_epoch_ == 15
    assert "valid_loss" not in clf.history_[0]


@pytest.fixture(scope="module")
def labels(table):
    X, y = table
    return np.column_stack([y.str.contains("dog"), y.str.contains("bright"), X["weight"] > 14]).astype(int)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, pd.DataFrame])
def test_multilabel(table, labels, kind):
    X, _ = table
    clf = MultimodalClassifier(**FAST).fit(X, kind(labels))
    assert clf.classes_.tolist() == [0, 1, 2]
    assert clf.predict(X).shape == clf.predict_proba(X).shape == clf.decision_function(X).shape == (96, 3)
    np.testing.assert_array_equal(clf.predict(X), clf.predict_proba(X) > 0.5)
    assert (clf.predict(X) == labels).mean() > 0.9


def loss_weights(clf, target, sample_weight=None):
    """Weight of each element of the loss, as the network gets it."""
    weight = np.ones(len(target)) if sample_weight is None else np.asarray(sample_weight)
    fitted = clf.make_target()
    encoded = fitted.fit(target)
    return fitted.weighed(encoded[weight > 0]).element_weight(encoded, weight)


def test_balanced_classes_get_the_same_total():
    y = np.repeat(["a", "b", "c"], [60, 30, 10])
    weights = loss_weights(MultimodalClassifier(wide=None, class_weight="balanced"), y)
    totals = [weights[y == label].sum() for label in "abc"]
    np.testing.assert_allclose(totals, 100 / 3)


def test_balanced_labels_are_balanced_each_in_its_own_loss():
    rng = np.random.default_rng(0)
    y = (rng.random((200, 3)) < [0.5, 0.1, 0.02]).astype(int)
    weights = loss_weights(MultimodalClassifier(wide=None, class_weight="balanced"), y)
    assert weights.shape == y.shape
    for label in range(3):
        expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=y[:, label])
        np.testing.assert_allclose(weights[:, label], expected[y[:, label]])


def test_a_label_that_never_occurs_has_plain_weights():
    y = np.array([[0, 1], [0, 0], [0, 1], [0, 0]])
    weights = loss_weights(MultimodalClassifier(wide=None, class_weight="balanced"), y)
    np.testing.assert_allclose(weights, 1)


def test_class_weight_of_labels_by_dict_and_list():
    y = np.array([[0, 1], [1, 0], [1, 1]])
    weights = loss_weights(MultimodalClassifier(class_weight={0: 1, 1: 3}), y)
    np.testing.assert_allclose(weights, [[1, 3], [3, 1], [3, 3]])
    weights = loss_weights(MultimodalClassifier(class_weight=[{0: 1, 1: 3}, {0: 2, 1: 1}]), y)
    np.testing.assert_allclose(weights, [[1, 1], [3, 2], [3, 1]])


def test_sample_weight_multiplies_class_weight():
    weights = loss_weights(MultimodalClassifier(class_weight={"a": 2, "b": 1}), np.array(["a", "b", "a"]), [1, 5, 3])
    np.testing.assert_allclose(weights, [2, 5, 6])


@pytest.mark.parametrize(
    ("class_weight", "y", "message"),
    [
        ([{0: 1}], ["a", "b"] * 5, "list of dicts for multi-label targets only"),
        ([{0: 1}], np.eye(3, dtype=int), "one dict for each of the 3 labels, got 1"),
        ({2: 1}, np.eye(3, dtype=int), r"class_weight names \[2\]"),
        ({"a": -1}, ["a", "b"] * 5, "class_weight must have numbers from 0 on"),
        ({"a": np.nan}, ["a", "b"] * 5, "class_weight must have numbers from 0 on"),
        ({"a": "2"}, ["a", "b"] * 5, "class_weight must have numbers from 0 on"),
        ({"a": 0, "b": 0}, ["a", "b"] * 5, "got only zeros"),
        ({"a": 0, "b": 0, "z": 1}, ["a", "b"] * 5, "got only zeros"),
    ],
)
def test_bad_class_weight(class_weight, y, message):
    X = np.arange(len(y), dtype=float)[:, np.newaxis]
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(class_weight=class_weight).fit(X, y)


def test_classes_that_y_lacks_are_ignored_where_all_others_are_named():
    y = np.repeat(["a", "b", "c"], [9, 9, 2])
    class_weight = {"a": 1, "b": 2, "c": 5}
    folds = PredefinedSplit(np.where(y == "c", 0, np.arange(20) % 2))  # no row of "c" is trained with in the first
    X = np.arange(20.0)[:, np.newaxis]
    clf = MultimodalClassifier(class_weight=class_weight, max_epochs=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        scores = cross_validate(clf, X, y, cv=folds, return_estimator=True, error_score="raise")
        reference = cross_validate(LogisticRegression(class_weight=class_weight), X, y, cv=folds, error_score="raise")
    assert len(scores["test_score"]) == len(reference["test_score"])
    assert [model._target.weights_.tolist() for model in scores["estimator"]] == [[1, 2], [1, 2, 5]]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"a": 2, "z": 3}, r"class_weight names \['z'\], which no row of y is; \['b'\] are not named"),
        ({"A": 2, "B": 3}, r"class_weight names \['A', 'B'\], which no row of y is; \['a', 'b'\] are not named"),
    ],
)
def test_names_in_class_weight_that_may_be_misspelt(class_weight, message):
    X, y = np.arange(10.0)[:, np.newaxis], np.array(["a", "b"] * 5)
    clf = MultimodalClassifier(class_weight=class_weight, max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match=message) as warned:
        clone(clf).fit(X, y)
    assert len(warned) == 1
    with pytest.warns(UserWarning, match=message):
        clf.partial_fit(X, y, classes=["a", "b"])


@pytest.mark.parametrize(
    ("class_weight", "y", "kind"), [({0: 1, 1: 5}, ["0", "1"], "str"), ({"0": 1, "1": 5}, [0, 1], "int")]
)
def test_keys_of_class_weight_of_another_type_than_the_labels(class_weight, y, kind):
    with pytest.warns(UserWarning, match=f"Keys need the type of the labels, {kind}"):
        MultimodalClassifier(class_weight=class_weight, max_epochs=1).fit(np.arange(10.0)[:, np.newaxis], y * 5)


def test_balanced_weights_help_the_rare_class():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = (X[:, 0] + rng.normal(size=400) > 2.2).astype(int)
    plain, balanced = (
        MultimodalClassifier(class_weight=weight, max_epochs=10, random_state=0).fit(X, y).predict(X).mean()
        for weight in (None, "balanced")
    )
    assert balanced > plain + 0.05


def test_one_class_is_named():
    with pytest.raises(ValueError, match=r"needs at least two classes in y, got one class: \['cat'\]"):
        MultimodalClassifier().fit(np.zeros((4, 2)), ["cat"] * 4)


def test_one_class_left_by_weights():
    with pytest.raises(ValueError, match="rows with a weight above 0, got one class"):
        MultimodalClassifier().fit(np.eye(4), ["a", "a", "b", "b"], sample_weight=[1, 1, 0, 0])


def test_validation_labels_must_be_known():
    X = np.eye(4)
    with pytest.raises(ValueError, match=r"y_val has classes that y lacks: \['c'\]"):
        MultimodalClassifier().fit(X, ["a", "b"] * 2, X_val=X[:1], y_val=["c"])


@pytest.mark.parametrize(
    "y",
    [
        ["a", None, "b", "a"],
        ["a", np.nan, "b", "a"],
        np.array(["a", None, "b", "a"], dtype=object),
        pd.Series(["a", None, "b", "a"]),
        pd.Series([0, pd.NA, 1, 0], dtype="Int64"),
        np.array([0, np.nan, 1, 0]),
    ],
    ids=lambda y: f"{type(y).__name__} {getattr(y, 'dtype', '')}",
)
def test_missing_labels_are_counted(y):
    X = np.arange(4.0)[:, np.newaxis]
    with pytest.raises(ValueError, match=r"Input y contains NaN or None in 1 of 4 rows \(rows 1\)"):
        MultimodalClassifier().fit(X, y)
    with pytest.raises(ValueError, match="Input y_val contains NaN or None"):
        MultimodalClassifier().fit(X, ["a", "b"] * 2, X_val=X, y_val=y)


@pytest.mark.parametrize("y", [["a", 1, "b", 2.5], np.array(["a", 1, "b", 2.5], dtype=object)], ids=["list", "array"])
def test_labels_of_several_types(y):
    with pytest.raises(ValueError, match=r"all strings or none, got \['float', 'int', 'str'\]"):
        MultimodalClassifier().fit(np.arange(4.0)[:, np.newaxis], y)


@pytest.mark.parametrize("y", [[[-1, 1], [1, -1]] * 2, [[0, 2], [2, 2]] * 2])
def test_labels_that_are_not_zero_or_one(y):
    with pytest.raises(ValueError, match="Multi-label targets must be 0 or 1"):
        MultimodalClassifier().fit(np.arange(8.0).reshape(4, 2), y)


def test_infinite_labels_are_counted():
    X = np.arange(4.0)[:, np.newaxis]
    with pytest.raises(ValueError, match=r"Input y contains infinity .* in 1 of 4 rows \(rows 2\)"):
        MultimodalClassifier().fit(X, [0.0, 1.0, np.inf, 0.0])


def test_validation_rows_of_classes_without_weight_are_an_error():
    X, y = np.arange(30.0)[:, np.newaxis], np.array(["a", "b", "c"] * 10)
    clf = MultimodalClassifier(class_weight={"c": 0}, max_epochs=2, random_state=0)
    rows = y == "c"
    with pytest.raises(ValueError, match=r"class_weight is 0 for the classes of all 10 validation rows"):
        clf.fit(X, y, X_val=X[rows], y_val=y[rows])
    clf.fit(X, y, X_val=X, y_val=y)
    assert np.isfinite([row["valid_loss"] for row in clf.history_]).all()


def test_part_of_the_rows_that_has_no_class_with_weight_changes_nothing_much():
    X, y = np.arange(30.0)[:, np.newaxis], np.array(["a", "b", "c"] * 10)
    clf = MultimodalClassifier(class_weight={"c": 0}, weight_decay=0.0, random_state=0).partial_fit(X, y, list("abc"))
    rows = y == "c"
    clf.partial_fit(X[rows], y[rows])
    assert clf.history_[-1]["train_loss"] == 0
    assert np.isfinite(clf.predict_proba(X)).all()
