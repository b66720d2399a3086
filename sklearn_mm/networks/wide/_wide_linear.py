"""The wide part of a network: a linear model of what is plain to see, on which the deep part improves."""

import math
from numbers import Integral

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from scipy import sparse

from sklearn_mm.networks.losses._base import ClassifierLoss
from sklearn_mm.networks.wide._cross_fitting import cross_fit, deal_folds, fit
from sklearn_mm.networks.wide._design_matrix import Design
from sklearn_mm.networks.wide._terms import has_terms, make_terms
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._registry import Registry
from sklearn_mm.utils._validation import Interval

__all__ = ["WideLinear", "resolve_wide"]

_MOST_WEIGHTS = 10_000_000  # of a text; the search for them holds some twenty copies
_CHUNK = 64  # rows whose terms are made at once; of large pictures more would take more memory than all else


class WideLinear(Component):
    """Add a linear model of n-grams, numbers, categories, edges and colours to the outputs of a network.

    Much of what rows say, single words, numbers and colours say, and a linear model with a penalty finds it out in
    seconds. It is fitted first: to the minimum of the estimator's loss, with the penalty that predicts best out of
    fold, and scaled down and shifted for the least loss there. The deep part is then trained to say what it misses. In
    training, rows come with its *out-of-fold* outputs, of a model that was fitted without them: on the rows that it was
    fitted with, a model looks better than it is and leaves too little to learn. Predictions add the model of all rows.

    Of a text it sees which tokens there are, weighted by how rare they are; of numbers, their values and steps between
    their quantiles; of categories, which it is; of pictures, histograms of the directions of edges in 4 × 4 cells and
    of the colours, and 8 × 8 pixels. It sees nothing of other blocks, of pictures whose encoder is not trained, nor of
    what a row lacks.

    Where the estimator learns means of a number with at most ten values, as a rating, and twenty rows or more for each,
    the linear model tells these apart as classes (softmax), and its output is their mean: words that speak for the
    middle are not lost between those that speak for the ends, and outputs stay in range.

    Parameters
    ----------
    n_folds : int, default=5
        In how many parts the training rows are left out. Fewer is faster; more fits each model with more of the rows.

    References
    ----------
    Cheng et al.: Wide & Deep Learning for Recommender Systems. DLRS 2016.

    Breiman: Stacked Regressions. Machine Learning 24, 1996.
    """

    _parameter_constraints = {"n_folds": [Interval(Integral, 2, None, closed="left")]}

    def __init__(self, n_folds=5):
        self.n_folds = n_folds

    def build(self, specs, loss, target):
        """Make the weights, zero until `start`, for the blocks that ``specs`` describe; returns ``self``.

        With ``levels``, all values that the one output has in training, there is a score for each. The attribute
        ``names`` says which blocks the model sees, ``n_said`` how many numbers each block gives.
        """
        levels = loss.levels(target)
        self.n_scores = loss.n_outputs if levels is None else len(levels)
        self.register_buffer("levels", None if levels is None else torch.from_numpy(levels))
        most = max(_MOST_WEIGHTS // self.n_scores, 2)
        self.block_names = [name for name, spec in specs.items() if has_terms(spec)]
        self.parts = nn.ModuleList(_Part(make_terms(specs[name], most), self.n_scores) for name in self.block_names)
        self.columns = [list(specs).index(name) for name in self.block_names]
        self.register_buffer("intercept", torch.zeros(self.n_scores))
        self.settings = None
        return self

    def forward(self, batch):
        """Map a batch to what each block of ``names`` says, and the intercept: (batch, n_names + 1, n_said)."""
        said = [part(batch["blocks"][name]) for name, part in zip(self.block_names, self.parts, strict=True)]
        return torch.stack([*said, self.intercept.expand(len(batch["present"]), -1)], 1)

    def mask_absent(self, said, present):
        """Return what is said, but zero for blocks that are absent."""
        return said * F.pad(present[:, self.columns], (0, 1), value=True).unsqueeze(2)

    def outputs(self, said):
        """Return the outputs (batch, n_outputs) that follow from what is said."""
        scores = said.sum(1)
        return scores if self.levels is None else scores.softmax(1) @ self.levels.to(scores).unsqueeze(1)

    @torch.no_grad()
    def predict(self, dataset):
        """Return what `forward` gives for all rows of a ``BlockDataset``."""
        return torch.cat([self(batch) for batch in _batches(dataset)])

    def fit(self, dataset, criterion, generator, end=math.inf):
        """Fit the model to the rows of a ``BlockDataset`` of ``names``, and return what it says of them out of fold.

        ``end`` is when to be done, by ``time.perf_counter``, as far as that can be.
        """
        for part, name in zip(self.parts, self.block_names, strict=True):
            part.terms.start(_of_present(x, present) for x, present in _chunks(dataset, name))
        coef, said, self.settings = self._cross_fit(dataset, criterion, generator, end)
        self._take(coef)
        return said

    def cross_predict(self, dataset, criterion, generator, end=math.inf):
        """Return what `start` gives, and leave the weights as they are."""
        return self._cross_fit(dataset, criterion, generator, end)[1]

    def _cross_fit(self, dataset, criterion, generator, end):
        """Return coefficients (1 + n_terms, n_said), what is said out of fold, and how they were fitted."""
        design = self._design(dataset)
        folds = deal_folds(design, dataset.target, self.n_folds, generator)
        if folds.max() < 1:  # all rows are equal, or each is a class of its own
            said = torch.zeros(len(dataset), len(self.block_names) + 1, self.n_scores)
            return torch.zeros(1 + design.n_terms, self.n_scores), said, None

        def judge(scores, rows):  # the penalty is to be good for the means, not for telling levels apart
            return criterion(self.outputs(scores.unsqueeze(1)), dataset.target[rows]) * dataset.weight[rows]

        judge = None if self.levels is None else judge
        return cross_fit(design, *self._learns(dataset, criterion), self.n_scores, folds, judge, end)

    def refit(self, dataset, criterion, end=math.inf):
        """Fit the weights to other rows, with the terms and the settings that were found before."""
        if self.settings is not None:
            learns, coef = self._learns(dataset, criterion), self._coef()
            self._take(fit(self._design(dataset), *learns, self.n_scores, self.settings, coef, end))

    def resolved_text_width(self, loss):
        return 32 if isinstance(loss, ClassifierLoss) else 2

    def initial_share(self, loss):
        return 0.25 if isinstance(loss, ClassifierLoss) else 1.0

    def held_out_fraction(self, n_rows, loss):
        return 0.0 if isinstance(loss, ClassifierLoss) or n_rows < 30 else min(1 / 3, 50 / n_rows)

    def _learns(self, dataset, criterion):
        """Return target, weight and loss of the linear model."""
        if self.levels is None:
            return dataset.target, dataset.weight, criterion
        nearest = (dataset.target - self.levels).abs().argmin(1)
        return nearest, dataset.weight[:, 0], nn.CrossEntropyLoss(reduction="none")

    def _design(self, dataset):
        """Return the terms of all rows, a part for each block."""
        return Design([part.matrix(dataset, name) for name, part in zip(self.block_names, self.parts, strict=True)])

    def _coef(self):
        return torch.cat([self.intercept.unsqueeze(0), *(part.weight for part in self.parts)]).float().cpu()

    def _take(self, coef):
        intercept, *weights = coef.split([1, *(len(part.weight) for part in self.parts)])
        self.intercept.copy_(intercept.squeeze(0))
        for part, weight in zip(self.parts, weights, strict=True):
            part.weight.copy_(weight)


class _Part(nn.Module):
    """The linear model of one block."""

    def __init__(self, terms, n_outputs):
        super().__init__()
        self.terms = terms
        self.register_buffer("weight", torch.zeros(terms.n_terms, n_outputs))

    def forward(self, x):
        """Map rows of a block to (batch, n_outputs); of rows of several items to the mean over these."""
        items = _items(x)
        terms, values = self.terms(items)
        # not by "@", which is less precise under autocast than what was fitted
        outputs = F.embedding_bag(terms, self.weight, per_sample_weights=values.to(self.weight.dtype), mode="sum")
        if items is x:
            return outputs
        counts = x["counts"]
        rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
        means = outputs.new_zeros(len(counts), outputs.shape[1]).index_add(0, rows, outputs)
        return means / counts.clamp(min=1).unsqueeze(1)

    def matrix(self, dataset, name):
        """Return all rows of a block of a data set as a matrix (n_rows, n_terms) that `forward` multiplies by weights.

        It is sparse unless each row has all terms. Rows that lack the block are zero.
        """
        parts = [self._rows(x, present) for x, present in _chunks(dataset, name)]
        return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.concatenate(parts)

    def _rows(self, x, present):
        items = _items(x)
        terms, values = self.terms(items)
        if self.terms.has_all:
            matrix = values.numpy()
        else:
            starts = np.arange(len(terms) + 1) * terms.shape[1]
            values = values.numpy().ravel()
            matrix = sparse.csr_array((values, terms.numpy().ravel(), starts), shape=(len(terms), len(self.weight)))
            matrix.eliminate_zeros()
        if items is not x:
            counts = x["counts"].numpy()
            ends = np.concatenate([[0], counts.cumsum()])
            shares = np.repeat(1 / np.maximum(counts, 1), counts).astype(matrix.dtype)
            matrix = sparse.csr_array((shares, np.arange(len(shares)), ends), shape=(len(counts), len(shares))) @ matrix
        matrix = sparse.diags_array(present.numpy().astype(matrix.dtype)) @ matrix
        if sparse.issparse(matrix):
            matrix.sort_indices()  # rows that are equal then have equal sums
        return matrix


def _batches(dataset):
    """Yield the rows of a ``BlockDataset`` as batches."""
    for start in range(0, len(dataset), _CHUNK):
        yield dataset[slice(start, start + _CHUNK)]


def _chunks(dataset, name):
    """Yield the rows of one block of a ``BlockDataset``, and whether they are there."""
    for batch in _batches(dataset.select([name])):
        yield batch["blocks"][name], batch["present"][:, 0]


def _items(x):
    return x["items"] if isinstance(x, dict) and "items" in x else x


def _of_present(x, present):
    """Return the items of the rows that have any."""
    return x[present] if torch.is_tensor(x) else _items(x)


wides = Registry("wide part", WideLinear)
wides.register("auto", WideLinear)
wides.register("linear", WideLinear)


def resolve_wide(wide, specs):
    """Return the wide part for blocks, or None if it would see none of them."""
    if wide is None:
        return None
    wide = wides.resolve(wide)
    return wide if any(map(has_terms, specs.values())) else None
