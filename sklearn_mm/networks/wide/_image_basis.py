"""Pictures in a linear model: histograms of oriented gradients, coarse pixels and a colour histogram."""

import torch
import torch.nn.functional as F

from sklearn_mm.networks.wide._basis_expansion import BasisExpansion

__all__ = ["ImageBasis"]

_SIDE = 64  # of a picture as it is looked at
_CELLS = 4  # along each side, in which edges are counted by their angle
_ANGLES = 12  # from 0 to 180 degrees
_UNITS = 2**17  # of the length of an edge; whole numbers have the same sum in any order, in which a GPU adds them
_COARSE = 8  # pixels along each side, whose values count
_MAX_COLOURS, _MAX_LEVELS = 343, 64  # that are told apart, in all and of each channel
_WEIGHT = 0.35  # of each of the three, beside texts of length one


class ImageBasis(BasisExpansion):
    """Edges, coarse pixels and colours of small pictures.

    Edges are counted by angle in cells, and normalised with the cells around (Dalal, Triggs: Histograms of Oriented
    Gradients for Human Detection. CVPR 2005); colours are counted wherever they are (Swain, Ballard: Color Indexing.
    International Journal of Computer Vision 7, 1991), and enter by the square roots of their shares. Each of the three
    has the same mean square over the training rows.

    Parameters
    ----------
    spec : ImageSpec
        Description of the block.
    max_terms : int
        Not looked at: pictures have few terms.
    """

    dense = True

    def __init__(self, spec, max_terms):
        super().__init__()
        height, width, n_channels = spec.shape
        self.size = min(height, _SIDE), min(width, _SIDE)
        self.n_levels = min(max(2, round(_MAX_COLOURS ** (1 / n_channels))), _MAX_LEVELS)  # of each channel
        self.widths = 4 * (_CELLS - 1) ** 2 * _ANGLES, n_channels * _COARSE**2, self.n_levels**n_channels
        self.n_terms = sum(self.widths)
        self.register_buffer("terms", torch.arange(self.n_terms))
        self.register_buffer("mean", torch.zeros(self.n_terms))
        self.register_buffer("scale", torch.zeros(self.n_terms))

    def raw(self, x):
        """Return histograms, pixels and colours (n, n_terms) of pictures (n, height, width, channels)."""
        x = x.permute(0, 3, 1, 2).float() / 255
        if x.shape[2:] != self.size:
            x = F.adaptive_avg_pool2d(x, self.size)
        pixels = F.adaptive_avg_pool2d(x, _COARSE).flatten(1)
        return torch.cat([_oriented_gradients(x.mean(1)), pixels, _colour_histogram(x, self.n_levels)], 1)

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


def _colour_histogram(x, n_levels):
    levels = (x * n_levels).long().clamp(max=n_levels - 1).flatten(2)  # (batch, channels, pixels)
    n_channels, n_pixels = levels.shape[1:]
    colours = sum(level * n_levels**channel for channel, level in enumerate(levels.unbind(1)))
    counts = x.new_zeros(len(x), n_levels**n_channels)
    return (counts.scatter_add(1, colours, torch.ones_like(colours, dtype=x.dtype)) / n_pixels).sqrt()


def _oriented_gradients(grey):
    n_rows, height, width = grey.shape
    padded = F.pad(grey.unsqueeze(1), (1, 1, 1, 1), mode="replicate").squeeze(1)
    down, right = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1], padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    length = torch.hypot(down, right)
    angle = torch.atan2(down, right).remainder(torch.pi) * (_ANGLES / torch.pi)
    low = angle.floor()
    above = angle - low  # an edge counts for the two angles that it lies between
    length = length * _UNITS
    cell_row, cell_column = (torch.arange(n, device=grey.device) * _CELLS // n for n in (height, width))
    first_bin = (cell_row.unsqueeze(1) * _CELLS + cell_column) * _ANGLES  # of each pixel
    cells = grey.new_zeros(n_rows, _CELLS**2 * _ANGLES)
    for angle, weight in ((low, 1 - above), (low + 1, above)):
        bins = first_bin + angle.long().remainder(_ANGLES)
        cells.scatter_add_(1, bins.flatten(1), (length * weight).round().flatten(1))
    cells = cells.view(n_rows, _CELLS, _CELLS, _ANGLES) * (_CELLS**2 / (height * width * _UNITS))
    blocks = torch.cat([cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], 3)
    for _ in range(2):  # normalise, cut off, normalise
        blocks = (blocks / (blocks.square().sum(3, keepdim=True) + 1e-5).sqrt()).clamp(max=0.2)
    return blocks.flatten(1)
