"""Rows that belong together: ``groups`` of `fit`."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GroupKFold, cross_validate

from sklearn_mm import MultimodalClassifier, MultimodalRegressor


@pytest.fixture
def voices():
    """Words that forty speakers say, 12 rows of each: what is said is in a number, who says it how in the others."""
    rng = np.random.default_rng(0)
    speaker, word = np.repeat(np.arange(40), 12), np.tile(np.arange(3), 160)
    own = rng.normal(size=(40, 3, 30))[speaker, word] + 0.1 * rng.normal(size=(480, 30))
    return np.column_stack([word + rng.normal(0, 0.6, size=480), own]), word, speaker


def test_what_is_chosen_is_good_for_new_groups(voices):
    X, y, speaker = voices
    train, test = speaker < 20, speaker >= 20
    losses = []
    for groups in (None, speaker[train], speaker[train].astype(str)):
        clf = MultimodalClassifier(max_epochs=5, random_state=0).fit(X[train], y[train], groups=groups)
        losses.append(-np.log(clf.predict_proba(X[test])[np.arange(240), y[test]]).mean())
    assert losses[1] < losses[0] - 0.1
    assert losses[1] == losses[2]


def test_whole_groups_are_held_out_and_rows_without_weight_belong_to_none():
    groups, held_out = np.repeat(np.arange(20), 6), set()
    y = groups + np.tile(np.linspace(0, 0.5, 6), 20)

    def look(estimator, X, y):
        held_out.update(y)
        return estimator.score(X, y)

    reg = MultimodalRegressor(early_stopping=True, scoring=look, max_epochs=1, random_state=0)
    weight = np.where(np.arange(120) % 6 == 5, 0, 1)
    reg.fit(np.random.default_rng(0).normal(size=(120, 3)), y, sample_weight=weight, groups=groups)
    of_group = np.bincount(np.array(sorted(held_out)).astype(int))
    assert sorted(set(of_group)) == [0, 5]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros(20), "at least 2 groups, got 0.0 alone"),
        (np.repeat(["a", None], 10), "groups must name the group of each row; it is missing in rows 10, 11"),
        (np.r_[np.nan, np.arange(19)], "missing in row 0. Give a row that belongs with no other a group of its own"),
        (np.arange(19), "inconsistent numbers of samples"),
        (np.zeros((20, 2)), r"of shape \(n_rows,\), the group of each row, got shape \(20, 2\)"),
        ("speaker", r"got 'speaker'. A column of the table is given as X\['speaker'\]"),
    ],
)
def test_groups_that_are_none(groups, message):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with pytest.raises(ValueError, match=message):
        MultimodalClassifier(max_epochs=1).fit(X, y, groups=groups)


def test_they_are_routed(voices):
    X, y, speaker = voices
    rows = speaker < 12
    with config_context(enable_metadata_routing=True):
        clf = MultimodalClassifier(max_epochs=1, random_state=0).set_fit_request(groups=True)
        results = cross_validate(
            clf, X[rows], y[rows], cv=GroupKFold(3), params={"groups": speaker[rows]}, return_estimator=True
        )
    train = next(GroupKFold(3).split(X[rows], groups=speaker[rows]))[0]
    expected = MultimodalClassifier(max_epochs=1, random_state=0)
    expected.fit(X[rows][train], y[rows][train], groups=speaker[rows][train])
    np.testing.assert_array_equal(results["estimator"][0].predict_proba(X[rows]), expected.predict_proba(X[rows]))
