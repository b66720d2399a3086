"""Encoders and a top as one torch module: a batch in, outputs out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn as nn

from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._tops import Top

__all__ = ["MultimodalNetwork"]


class MultimodalNetwork(nn.Module):
    """The network of all multimodal estimators: what encodes the blocks, and what is made of their features.

    A batch is a dict as `BlockEncoders` take it. The top may look for more in it, such as ``base_scores``.

    Parameters
    ----------
    encoders : BlockEncoders
        From a batch to `Features` by block.
    top : Top
        From these to outputs, built.
    """

    def __init__(self, encoders: BlockEncoders, top: Top):
        super().__init__()
        self.encoders = encoders
        self.top = top

    def forward(self, batch: dict[str, Any]) -> Any:
        """Return the outputs of each row."""
        batch = self.encoders.with_frozen_parts(batch)
        return self.top(*self.encoders(batch), batch)

    def reads_tokens(self, name: str) -> bool:
        """Return whether the tokens that the encoder of a block makes of a row may change the outputs."""
        return self.top.reads_tokens and self.encoders.pooling(name) is None

    def components(self) -> Iterator:
        """Yield each built component with the names of the blocks that it sees."""
        yield from self.encoders.components()
        for component in self.top.components():
            yield component, self.encoders.names

    def start(self, blocks: Any, y: Any, sample_weight: np.ndarray | None, generator: torch.Generator) -> None:
        """Let the components that start from data do so, with the training rows only."""
        for component, names in self.components():
            if hasattr(component, "start"):
                component.start(blocks.select(names), y, sample_weight, generator)
