"""Batch normalisation that also trains on a single value."""

import torch.nn as nn
import torch.nn.functional as F

__all__ = ["BatchNorm2d"]


class BatchNorm2d(nn.BatchNorm2d):
    """Torch's, which raises where a training batch has one value per channel: a row whose map has become one place.

    One value has no spread, so the running mean and variance normalise it, as in ``eval`` mode, and stay what they are.
    """

    def forward(self, x):
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)
