"""How much of a deep part is added to a wide part: a stacking weight by rows that neither was fitted to."""

import torch

__all__ = ["settle_share"]

_SHARES = [step / 20 for step in range(21)]


def settle_share(wide_outputs, deep_outputs, target, weight, loss):
    """Return the share of the deep outputs, in [0, 1], that surely lowers the loss of ``wide + share * deep`` most.

    What is left of a gain when its standard error is taken off is sure. No share is returned unless some share gains
    more than two standard errors: few rows would else believe in chance.

    Parameters
    ----------
    wide_outputs, deep_outputs : torch.Tensor of shape (n_rows, n_outputs)
        Of rows that were held out.
    target, weight : torch.Tensor
        What ``loss`` takes, and the weight of each element of the loss. Rows of weight zero do not count.
    loss : Loss
        Returns the loss of each element.
    """
    counted = weight.reshape(len(weight), -1).any(1)

    def row_losses(share):
        losses = loss(wide_outputs + share * deep_outputs, target) * weight
        return losses.reshape(len(losses), -1).sum(1)[counted]

    without = row_losses(0.0)
    gains = [without - row_losses(share) for share in _SHARES]  # each (n_rows,)
    means = torch.stack([gain.mean() for gain in gains])
    errors = torch.stack([gain.std(correction=0) / len(gain) ** 0.5 for gain in gains])
    if (means - 2 * errors).max() <= 0:
        return 0.0
    return _SHARES[int((means - errors).argmax())]
