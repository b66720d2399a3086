"""What scikit-learn's callbacks see of a fit: the epochs, as tasks below it."""

from sklearn_mm.utils._learner import learnt_attributes

__all__ = ["FitTasks"]


class FitTasks:
    """Tells scikit-learn's callbacks where a fit is.

    Their hooks get the rows as `Blocks`, so that a monitor that predicts in every epoch decodes nothing again, and a
    fitted estimator that is made only if a callback asks for it.

    Parameters
    ----------
    estimator : estimator
        The one that is being fitted.
    learner : estimator
        The copy that learns in its place.
    context : CallbackContext
        Of the fit.
    """

    def __init__(self, estimator, learner, context):
        self.estimator = estimator
        self.learner = learner
        self.root = context

    def begin_fit(self, rows):
        """Tell of the rows that are trained with."""
        weight = rows.sample_weight
        metadata = None if weight is None else {"sample_weight": weight}
        self.seen = {"estimator": self.estimator, "X": rows.blocks, "y": rows.y, "metadata": metadata}
        self.root.call_on_fit_task_begin(**self.seen)

    def begin_training(self, blocks, attributes_by_now):
        """From now on, show the same rows with what frozen encoders make of them, and an estimator if one is wanted.

        Parameters
        ----------
        blocks : Blocks
            The rows.
        attributes_by_now : callable
            Returns what has been learnt by the time it is called, as a dict.
        """
        self.seen["X"] = blocks
        self.attributes_by_now = attributes_by_now

    def begin_epoch(self):
        """Tell that an epoch begins."""
        self.epoch = self.root.subcontext(task_name="epoch").call_on_fit_task_begin(**self.seen)

    def end_epoch(self):
        """Tell that an epoch has ended; returns whether a callback wants training to end."""
        return self.epoch.call_on_fit_task_end(**self.seen, reconstruction_attributes=self.attributes_by_now)

    def end_fit(self):
        """Tell that the estimator is fitted."""
        self.root.call_on_fit_task_end(**self.seen, reconstruction_attributes=lambda: learnt_attributes(self.learner))
