"""Gradient modulation: a block that is ahead of the others learns more slowly."""

import math

import torch

from sklearn_mm.networks._unimodal import UnimodalHeads

__all__ = ["GradientModulation"]


class GradientModulation(UnimodalHeads):
    """Slow the encoder down whose block is ahead of the others, and shake it by noise of its gradient's spread.

    OGM-GE of Peng et al. (2022), for any fusion, loss and number of blocks: who is ahead is told by heads that learn
    from the features without changing them. The score of a block is the mean of exp(−loss), which for cross-entropy is
    the probability of the right class; where it is ρ > 1 times that of the others, the gradient at the block's features
    is multiplied by 1 − tanh(0.3 ρ), and noise is added to it.

    Parameters
    ----------
    widths : dict of str to int
        Widths of the blocks' pooled features, by name.
    n_outputs : int
        Width of the outputs.

    References
    ----------
    Peng, Wei, Deng, Wang, Hu: Balanced Multimodal Learning via On-the-fly Gradient Modulation. CVPR 2022.
    """

    def __init__(self, widths, n_outputs):
        super().__init__(widths, n_outputs)
        self.factors = [1.0] * len(widths)  # of the step that is under way

    def forward(self, features):
        """Return the features for the fusion, and the outputs of each block, (batch, n_blocks, n_outputs)."""
        detached = {name: block._replace(pooled=block.pooled.detach()) for name, block in features.items()}
        _, outputs = super().forward(detached)
        modulated = {
            name: block._replace(
                pooled=self._modulated(block.pooled, place), tokens=self._modulated(block.tokens, place)
            )
            for place, (name, block) in enumerate(features.items())
        }
        return modulated, outputs

    def losses(self, outputs, present, criterion, target):
        """Return the sum of the heads' losses, and note the factors for the way back."""
        scores = []
        with torch.no_grad():
            for of_block, is_present in zip(outputs.unbind(1), present.unbind(1), strict=True):
                scores.append(torch.exp(-criterion(of_block, target))[is_present].mean())
        self.factors = _factors(torch.stack(scores).tolist())
        return super().losses(outputs, present, criterion, target)

    def _modulated(self, values, place):
        """Return the same values, whose gradient is changed on its way back, when the factors are known."""
        if not values.requires_grad:
            return values
        if torch.compiler.is_compiling():  # the hook looks up what is known only on the way back
            return torch.compiler.disable(self._modulated)(values, place)
        values = values.view_as(values)
        values.register_hook(lambda gradient: self._modulate(gradient, self.factors[place]))
        return values

    @staticmethod
    def _modulate(gradient, factor):
        if factor == 1:
            return gradient
        spread = gradient.std(correction=min(1, gradient.numel() - 1))  # that of one number is 0
        return gradient * factor + torch.randn_like(gradient) * spread


def _factors(scores):
    """Return the factor of each block's gradient; a block without rows (nan) is left alone, and leaves others alone."""
    factors = []
    for place, score in enumerate(scores):
        others = [other for other in scores[:place] + scores[place + 1 :] if other > 0]
        ratio = score * len(others) / sum(others) if others else 0.0
        factors.append(1 - math.tanh(0.3 * ratio) if ratio > 1 else 1.0)
    return factors
