"""What a linear model sees of a block: for each row the values of numbered terms."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

__all__ = ["has_terms", "make_terms"]

_MOST_BINS = 8  # of each number
_ROWS_PER_BIN = 50  # of training; a step that few rows are on is guessed
_MOST_BINNED = 100  # numbers; of more, as of an embedding, single ones say little

_SIDE = 32  # of a picture as it is looked at; at 64, few rows gain a point for four times the time
_CELLS = 4  # along each side, in which edges are counted by their angle
_ANGLES = 12  # from 0 to 180 degrees
_UNITS = 2**17  # of the length of an edge; whole numbers have the same sum in any order, in which a GPU adds them
_COARSE = 8  # pixels along each side, whose values count
_MOST_COLOURS = 64
_WEIGHT = 0.35  # of each of the three, beside texts of length one


def has_terms(spec):
    """Return whether a block has terms: texts, tables, and pictures whose encoder is trained.

    All that is to be said of other pictures is in features that are computed once.
    """
    terms = _TERMS.get(spec.linear_terms)
    return terms is not None and not (terms.in_features and getattr(spec.encoder, "frozen", False))


def make_terms(spec, most):
    """Return the terms of a block that has any, at most ``most`` of a text."""
    return _TERMS[spec.linear_terms](spec, most)


class TextTerms(nn.Module):
    """Distinct token ids, weighted by how few training rows have them.

    Repeats do not count: that a word is there says nearly all (Wang, Manning: Baselines and Bigrams. ACL 2012). A row
    has length one, to which words and parts of words, where ids are of both, contribute alike: there are many more
    parts.

    Parameters
    ----------
    spec : TextSpec
        Description of the block.
    most : int
        Number of ids that are looked at, those that most training rows have.
    """

    has_all = False
    in_features = False  # whether features of a frozen encoder say all that there is to say

    def __init__(self, spec, most):
        super().__init__()
        self.n_terms = min(spec.vocab_size, most)
        self.n_word_ids = spec.n_word_ids
        self.register_buffer("rarity", torch.zeros(spec.vocab_size))  # 0 for ids that are not looked at
        self.register_buffer("term", torch.zeros(spec.vocab_size, dtype=torch.int64))

    def start(self, parts):
        """Learn from the training rows, which come in parts (n, length), how rare each token is."""
        n_rows, n_rows_with = 0, 0
        for ids in parts:
            ids, new = _distinct(ids)
            n_rows += len(ids)
            n_rows_with += torch.bincount(ids[new], minlength=len(self.rarity))
        frequent = n_rows_with.argsort(descending=True, stable=True)[: self.n_terms].sort().values
        self.term[frequent] = torch.arange(len(frequent))
        frequent = frequent[n_rows_with[frequent] > 0]
        self.rarity[frequent] = torch.log((1 + n_rows) / (1 + n_rows_with[frequent])) + 1

    def forward(self, ids):
        """Return the terms (batch, length) of each row and their values, 0 where there is none."""
        ids, new = _distinct(ids)
        values = self.rarity[ids] * new
        if self.n_word_ids is None:
            return self.term[ids], F.normalize(values, dim=1)
        of_words = ids < self.n_word_ids
        halves = F.normalize(values * of_words, dim=1) + F.normalize(values * ~of_words, dim=1)
        return self.term[ids], halves * 0.5**0.5


def _distinct(ids):
    """Return ids in order, and which are tokens and differ from the one before."""
    ids = ids.long().sort(1).values
    new = ids > 1  # 0 is padding and 1 an unknown token
    new[:, 1:] &= ids[:, 1:] != ids[:, :-1]
    return ids, new


class TabularTerms(nn.Module):
    """Numbers as they are and in steps between their quantiles, and which category a row has.

    With the steps, a linear model is piecewise linear in each number (Gorishniy, Rubachev, Babenko: On Embeddings for
    Numerical Features in Tabular Deep Learning. NeurIPS 2022).

    Parameters
    ----------
    spec : TabularSpec
        Description of the block.
    """

    has_all = False
    in_features = False

    def __init__(self, spec, most=None):
        super().__init__()
        n_bins = _MOST_BINS if spec.n_numbers <= _MOST_BINNED else 0
        n_dense = spec.n_numbers * (1 + n_bins)
        self.n_terms = n_dense + sum(spec.cardinalities)
        self.register_buffer("edges", torch.zeros(n_bins + 1, spec.n_numbers))
        self.register_buffer("dense", torch.arange(n_dense))
        self.register_buffer("first_code", torch.tensor((n_dense, *spec.cardinalities)).cumsum(0)[:-1])

    def start(self, parts):
        """Learn from the training rows, which come in parts, where the quantiles of each number lie."""
        numbers = np.concatenate([x["numbers"].numpy() for x in parts])
        n_bins = min(len(self.edges) - 1, len(numbers) // _ROWS_PER_BIN)
        if n_bins > 0:
            shares = np.minimum(np.arange(len(self.edges)) / n_bins, 1)  # what is left over are bins of no width
            self.edges.copy_(torch.from_numpy(np.quantile(numbers, shares, axis=0)))

    def forward(self, x):
        """Return the terms (batch, n_dense + n_categories) of each row and their values."""
        numbers, codes = x["numbers"].to(self.edges.dtype), x["codes"].long()
        low, width = self.edges[:-1], self.edges.diff(dim=0)
        steps = (numbers.unsqueeze(1) - low) / width.where(width > 0, torch.inf)  # (batch, n_bins, n_numbers)
        terms = torch.cat([self.dense.expand(len(numbers), -1), codes + self.first_code], 1)
        return terms, torch.cat([numbers, steps.clamp(0, 1).flatten(1), torch.ones_like(codes, dtype=numbers.dtype)], 1)


class ImageTerms(nn.Module):
    """Edges, coarse pixels and colours of small pictures.

    Edges are counted by angle in cells, and normalised with the cells around (Dalal, Triggs: Histograms of Oriented
    Gradients for Human Detection. CVPR 2005); colours are counted wherever they are (Swain, Ballard: Color Indexing.
    International Journal of Computer Vision 7, 1991), and enter by the square roots of their shares. Each of the three
    has the same mean square over the training rows.

    Parameters
    ----------
    spec : ImageSpec
        Description of the block.
    """

    has_all = True  # a row has all terms
    in_features = True

    def __init__(self, spec, most=None):
        super().__init__()
        height, width, n_channels = spec.shape
        self.size = min(height, _SIDE), min(width, _SIDE)
        self.n_levels = max(2, round(_MOST_COLOURS ** (1 / n_channels)))  # of each channel
        self.widths = 4 * (_CELLS - 1) ** 2 * _ANGLES, n_channels * _COARSE**2, self.n_levels**n_channels
        self.n_terms = sum(self.widths)
        self.register_buffer("places", torch.arange(self.n_terms))
        self.register_buffer("mean", torch.zeros(self.n_terms))
        self.register_buffer("scale", torch.zeros(self.n_terms))

    def start(self, parts):
        """Learn means and mean squares from the training rows, which come in parts (n, height, width, channels)."""
        n_rows, total, squares = 0, 0, 0
        for x in parts:
            values = self._values(x).double()
            n_rows += len(values)
            total += values.sum(0)
            squares += values.square().sum(0)
        if n_rows:
            self.mean.copy_(total / n_rows)
            variance = (squares / n_rows - (total / n_rows).square()).split(self.widths)
            self.scale.copy_(torch.cat([_WEIGHT * v.sum().clamp(min=1e-6).rsqrt().expand(len(v)) for v in variance]))

    def forward(self, x):
        """Return all terms in order, for each row, and their values, both (batch, n_terms)."""
        return self.places.expand(len(x), -1), (self._values(x) - self.mean) * self.scale

    def _values(self, x):
        x = x.permute(0, 3, 1, 2).float() / 255
        if x.shape[2:] != self.size:
            x = F.adaptive_avg_pool2d(x, self.size)
        return torch.cat([_edges(x.mean(1)), F.adaptive_avg_pool2d(x, _COARSE).flatten(1), self._colours(x)], 1)

    def _colours(self, x):
        levels = (x * self.n_levels).long().clamp(max=self.n_levels - 1).flatten(2)  # (batch, channels, pixels)
        colours = sum(level * self.n_levels**place for place, level in enumerate(levels.unbind(1)))
        counts = x.new_zeros(len(x), self.widths[2]).scatter_add(1, colours, torch.ones_like(colours, dtype=x.dtype))
        return (counts / colours.shape[1]).sqrt()


def _edges(grey):
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
    for angle, share in ((low, 1 - above), (low + 1, above)):
        bins = first_bin + angle.long().remainder(_ANGLES)
        cells.scatter_add_(1, bins.flatten(1), (length * share).round().flatten(1))
    cells = cells.view(n_rows, _CELLS, _CELLS, _ANGLES) * (_CELLS**2 / (height * width * _UNITS))
    blocks = torch.cat([cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:]], 3)
    for _ in range(2):  # normalise, cut off, normalise
        blocks = (blocks / (blocks.square().sum(3, keepdim=True) + 1e-5).sqrt()).clamp(max=0.2)
    return blocks.flatten(1)


_TERMS = {"ids": TextTerms, "columns": TabularTerms, "pixels": ImageTerms}
