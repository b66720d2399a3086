"""Losses, element by element, so that weights can be applied before the mean; and the score shown in training."""

import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "SquaredError"]


class CrossEntropy(nn.Module):
    """Cross-entropy of one class among many: outputs (batch, n_classes), target int64 (batch,)."""

    def forward(self, outputs, target):
        """Return the loss of each row, (batch,)."""
        return F.cross_entropy(outputs, target, reduction="none")

    def row_scores(self, outputs, target):
        """Return 1 where the likeliest class is the target; the mean is the accuracy."""
        return (outputs.argmax(1) == target).float()


class BinaryCrossEntropy(nn.Module):
    """Cross-entropy of yes or no, per label: outputs and target float32 (batch, n_labels)."""

    def forward(self, outputs, target):
        """Return the loss of each row and label, (batch, n_labels)."""
        return F.binary_cross_entropy_with_logits(outputs, target, reduction="none")

    def row_scores(self, outputs, target):
        """Return 1 where all labels of a row are right; the mean is the (subset) accuracy."""
        return ((outputs > 0) == (target > 0.5)).all(1).float()


class SquaredError(nn.Module):
    """Squared error of standardised targets: outputs and target float32 (batch, n_targets)."""

    def forward(self, outputs, target):
        """Return the loss of each row and target, (batch, n_targets)."""
        return (outputs - target).square()

    def row_scores(self, outputs, target):
        """Return one minus the squared error in units of the training variance; the mean is close to R²."""
        return 1 - torch.mean((outputs - target).square(), dim=1)
