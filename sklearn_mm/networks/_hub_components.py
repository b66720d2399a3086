"""Components that make up for hubs, vectors that are near to everything (CSLS), within a joint space itself."""

import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["HubComponents"]

_N_NEIGHBORS = 10  # Conneau et al. (2018)
_LENGTH = 0.5  # of a component, where vectors have length 1: docs/decisions/0037-joint-spaces.md


class HubComponents(nn.Module):
    """Add a component for each block to vectors, so that a cosine is less by how near both are to all others.

    Half of the mean cosine of a vector to its nearest ones in a bank of the other blocks' vectors, less what is usual,
    is its *height* (cross-domain similarity local scaling). In the component of its own block a vector has its height,
    negative, and in those of the others a constant: the product of vectors of two blocks is then their cosine less both
    heights. The very nearest of the bank is left out, since of a row that is in it, it is what belongs to it.

    Parameters
    ----------
    bank : list of Tensor of shape (n_bank, width)
        Vectors of length 1 of each block, of training rows.

    References
    ----------
    Conneau, Lample, Ranzato, Denoyer, Jégou: Word Translation Without Parallel Data. ICLR 2018.
    """

    def __init__(self, bank: list[torch.Tensor]):
        super().__init__()
        self.n_blocks, self.width = len(bank), bank[0].shape[1]
        for place, vectors in enumerate(bank):
            self.register_buffer(f"bank{place}", vectors)
        usual = [self._nearness(place, vectors).sum() / max(len(vectors), 1) for place, vectors in enumerate(bank)]
        self.register_buffer("usual", torch.stack(usual))

    def forward(self, place: int, vectors: torch.Tensor) -> torch.Tensor:
        """Return vectors of length 1, (n, width + n_blocks), for those (n, width) of the block at that place."""
        heights = self._nearness(place, vectors) - self.usual[place]
        components = vectors.new_full((len(vectors), self.n_blocks), _LENGTH)
        components[:, place] = -heights / _LENGTH
        return F.normalize(torch.cat([vectors, components], 1), dim=1)

    def _nearness(self, place, vectors):
        means = []
        for other in range(self.n_blocks):
            if other != place:
                bank = getattr(self, f"bank{other}").to(vectors.dtype)
                similarities = vectors @ bank.T  # (n, n_bank)
                nearest = similarities.topk(min(_N_NEIGHBORS + 1, len(bank)), dim=1).values
                means.append(nearest[:, 1:].sum(1) / max(nearest.shape[1] - 1, 1))
        return torch.stack(means).mean(0) / 2
