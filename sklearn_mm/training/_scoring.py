"""What early stopping goes by: a scikit-learn scorer on the validation rows."""

import inspect
from numbers import Real

from sklearn.metrics import check_scoring, get_scorer_names

from sklearn_mm.utils._registry import did_you_mean

__all__ = ["ValidationScore"]

# By name, positive scores end at 1 and those of errors ("neg_…") at 0, but for these.
_WITHOUT_BOUND = {"mutual_info_score", "positive_likelihood_ratio"}


class ValidationScore:
    """A scikit-learn scorer with the name under which its scores are kept.

    Parameters
    ----------
    estimator : estimator
        Whom it is for.
    scoring : str or callable
        Name of a scorer, or ``scorer(estimator, X, y)``.
    """

    def __init__(self, estimator, scoring):
        is_own = isinstance(scoring, str) and scoring == getattr(estimator, "_score_name", None)
        if not is_own and isinstance(scoring, str) and scoring not in (names := get_scorer_names()):
            raise ValueError(
                f"scoring of {type(estimator).__name__} got the unknown name {scoring!r}."
                f"{did_you_mean(scoring, ['loss', *names])} Give 'loss', a name from sklearn.metrics."
                "get_scorer_names(), or a callable scorer(estimator, X, y)."
            )
        self.scorer = check_scoring(estimator, scoring=None if is_own else scoring)
        self.key = f"valid_{scoring}" if isinstance(scoring, str) else "valid_scoring"
        self.best_possible = None  # of a callable nothing is known
        if isinstance(scoring, str) and not is_own and scoring not in _WITHOUT_BOUND:
            self.best_possible = 0.0 if scoring.startswith("neg_") else 1.0
        scores = getattr(self.scorer, "_score_func", self.scorer)
        self.takes_weights = "sample_weight" in inspect.signature(scores).parameters

    def __call__(self, estimator, X, y, sample_weight=None):
        """Return the score of a fitted estimator; weights are handed on where the scorer takes them."""
        weights = {} if sample_weight is None or not self.takes_weights else {"sample_weight": sample_weight}
        try:
            score = self.scorer(estimator, X, y, **weights)
        except ValueError as error:
            error.add_note(
                f"Raised by scoring of {type(estimator).__name__} on the {len(X)} validation rows. Some scorers need "
                "rows of each class among them: pass X_val and y_val that have some, or another scoring."
            )
            raise
        if not isinstance(score, Real):
            raise ValueError(
                f"scoring of {type(estimator).__name__} must give one number, got {score!r} ({type(score).__name__})."
            )
        return float(score)
