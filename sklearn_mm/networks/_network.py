"""Encoders and a top as one torch module: a batch in, outputs out."""

import torch.nn as nn

__all__ = ["MultimodalNetwork"]


class MultimodalNetwork(nn.Module):
    """The network of all multimodal estimators: what encodes the blocks, and what is made of their features.

    A batch is a dict as `BlockEncoders` take it. The top may look for more in it, such as ``offsets``.

    Parameters
    ----------
    encoders : BlockEncoders
        From a batch to `Features` by block.
    top : Top
        From these to outputs, built.
    """

    def __init__(self, encoders, top):
        super().__init__()
        self.encoders = encoders
        self.top = top

    def forward(self, batch):
        """Return the outputs of each row."""
        return self.top(*self.encoders(batch), batch)

    def reads_tokens(self, name):
        """Return whether the tokens that the encoder of a block makes of a row may change the outputs."""
        return self.top.reads_tokens and self.encoders.pooling(name) is None

    def components(self):
        """Yield each built component with the names of the blocks that it sees."""
        yield from self.encoders.components()
        for component in self.top.components():
            yield component, self.encoders.names

    def start(self, blocks, y, sample_weight, generator):
        """Let the components that start from data do so, with the training rows only."""
        for component, names in self.components():
            if hasattr(component, "start"):
                component.start(blocks.select(names), y, sample_weight, generator)
