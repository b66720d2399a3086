"""Fusion by feature-wise scale and shift."""

from numbers import Integral
from typing import Self

import torch
import torch.nn as nn

from sklearn_mm.fusion._base import FeaturesByName, Fusion
from sklearn_mm.fusion._block_tokens import make_parts
from sklearn_mm.utils._registry import did_you_mean
from sklearn_mm.utils._token_pooling import masked_mean
from sklearn_mm.utils._validation import Interval

__all__ = ["FiLMFusion"]


class FiLMFusion(Fusion):
    """Let one block decide how the others are read: it scales and shifts, unit by unit, what they say.

    The feature-wise linear modulation of Perez et al. (2018), for questions about pictures and for readings that depend
    on a table. As there, scale and shift act on the tokens of the other blocks, followed by a rectifier, so that the
    condition can also choose which tokens count; and they act on the pooled vector likewise. The pooled vector and the
    mean over the tokens are added up over the blocks, the condition among them, unchanged.

    Parameters
    ----------
    condition : str or None, default=None
        Name of the block that decides. None takes the last one: with pictures and texts a text, and where there is a
        table, the table.
    width : int, default=128
        Width of the fused vector. Larger fits more and needs more data.

    Attributes
    ----------
    out_features : int
        Width of the fused vector, set by `build`.

    Notes
    -----
    In rows without the condition the other blocks are neither scaled nor shifted. An absent block adds nothing. If
    there is one block only, it is read as it is. The paper takes the maximum over the places of a picture; here the
    pooled vector stands apart from the tokens, or it would be lost among many.

    References
    ----------
    Perez, Strub, de Vries, Dumoulin, Courville: FiLM: Visual Reasoning with a General Conditioning Layer. AAAI 2018.

    Examples
    --------
    >>> from sklearn_mm.fusion import FiLMFusion
    >>> fusion = FiLMFusion(condition="text")
    >>> fusion.build({"image": 32, "text": 64}, n_outputs=3, token_widths={"image": 16, "text": 64}).out_features
    128
    """

    _parameter_constraints = {
        "condition": [str, None],
        "width": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(self, condition: str | None = None, width: int = 128):
        self.condition = condition
        self.width = width

    def build(self, widths: dict[str, int], n_outputs: int, token_widths: dict[str, int]) -> Self:
        names = list(widths)
        condition = names[-1] if self.condition is None else self.condition
        if condition not in widths:
            raise ValueError(
                f"FiLMFusion got condition={condition!r}, which is none of the blocks."
                f"{did_you_mean(condition, names)} Blocks: {', '.join(names)}."
            )
        self._place = names.index(condition)
        self.parts = make_parts(widths, token_widths, self.width)
        others = (place for place in range(len(names)) if place != self._place)
        self.films = nn.ModuleDict({str(place): nn.Linear(widths[condition], 2 * self.width) for place in others})
        self.out_features = self.width
        return self

    def forward(self, features: FeaturesByName, present: torch.Tensor) -> torch.Tensor:
        features = list(features.values())
        condition, here = features[self._place].pooled, present[:, self._place].view(-1, 1, 1)
        fused = 0
        for place, read in enumerate(self.parts):
            parts, mask = read(features[place], present[:, place])  # (batch, n_parts, width), (batch, n_parts)
            if place != self._place:
                scale, shift = (self.films[str(place)](condition).unsqueeze(1) * here).chunk(2, 2)
                parts = (1 + scale) * parts + shift
            parts = parts.relu()
            fused = fused + masked_mean(parts[:, :1], mask[:, :1]) + masked_mean(parts[:, 1:], mask[:, 1:])
        return fused  # (batch, width)
