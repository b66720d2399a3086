"""A joint space in closed form: regularised canonical correlations (CCA) of two blocks or more."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import GroupKFold

from sklearn_mm.retrieval._groups import groups_of_equals
from sklearn_mm.retrieval._recall import mean_recall

__all__ = ["canonical_projections", "choose_settings"]

_WIDE_RIDGES, _NARROW_RIDGES, _POWERS = (3.0, 10.0, 30.0), (1.0, 3.0, 10.0), (0.5, 1.0)  # docs/decisions/0037
_N_FOLDS = 3
_MOST_ROWS = 20_000  # by which settings are chosen
_FEWEST_GROUPS = 30
_CHUNK = 2**16  # rows in float64 at once


def canonical_projections(vectors, present, n_components, codes=None):
    """Return linear maps of blocks into a space where those of a row are correlated as much as can be.

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
        Equal where the content of a block is. With them, ridges and power are chosen by recall in folds of the rows.

    Returns
    -------
    projections : dict of str to (Tensor, Tensor)
        Weights (width, n) and mean (width,) of each block, float32.
    """
    ridges, power = choose_settings(vectors, present, n_components, codes)
    return _Correlations.of(vectors, present).solve(ridges, n_components).projections(power)


def choose_settings(vectors, present, n_components, codes=None):
    """Return the ridges of blocks, and the power of correlations, that find most in folds of the rows.

    Rows that share content are in one fold. Where there are too few to tell, those that mostly suit are returned.
    """
    names = list(vectors)
    widest = max(range(len(names)), key=lambda place: vectors[names[place]].shape[1])
    usual = [_WIDE_RIDGES[1] if place == widest else _NARROW_RIDGES[1] for place in range(len(names))], _POWERS[0]
    rows = np.arange(len(present))
    if len(rows) > _MOST_ROWS:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_ROWS, replace=False))
    groups = None if codes is None else groups_of_equals(codes[rows])
    if groups is None or len(np.unique(groups)) < _FEWEST_GROUPS:
        return usual
    if len(names) == 2:
        grids = [_WIDE_RIDGES if place == widest else _NARROW_RIDGES for place in range(2)]
        candidates = [list(ridges) for ridges in product(*grids)]
    else:
        candidates = [[ridge] * len(names) for ridge in sorted({*_WIDE_RIDGES, *_NARROW_RIDGES})]
    scores = np.zeros((len(candidates), len(_POWERS)))
    for kept, others in GroupKFold(_N_FOLDS).split(rows, groups=groups):
        kept, others = rows[kept], rows[others]
        correlations = _Correlations.of({name: x[kept] for name, x in vectors.items()}, present[kept])
        held_out = {name: x[others] for name, x in vectors.items()}
        for place, ridges in enumerate(candidates):
            solution = correlations.solve(ridges, n_components)
            for column, power in enumerate(_POWERS):
                projected = project(held_out, solution.projections(power)).numpy()
                scores[place, column] += mean_recall(projected, present[others].numpy(), codes[others])
    place, column = np.unravel_index(np.nan_to_num(scores).argmax(), scores.shape)
    return candidates[place], _POWERS[column]


def project(vectors, projections):
    """Return the directions (n_rows, n_blocks, n) of vectors in the space of some projections."""
    mapped = [(vectors[name] - mean) @ weight for name, (weight, mean) in projections.items()]
    return F.normalize(torch.stack(mapped, 1), dim=2)


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
        means, axes, variances, centred = [], [], [], []
        for name, there in zip(vectors, present.T, strict=True):
            x = vectors[name]
            means.append(x[there].mean(0, dtype=torch.float64).float() if there.any() else x.new_zeros(x.shape[1]))
            centred.append((x - means[-1]) * there.unsqueeze(1))
            values, directions = torch.linalg.eigh(_product(centred[-1], centred[-1]) / there.sum().clamp(min=1))
            kept = values > 1e-9 * values[-1].clamp(min=1e-30)
            variances.append(values[kept])
            axes.append(directions[:, kept])
        covariances = {}
        for i, j in product(range(len(centred)), repeat=2):
            if i < j:
                n_both = (present[:, i] & present[:, j]).sum().clamp(min=1)
                covariances[i, j] = axes[i].T @ (_product(centred[i], centred[j]) / n_both) @ axes[j]
        return cls(list(vectors), means, axes, variances, covariances)

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

    def projections(self, power):
        return {
            name: ((weight * self.correlations**power).float(), mean)
            for name, weight, mean in zip(self.names, self.weights, self.means, strict=True)
        }


def _product(first, second):
    """Return ``first.T @ second`` in float64, some rows at a time."""
    chunks = zip(first.split(_CHUNK), second.split(_CHUNK), strict=True)
    return sum(one.double().T @ other.double() for one, other in chunks)


def _symmetric(blocks, sizes):
    """Return a matrix of blocks above its diagonal, of zeros on it, and of their transposes below."""
    ends = np.cumsum([0, *sizes])
    matrix = torch.zeros(ends[-1], ends[-1], dtype=torch.float64)
    for (i, j), block in blocks.items():
        matrix[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] = block
    return matrix + matrix.T
