"""skorch callbacks: early stopping that is not Ctrl-C, divergence, progress."""

import sys
import time

import numpy as np
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from tqdm.auto import tqdm

__all__ = ["BestWeights", "DivergenceGuard", "LearningRate", "Progress", "TrainingStopped"]


class TrainingStopped(Exception):  # noqa: N818, it is no error
    """Raised by a callback to end training; skorch uses KeyboardInterrupt, which users raise with Ctrl-C."""


class BestWeights(EarlyStopping):
    """Keep the weights of the best validation epoch in memory and stop when there was no better one for a while."""

    def on_epoch_end(self, net, **kwargs):
        """Remember a better epoch; raise `TrainingStopped` when patience is over."""
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            raise TrainingStopped from None


class DivergenceGuard(Callback):
    """Raise when the training loss is no longer a finite number."""

    def __init__(self, owner):
        self.owner = owner

    def on_epoch_end(self, net, **kwargs):
        """Look at the epoch's mean training loss."""
        loss = net.history[-1, "train_loss"]
        if not np.isfinite(loss):
            raise ValueError(
                f"{self.owner}: the training loss became {loss} in epoch {len(net.history)}. Lower lr (it was "
                f"{net.lr:g}), or look for extreme values in the numbers and the target."
            )


class LearningRate(LRScheduler):
    """Set the learning rate by a schedule."""

    def on_train_end(self, net, **kwargs):
        """Let go of the optimiser: it holds all weights, which a pickle of the callbacks would store once more."""
        del self.lr_scheduler_


class Progress(Callback):
    """Show epoch, losses, score and time left: a bar on a screen, lines in a log file.

    Parameters
    ----------
    owner : str
        Name of the estimator that is being fitted.
    verbose : int
        1 shows a bar where the output is a terminal or a notebook, and some twenty lines elsewhere; 2 or more
        prints one line per epoch everywhere.
    """

    def __init__(self, owner, verbose):
        self.owner = owner
        self.verbose = verbose

    def on_train_begin(self, net, **kwargs):
        """Start the clock and, on a screen, the bar."""
        self.start_ = time.perf_counter()
        on_screen = self.verbose == 1 and (sys.stderr.isatty() or "ipykernel" in sys.modules)
        self.bar_ = tqdm(total=net.max_epochs, desc=self.owner, unit="epoch") if on_screen else None

    def on_epoch_end(self, net, **kwargs):
        """Show what the epoch gave."""
        epoch = net.history[-1]
        shown = {
            name: f"{epoch[name]:.3g}"
            for name in ("train_loss", "valid_loss", "train_score", "valid_score")
            if name in epoch
        }
        if self.bar_ is not None:
            self.bar_.set_postfix(shown, refresh=False)
            self.bar_.update()
            return
        n_epochs = len(net.history)
        every = 1 if self.verbose > 1 else -(-net.max_epochs // 20)
        if n_epochs % every == 0 or n_epochs == net.max_epochs:
            seconds = time.perf_counter() - self.start_
            left = seconds / n_epochs * (net.max_epochs - n_epochs)
            values = "  ".join(f"{name} {value}" for name, value in shown.items())
            print(f"{self.owner}  epoch {n_epochs}/{net.max_epochs}  {values}  {seconds:.1f} s, {left:.1f} s left")

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        if self.bar_ is not None:
            self.bar_.close()
            self.bar_ = None
