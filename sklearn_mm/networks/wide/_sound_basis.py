"""Sound in a linear model: mean and spread of log-mels over time."""

import torch
import torch.nn.functional as F

from sklearn_mm.encoders._base import as_frames, up_to_end
from sklearn_mm.networks.wide._basis_expansion import BasisExpansion
from sklearn_mm.utils._log_mel import LogMel, level_frames
from sklearn_mm.utils._token_pooling import masked_mean, masked_std, pool_runs

__all__ = ["SoundBasis"]

_BANDS = 40
_PARTS = 3  # of a sound, whose means are heard one after the other
_WEIGHT = 0.6  # of each of the three, beside texts of length one


class SoundBasis(BasisExpansion):
    """How loud each mel band is on average in each third of a sound, how much that changes, and over how many frames.

    These say of a sound what means and spreads of cepstral coefficients (MFCC) do, which are a linear map of log-mels.

    Parameters
    ----------
    spec : AudioSpec
        Description of the block.
    max_terms : int
        Not looked at: sounds have few terms.
    """

    dense = True

    def __init__(self, spec, max_terms):
        super().__init__()
        self.stored_bands = spec.n_bands
        n_bands = _BANDS if spec.n_bands is None else spec.n_bands
        if spec.n_bands is None:
            self.log_mel = LogMel(spec.rate, n_bands)
        self.widths = _PARTS * n_bands, 2 * n_bands, 1
        self.n_terms = sum(self.widths)
        self.register_buffer("terms", torch.arange(self.n_terms))
        self.register_buffer("mean", torch.zeros(self.n_terms))
        self.register_buffer("scale", torch.zeros(self.n_terms))

    def raw(self, x):
        """Return the terms (n, n_terms) of sounds as they are stored, before they are scaled."""
        if not torch.compiler.is_compiling():  # how much is used is known of no graph
            used = x.ne(0).any(0).nonzero()
            x = x[:, : int(used[-1]) + 1 if len(used) else 1]
        if self.stored_bands is not None:
            frames = as_frames(x.float(), self.stored_bands)
            mask = up_to_end(frames.ne(0).any(2))
        else:
            frames = self.log_mel(x.float() / 2**15)
            n_frames = self.log_mel.n_frames(up_to_end(x).sum(1, keepdim=True))
            mask = torch.arange(frames.shape[1], device=x.device) < n_frames
        frames = level_frames(frames, mask)
        parts, _ = pool_runs(frames, mask, _PARTS)  # (n, _PARTS, n_bands)
        changes = F.pad(frames.diff(dim=1).abs(), (0, 0, 1, 0)) * mask.unsqueeze(2)
        spread = torch.cat([masked_std(frames, mask), masked_mean(changes, mask)], 1)
        length = mask.sum(1, keepdim=True).clamp(min=1).log().to(frames.dtype)
        return torch.cat([parts.flatten(1), spread, length], 1)

    def fit(self, chunks):
        """Learn means and mean squares from the training rows."""
        n_rows, total, squares = 0, 0, 0
        for values in chunks:
            values = values.double()
            n_rows += len(values)
            total += values.sum(0)
            squares += values.square().sum(0)
        if n_rows:
            self.mean.copy_(total / n_rows)
            variance = (squares / n_rows - (total / n_rows).square()).split(self.widths)
            self.scale.copy_(torch.cat([_WEIGHT * v.sum().clamp(min=1e-6).rsqrt().expand(len(v)) for v in variance]))

    def expand(self, values):
        """Return all terms in order, for each row, and their values, both (batch, n_terms)."""
        return self.terms.expand(len(values), -1), (values - self.mean) * self.scale
