"""Early stopping: the weights of the best validation epoch are kept in memory, and restored at the end."""

from copy import deepcopy

from skorch.callbacks import EarlyStopping

from sklearn_mm.training._interrupts import raises_stop
from sklearn_mm.training._trained_state import trained_state

__all__ = ["BestWeights"]


class BestWeights(EarlyStopping):
    """Keep the weights of the best validation epoch in memory; stop when there was no better one for a while.

    What is frozen is not copied.

    Parameters
    ----------
    monitor : str
        What to go by, a name in the history.
    patience : int
        Epochs without a better one before stopping.
    lower_is_better : bool, default=True
        Whether it is an error or a loss, rather than a score.
    best_possible : float, default=None
        Score that cannot be bettered: at it, or above, training stops at once. None if there is no such score.
    """

    def __init__(self, monitor="valid_loss", patience=10, lower_is_better=True, best_possible=None):
        super().__init__(monitor=monitor, patience=patience, lower_is_better=lower_is_better, threshold=0)
        self.best_possible = best_possible
        self.first_score = None  # of the weights before the first epoch, where they may be the best

    def on_train_begin(self, net, **kwargs):
        """Take the weights before the first epoch for the best ones, if they have a score."""
        super().on_train_begin(net, **kwargs)
        if self.first_score is not None:
            self.dynamic_threshold_ = self.first_score
            self.best_model_weights_ = deepcopy(trained_state(net.module_))

    def on_epoch_end(self, net, **kwargs):
        """Remember a better epoch; ask the net to stop when patience is over or perfection reached."""
        if raises_stop(super().on_epoch_end, net, **kwargs):
            net.stopping_ = True
        if self.best_epoch_ == net.history[-1, "epoch"]:
            self.best_model_weights_ = deepcopy(trained_state(net.module_))
        if self.best_possible is not None and net.history[-1, self.monitor] >= self.best_possible:
            net.stopping_ = True

    def on_train_end(self, net, **kwargs):
        """Restore the best weights, and let go of them: a pickle of the callbacks would store them once more."""
        if self.best_model_weights_ is not None and self.best_epoch_ != net.history[-1, "epoch"]:
            net.module_.load_state_dict(self.best_model_weights_, strict=False)  # what is frozen is as it was
        self.best_model_weights_ = None
