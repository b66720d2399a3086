"""What every fusion owes: the features of all blocks in, one vector per row out."""

from typing import TYPE_CHECKING, Self, TypeAlias

import torch

from sklearn_mm.utils._component import Component

if TYPE_CHECKING:
    from sklearn_mm.encoders import Features

__all__ = ["FeaturesByName", "Fusion"]

FeaturesByName: TypeAlias = "dict[str, Features]"


class Fusion(Component):
    """Base of all fusions.

    A subclass owes ``build(widths, n_outputs, token_widths=None)``, which makes the layers, sets ``out_features`` and
    returns ``self``, and ``forward(features, present)``, which returns a tensor (batch, out_features).

    ``widths`` and ``token_widths`` are dicts of the width of ``pooled`` and of ``tokens`` by block name; ``features``
    is a dict of `Features` in the same order; ``present`` (batch, n_blocks) is False where a row has nothing in a
    block. ``pooled`` holds a learnt stand-in there, and ``mask`` is False for all of its tokens.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.
    gives_outputs : bool
        Whether the fused vector already is the outputs (of width ``n_outputs``), so that no head follows.
    reads_stand_ins : bool
        Whether the learnt vectors that stand in for absent blocks may change the fused vector.
    reads_tokens : bool
        Whether tokens may change the fused vector. Where they do not, those of frozen encoders are not kept.
    """

    gives_outputs = False
    reads_stand_ins = False
    reads_tokens = True

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int] | None = None) -> Self:
        """Make the layers for blocks of the given widths; returns ``self``."""
        raise NotImplementedError

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        """Map the features of all blocks to one vector per row."""
        raise NotImplementedError
