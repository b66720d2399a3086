"""Average the weights over the training steps."""

import torch
from skorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel

__all__ = ["WeightAveraging"]


@torch.no_grad()
def _move_towards(averages, weights, n_averaged):
    """Move averages towards weights; the average looks back over about a tenth of the steps so far."""
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, weights, 9 / (10 + float(n_averaged)))
    else:  # counts, as of batch norm
        torch._foreach_copy_(averages, weights)


class WeightAveraging(Callback):
    """Validate, stop and predict with an exponential moving average of the weights.

    The decay rises with the step t as t / (t + 9), so that an average over few steps does not remember the random
    start. Statistics of batch norm are averaged in the same way. Between epochs the network holds the averaged
    weights, for all callbacks that look at it; while it trains it holds its own.

    References
    ----------
    Polyak, Juditsky: Acceleration of Stochastic Approximation by Averaging. SIAM J. Control and Optimization, 1992.
    """

    def on_train_begin(self, net, **kwargs):
        """Begin with the weights as they are."""
        self.average_ = AveragedModel(net.module_, multi_avg_fn=_move_towards, use_buffers=True)
        self.averaged_ = False

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        """Give the network its own weights to train, and the averaged ones to validate."""
        self.hold(net, averaged=not training)

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        """Let the average follow a step."""
        if training:
            self.average_.update_parameters(net.module_)

    def on_epoch_end(self, net, **kwargs):
        """Show the averaged weights to the callbacks that follow."""
        self.hold(net, averaged=True)

    def on_train_end(self, net, **kwargs):
        """Leave the averaged weights in the network, and forget the others."""
        self.hold(net, averaged=True)
        del self.average_

    def hold(self, net, averaged):
        """Swap the tensors of the network and of the average, without a copy."""
        if averaged == self.averaged_ or not self.average_.n_averaged:
            return
        with torch.no_grad():
            for own, other in zip(_tensors(net.module_), _tensors(self.average_.module), strict=True):
                own.data, other.data = other.data, own.data
        self.averaged_ = averaged


def _tensors(module):
    yield from module.parameters()
    yield from module.buffers()
