"""What makes a fit that fails change nothing: a copy learns, and its state is taken over at the end."""

__all__ = ["learnt_attributes", "take_over"]


def learnt_attributes(estimator):
    """Return all attributes of an estimator but its parameters, as a dict."""
    parameters = estimator._get_param_names()
    return {name: value for name, value in vars(estimator).items() if name not in parameters}


def take_over(estimator, learner):
    """Replace what an estimator has learnt by what a copy of it has; parameters stay as they are.

    Parameters
    ----------
    estimator : BaseEstimator
        The one that is being fitted.
    learner : BaseEstimator
        A shallow copy of it, which has learnt in its place.
    """
    for name in learnt_attributes(estimator).keys() - vars(learner).keys():
        delattr(estimator, name)  # of an earlier fit, such as names of columns
    vars(estimator).update(learnt_attributes(learner))
