"""Average the weights over the training steps: an exponential moving average (EMA, Polyak averaging)."""

from collections import defaultdict

import torch
from skorch.callbacks import Callback

from sklearn_mm.training._trained_state import tensors_of, trained_modules

__all__ = ["WeightAveraging"]


class WeightAveraging(Callback):
    """Validate, stop and predict with an exponential moving average of the weights.

    The decay rises with the step t as t / (t + 9), so that an average over few steps does not remember the random
    start. Statistics of batch norm are averaged in the same way; frozen encoders are not copied. Between epochs the
    network holds the averaged weights, for all callbacks that look at it; while it trains it holds its own.

    References
    ----------
    Polyak, Juditsky: Acceleration of Stochastic Approximation by Averaging. SIAM J. Control and Optimization, 1992.
    """

    def on_train_begin(self, net, **kwargs):
        """Begin with the weights as they are."""
        self.average_ = []
        self.modules_ = trained_modules(net.module_)  # to find them takes a while, and each step asks
        self.n_steps_ = 0
        self.averaged_ = False

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        """Give the network its own weights to train, and the averaged ones to validate."""
        self.hold(net, averaged=not training)

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        """Let the average follow a step."""
        if training:
            weights = [tensor.detach() for tensor in tensors_of(self.modules_)]
            if self.n_steps_ == 0:
                self.average_ = [tensor.clone() for tensor in weights]
            else:
                _move_towards(self.average_, weights, 9 / (10 + self.n_steps_))
            self.n_steps_ += 1

    def on_epoch_end(self, net, **kwargs):
        """Show the averaged weights to the callbacks that follow."""
        self.hold(net, averaged=True)

    def on_train_end(self, net, **kwargs):
        """Leave the averaged weights in the network, and forget the others."""
        self.hold(net, averaged=True)
        del self.average_, self.modules_

    def hold(self, net, averaged):
        """Swap the tensors of the network and of the average, without a copy."""
        if averaged == self.averaged_ or not self.n_steps_:
            return
        with torch.no_grad():
            for own, other in zip(tensors_of(self.modules_), self.average_, strict=True):
                own.data, other.data = other.data, own.data
        self.averaged_ = averaged


@torch.no_grad()
def _move_towards(averages, weights, share):
    """Move averages by a share of the way to the weights; counts, as of batch norm, are copied."""
    alike = defaultdict(lambda: ([], []))
    for average, weight in zip(averages, weights, strict=True):
        for tensors, tensor in zip(alike[weight.device, weight.dtype], (average, weight), strict=True):
            tensors.append(tensor)
    for (_, dtype), (own, others) in alike.items():
        if dtype.is_floating_point:
            torch._foreach_lerp_(own, others, share)
        else:
            torch._foreach_copy_(own, others)
