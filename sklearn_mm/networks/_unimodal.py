"""Unimodal heads: in training, each block also predicts by itself, so that no block is left to the others."""

import torch
import torch.nn as nn

__all__ = ["UnimodalHeads"]


class UnimodalHeads(nn.Module):
    """A linear layer per block, which predicts from the block's pooled features alone.

    The loss of these predictions is added to that of the fused one in training. A block that learns faster than the
    others soon explains the training rows, and the fused loss then has little left to teach the others; a loss of
    their own keeps teaching them. Not used in prediction.

    Parameters
    ----------
    widths : dict of str to int
        Widths of the blocks' pooled features, by name.
    n_outputs : int
        Width of the outputs.

    References
    ----------
    Wang, Tran, Feiszli: What Makes Training Multi-Modal Classification Networks Hard? CVPR 2020.
    """

    def __init__(self, widths, n_outputs):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, n_outputs) for width in widths.values())

    def forward(self, features):
        """Return the features for the fusion, and the outputs of each block, (batch, n_blocks, n_outputs)."""
        outputs = [layer(block.pooled) for layer, block in zip(self.layers, features.values(), strict=True)]
        return features, torch.stack(outputs, 1)

    def losses(self, outputs, present, criterion, target):
        """Return the sum of the losses of blocks that a row has, of the shape of the criterion's."""
        total = 0
        for of_block, is_present in zip(outputs.unbind(1), present.unbind(1), strict=True):
            losses = criterion(of_block, target)  # (batch,) or (batch, n)
            total = total + losses * is_present.view(-1, *[1] * (losses.ndim - 1))
        return total
