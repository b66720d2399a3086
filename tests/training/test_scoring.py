import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer

from sklearn_mm.training._scoring import ValidationScore

X = np.array([[0.0], [1.0], [2.0], [3.0]])
y = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("scoring", "key", "best", "takes_weights"),
    [
        ("accuracy", "valid_accuracy", 1.0, True),
        ("neg_log_loss", "valid_neg_log_loss", 0.0, True),
        ("positive_likelihood_ratio", "valid_positive_likelihood_ratio", None, False),
        ("mutual_info_score", "valid_mutual_info_score", None, False),
        (get_scorer("f1"), "valid_scoring", None, True),
        (lambda estimator, X, y: 3, "valid_scoring", None, False),
    ],
)
def test_what_is_known_of_a_scorer(scoring, key, best, takes_weights):
    score = ValidationScore(LogisticRegression(), scoring)
    assert (score.key, score.best_possible, score.takes_weights) == (key, best, takes_weights)


def test_weights_reach_a_scorer_that_takes_them():
    fitted = LogisticRegression().fit(X, y)
    right = fitted.predict(X) == y
    score = ValidationScore(fitted, "accuracy")
    assert score(fitted, X, y, right.astype(float)) == 1
    assert score(fitted, X, y) == right.mean()
    assert ValidationScore(fitted, lambda estimator, X, y: np.float32(3))(fitted, X, y, [1, 1, 1, 1]) == 3.0


def test_unknown_name():
    with pytest.raises(ValueError, match=r"scoring of Logistic.* unknown name 'acuracy'\. Did you mean 'accuracy'"):
        ValidationScore(LogisticRegression(), "acuracy")


def test_a_metric_is_no_scorer():
    from sklearn.metrics import accuracy_score

    with pytest.raises(ValueError, match="metric function rather than a scorer"):
        ValidationScore(LogisticRegression(), accuracy_score)


def test_what_scorers_raise_says_that_it_is_about_the_validation_rows():
    with pytest.raises(ValueError, match="only one label") as raised:
        ValidationScore(LogisticRegression(), "neg_log_loss")(LogisticRegression().fit(X, y), X[:1], y[:1])
    assert "scoring of LogisticRegression on the 1 validation rows" in raised.value.__notes__[0]


def test_no_number():
    with pytest.raises(ValueError, match=r"must give one number, got None \(NoneType\)"):
        ValidationScore(LogisticRegression(), lambda *args: None)(LogisticRegression(), X, y)
