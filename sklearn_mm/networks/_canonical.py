"""A joint space in closed form: regularised canonical correlations (CCA) of two blocks or more."""

from dataclasses import dataclass
from itertools import combinations_with_replacement, product
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import GroupKFold

from sklearn_mm.networks._hub_components import HubComponents
from sklearn_mm.retrieval._groups import groups_of_equals
from sklearn_mm.retrieval._recall import mean_recall

__all__ = ["MOST_ROWS", "CanonicalSpace", "Moments", "Settings", "canonical_space", "choose_settings"]

MOST_ROWS = 20_000  # by which settings are chosen
_WIDE_RIDGES, _NARROW_RIDGES, _POWERS = (3.0, 10.0, 30.0), (1.0, 3.0, 10.0), (0.5, 0.75, 1.0)  # docs/decisions/0037
_N_FOLDS = 3
_MOST_QUERIES = 2_000  # by whose recall, in each fold
_MOST_IN_BANK = 2_000  # vectors of each block that tell where hubs are
_FEWEST_GROUPS = 30
_CHUNK = 2**12  # rows in float64 at once


class Settings(NamedTuple):
    """What is chosen by recall: a ridge for each block, the power of correlations, and whether hubs are made up for."""

    ridges: list
    power: float
    has_hub_components: bool


class Moments:
    """Sums over rows from which canonical correlations follow; rows are added, and not kept.

    Parameters
    ----------
    names : list of str
        Of blocks.
    """

    def __init__(self, names):
        self.names = list(names)
        self._shifts = None  # which sums are about, so that they do not cancel out
        self._products, self._sums, self._weights = {}, {}, {}

    def add(self, vectors, present, weight=None):
        """Add rows.

        Parameters
        ----------
        vectors : dict of str to Tensor of shape (n_rows, width)
            Of each block.
        present : Tensor of shape (n_rows, n_blocks), dtype bool
            Which rows have it.
        weight : Tensor of shape (n_rows,), default=None
            Of each row; all alike by default.
        """
        weight = torch.ones(len(present)) if weight is None else weight
        if self._shifts is None:
            self._shifts = [
                vectors[name][there].double().mean(0) if there.any() else vectors[name].new_zeros(1).double()
                for name, there in zip(self.names, present.T, strict=True)
            ]
        for start in range(0, len(present), _CHUNK):
            rows = slice(start, start + _CHUNK)
            self._add({name: vectors[name][rows] for name in self.names}, present[rows], weight[rows].double())

    def _add(self, vectors, present, weight):
        centred = [
            torch.where(there.unsqueeze(1), vectors[name].double() - shift, 0)
            for name, there, shift in zip(self.names, present.T, self._shifts, strict=True)
        ]
        for i, j in combinations_with_replacement(range(len(centred)), 2):
            of_both = weight * present[:, i] * present[:, j]
            weighted = centred[i] * of_both.unsqueeze(1)
            self._products[i, j] = self._products.get((i, j), 0) + weighted.T @ centred[j]
            self._sums[i, j] = self._sums.get((i, j), 0) + weighted.sum(0)
            self._sums[j, i] = self._sums[i, j] if i == j else self._sums.get((j, i), 0) + of_both @ centred[j]
            self._weights[i, j] = self._weights.get((i, j), 0) + of_both.sum()

    def correlations(self):
        """Return what is known of blocks before ridges are."""
        n_blocks = len(self.names)
        weights = {pair: weight.clamp(min=1e-12) for pair, weight in self._weights.items()}
        means = [self._sums[i, i] / weights[i, i] for i in range(n_blocks)]
        axes, variances, covariances = [], [], {}
        for i in range(n_blocks):
            covariance = self._products[i, i] / weights[i, i] - torch.outer(means[i], means[i])
            values, directions = torch.linalg.eigh(covariance)
            kept = values > 1e-9 * values[-1].clamp(min=1e-6)  # what is less is rounding, of unit vectors
            variances.append(values[kept])
            axes.append(directions[:, kept])
        for i, j in self._products:
            if i < j:
                first, second = self._sums[i, j] / weights[i, j] - means[i], self._sums[j, i] / weights[i, j]
                of_both = self._weights[i, j] > 0
                covariance = self._products[i, j] / weights[i, j]
                covariance = covariance - torch.outer(means[i], second) - torch.outer(first, means[j])
                covariances[i, j] = axes[i].T @ (covariance * of_both) @ axes[j]
        means = [(mean + shift).float() for mean, shift in zip(means, self._shifts, strict=True)]
        return _Correlations(self.names, means, axes, variances, covariances)


class CanonicalSpace(NamedTuple):
    """Linear maps of blocks: weights (width, n) and mean (width,) of each, float32; and what makes up for hubs."""

    projections: dict
    hubs: HubComponents | None


def canonical_space(vectors, present, n_components, codes=None, correlations=None, may_add=True):
    """Return a space in which the blocks of a row are correlated as much as can be.

    With two blocks it is canonical correlation analysis with ridges, whose directions are scaled by powers of their
    correlations; with more, the sum of the correlations of all pairs.

    Parameters
    ----------
    vectors : dict of str to Tensor of shape (n_rows, width), dtype float32
        Of each block.
    present : Tensor of shape (n_rows, n_blocks), dtype bool
        Which rows have it.
    n_components : int
        Width of the space; fewer come back where the vectors have fewer dimensions.
    codes : ndarray of shape (n_rows, n_blocks), dtype int, default=None
        Equal where the content of a block is. With them, settings are chosen by recall in folds of the rows.
    correlations : _Correlations, default=None
        Of more rows than these, which are but a sample; by default of these.
    may_add : bool, default=True
        Whether components may be added that make up for hubs.

    Returns
    -------
    space : CanonicalSpace
        The maps.
    """
    settings = choose_settings(vectors, present, n_components, codes, may_add)
    if correlations is None:
        correlations = _Correlations.of(vectors, present)
    solution = correlations.solve(settings.ridges, n_components)
    scales, hubs = solution.correlations**settings.power, None
    if settings.has_hub_components:
        scales = scales[: n_components - len(vectors)]
        hubs = _hubs(_directions(solution.map(vectors), scales), present, groups_of_equals(codes))
    return CanonicalSpace(solution.projections(scales), hubs)


def choose_settings(vectors, present, n_components, codes=None, may_add=True):
    """Return the `Settings` that find most in folds of the rows.

    Rows that share content are in one fold. Where there are too few to tell, those that mostly suit are returned.
    """
    names = list(vectors)
    widest = max(range(len(names)), key=lambda place: vectors[names[place]].shape[1])
    usual = [_WIDE_RIDGES[1] if place == widest else _NARROW_RIDGES[1] for place in range(len(names))]
    groups = None if codes is None else groups_of_equals(codes)
    if groups is None or len(np.unique(groups)) < _FEWEST_GROUPS:
        return Settings(usual, _POWERS[0], False)
    if len(names) == 2:
        grids = [_WIDE_RIDGES if place == widest else _NARROW_RIDGES for place in range(2)]
        candidates = [list(ridges) for ridges in product(*grids)]
    else:
        candidates = [[ridge] * len(names) for ridge in sorted({*_WIDE_RIDGES, *_NARROW_RIDGES})]
    with_hubs = (False, True) if may_add and n_components > len(names) else (False,)
    others_of = list(product(_POWERS, with_hubs))
    scores = np.zeros((len(candidates), len(others_of)))
    for kept, held_out in GroupKFold(_N_FOLDS).split(groups, groups=groups):
        held_out = held_out[:: -(-len(held_out) // _MOST_QUERIES)]
        train, test = ({name: x[rows] for name, x in vectors.items()} for rows in (kept, held_out))
        correlations = _Correlations.of(train, present[kept])
        there, held_out_codes = present[held_out].numpy(), codes[held_out]
        for row, ridges in enumerate(candidates):
            solution = correlations.solve(ridges, n_components)
            mapped, mapped_test = solution.map(train), solution.map(test)
            for column, (power, has_hubs) in enumerate(others_of):
                scales = solution.correlations**power
                scales = scales[: n_components - len(names)] if has_hubs else scales
                found = _directions(mapped_test, scales)
                if has_hubs:
                    hubs = _hubs(_directions(mapped, scales), present[kept], groups[kept])
                    found = [hubs(place, x) for place, x in enumerate(found)]
                scores[row, column] += mean_recall(torch.stack(found, 1).numpy(), there, held_out_codes)
    row, column = np.unravel_index(np.nan_to_num(scores).argmax(), scores.shape)
    return Settings(candidates[row], *others_of[column])


def _directions(mapped, scales):
    """Return unit vectors of what blocks were mapped to, whose first columns are scaled."""
    return [F.normalize(x[:, : len(scales)] * scales.float()) for x in mapped]


def _hubs(directions, present, groups):
    """Return what makes up for hubs among groups of rows: by block, the directions of the means of what they have."""
    chosen = np.unique(groups)
    if len(chosen) > _MOST_IN_BANK:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, _MOST_IN_BANK, replace=False))
    rows = torch.from_numpy(np.flatnonzero(np.isin(groups, chosen)))
    group_of_row = torch.from_numpy(np.unique(groups[rows], return_inverse=True)[1])
    bank = []
    for x, there in zip(directions, present[rows].T, strict=True):
        sums = x.new_zeros(len(chosen), x.shape[1]).index_add_(0, group_of_row[there], x[rows[there]])
        bank.append(F.normalize(sums[sums.any(1)]))
    return HubComponents(bank)


@dataclass
class _Correlations:
    """What is known of blocks before ridges are: means, variances along axes, and covariances between these."""

    names: list
    means: list
    axes: list
    variances: list
    covariances: dict

    @classmethod
    def of(cls, vectors, present):
        moments = Moments(vectors)
        moments.add(vectors, present)
        return moments.correlations()

    def solve(self, ridges, n_components):
        """Return the directions of largest correlation, with a ridge for each block in units of its mean variance."""
        scales = [
            (variance + ridge * variance.sum() / len(mean)).rsqrt()
            for variance, ridge, mean in zip(self.variances, ridges, self.means, strict=True)
        ]
        scaled = {(i, j): scales[i].unsqueeze(1) * c * scales[j] for (i, j), c in self.covariances.items()}
        if len(self.names) == 2:
            first, values, second = torch.linalg.svd(scaled[0, 1], full_matrices=False)
            parts = [first, second.T]
        else:
            values, directions = torch.linalg.eigh(_symmetric(scaled, [len(scale) for scale in scales]))
            values, directions = values.flip(0), directions.flip(1)
            parts = directions.split([len(scale) for scale in scales])
        n = min(n_components, int((values > 0).sum()))
        weights = [
            axes @ (scale.unsqueeze(1) * part[:, :n])
            for axes, scale, part in zip(self.axes, scales, parts, strict=True)
        ]
        return _Solution(self.names, self.means, weights, values[:n])


@dataclass
class _Solution:
    names: list
    means: list
    weights: list
    correlations: torch.Tensor

    def map(self, vectors):
        """Return what blocks are mapped to, whose columns are not scaled yet: a list of tensors (n_rows, n)."""
        each = zip(self.names, self.means, self.weights, strict=True)
        return [(vectors[name] - mean) @ weight.float() for name, mean, weight in each]

    def projections(self, scales):
        """Return weights and mean of each block, of as many directions as there are scales."""
        return {
            name: ((weight[:, : len(scales)] * scales).float(), mean)
            for name, weight, mean in zip(self.names, self.weights, self.means, strict=True)
        }


def _symmetric(blocks, sizes):
    """Return a matrix of blocks above its diagonal, of zeros on it, and of their transposes below."""
    ends = np.cumsum([0, *sizes])
    matrix = torch.zeros(ends[-1], ends[-1], dtype=torch.float64)
    for (i, j), block in blocks.items():
        matrix[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = block
    return matrix + matrix.T
