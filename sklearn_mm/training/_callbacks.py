"""skorch callbacks: divergence, learning rate, progress, and those of the user."""

import sys
import time

import numpy as np
from sklearn.base import clone
from skorch.callbacks import Callback, LRScheduler
from skorch.callbacks.scoring import ScoringBase
from tqdm.auto import tqdm

__all__ = ["DivergenceGuard", "LearningRate", "Progress", "clone_callbacks", "is_on_screen"]


class DivergenceGuard(Callback):
    """Raise when the training loss is no longer a finite number, or the validation loss none at all."""

    def __init__(self, owner):
        self.owner = owner

    def on_epoch_end(self, net, **kwargs):
        """Look at the epoch's mean losses."""
        loss = net.history[-1, "train_loss"]
        if not np.isfinite(loss):
            raise ValueError(
                f"{self.owner}: the training loss became {loss} in epoch {len(net.history)}. Lower lr (it was "
                f"{net.lr:g}), or look for extreme values in the numbers and the target."
            )
        if np.isnan(net.history[-1].get("valid_loss", 0.0)):
            raise ValueError(
                f"{self.owner}: the validation loss became nan in epoch {len(net.history)}. Look for extreme values in "
                "the numbers and the target of the validation rows."
            )


class LearningRate(LRScheduler):
    """Set the learning rate by a schedule."""

    def on_train_end(self, net, **kwargs):
        """Let go of the optimiser: it holds all weights, which a pickle of the callbacks would store once more."""
        del self.lr_scheduler_


def is_on_screen():
    """Return whether somebody looks at what is printed, in a terminal or a notebook, and not in a log file."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Progress(Callback):
    """Show epoch, losses, score and time left: a bar on a screen, lines in a log file.

    Parameters
    ----------
    owner : str
        Name of the estimator that is being fitted.
    verbose : int
        1 shows a bar where the output is a terminal or a notebook, and some twenty lines elsewhere; 2 or more
        prints one line per epoch everywhere.
    monitor : str, default="valid_loss"
        What early stopping goes by, shown too.
    """

    def __init__(self, owner, verbose, monitor="valid_loss"):
        self.owner = owner
        self.verbose = verbose
        self.monitor = monitor

    def on_train_begin(self, net, **kwargs):
        """Start the clock and, on a screen, the bar."""
        self.start_ = time.perf_counter()
        has_bar = self.verbose == 1 and is_on_screen()
        self.bar_ = tqdm(total=net.max_epochs, desc=self.owner, unit="epoch") if has_bar else None

    def on_epoch_end(self, net, **kwargs):
        """Show what the epoch gave."""
        epoch = net.history[-1]
        names = dict.fromkeys(["train_loss", "valid_loss", "train_score", "valid_score", self.monitor])
        shown = {name: f"{epoch[name]:.3g}" for name in names if name in epoch}
        if self.bar_ is not None:
            self.bar_.set_postfix(shown, refresh=False)
            self.bar_.update()
            return
        n_epochs = len(net.history)
        every = 1 if self.verbose > 1 else -(-net.max_epochs // 20)
        if n_epochs % every == 0 or n_epochs == net.max_epochs:
            seconds = time.perf_counter() - self.start_
            left = seconds / n_epochs * (net.max_epochs - n_epochs)
            if net.time_limit is not None:
                left = min(left, max(net.time_limit.end - time.perf_counter(), 0.0))
            values = "  ".join(f"{name} {value}" for name, value in shown.items())
            print(f"{self.owner}  epoch {n_epochs}/{net.max_epochs}  {values}  {seconds:.1f} s, {left:.1f} s left")

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        if self.bar_ is not None:
            self.bar_.close()
            self.bar_ = None


def clone_callbacks(callbacks, owner):
    """Return clones of skorch callbacks, or pairs of a name and one; raise if something else is among them."""
    clones = []
    for given in callbacks:
        named = isinstance(given, tuple) and len(given) == 2
        callback = given[1] if named else given
        if not isinstance(callback, Callback):
            raise TypeError(
                f"skorch_callbacks of {owner} takes skorch callbacks, or pairs (name, callback), got {given!r} among "
                "them. Derive it from skorch.callbacks.Callback."
            )
        if isinstance(callback, ScoringBase) and (callback.use_caching or not callable(callback.scoring)):
            raise TypeError(
                f"skorch_callbacks of {owner} cannot take {type(callback).__name__}, which asks the net for "
                "predictions: only the estimator can make its batches. Use scoring= with validation rows, "
                "scikit-learn's ScoringMonitor, or a Callback whose on_epoch_end computes what it needs; EpochScoring "
                "works with a callable scoring(net, dataset, y) and use_caching=False."
            )
        try:
            clones.append((given[0], clone(callback)) if named else clone(callback))
        except TypeError as error:
            raise TypeError(
                f"skorch_callbacks of {owner} are cloned for each fit, and {type(callback).__name__} cannot be: "
                f"{error}. What its __init__ sets beside its parameters needs a name that ends with an underscore."
            ) from error
    return clones
