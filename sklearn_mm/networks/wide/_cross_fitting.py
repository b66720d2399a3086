"""Cross-fitting of a linear model: the penalty that predicts best out of fold, and the predictions out of fold."""

import math
import time
from typing import NamedTuple

import numpy as np
import torch

from sklearn_mm.networks.losses._base import ClassifierLoss
from sklearn_mm.networks.wide._calibration import calibrate, is_sure
from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._folds import fold_weights, offsets_of_untouched_classes
from sklearn_mm.networks.wide._linear_problem import LinearProblem

__all__ = ["Settings", "cross_fit", "fit"]

_MIN_ALPHA, _MAX_ALPHA, _ALPHA_STEP = 4.0**-20, 4.0**6, 4.0
_MIN_GAIN = 2e-3  # of the loss, for which another penalty is taken
_MIN_GAIN_OF_CLASSES = 1e-3  # of that of no model: what is told apart anyway is told ever more surely, to no avail
_TOLERANCE = 1e-5  # gain of a step, relative to the loss of no model, at which the search goes on to the next penalty
_FINAL_TOLERANCE = 3e-7  # and at which the final search ends
_MAX_COMPARED = 1_000_000  # outputs of all rows, in the folds that penalties are compared by
_MAX_TOGETHER = 2_000_000  # coefficients, or outputs, of fits that are searched for together: there are many copies


class Settings(NamedTuple):
    """How a linear model was fitted, which is how other rows are fitted alike.

    Parameters
    ----------
    alpha : float
        The penalty.
    factors : tuple of float
        What each block of the design is multiplied by before it is penalised: less than 1 for one that misleads.
    scale : float
        What the outputs are multiplied by: less than 1 if they are too sure, more than 1 if they are not sure enough.
    shift : torch.Tensor of shape (n_outputs,)
        What is then added to them.
    """

    alpha: float
    factors: tuple
    scale: float
    shift: torch.Tensor

    def calibrate(self, coefs):
        """Return coefficients (1 + n_terms, ..., n_outputs) whose outputs are scaled and shifted."""
        coefs = self.scale * coefs
        coefs[0] += self.shift
        return coefs

    def uncalibrate(self, coefs):
        """Return what `calibrate` was given, if the scale is not zero."""
        coefs = coefs.clone()
        coefs[0] -= self.shift
        return coefs / self.scale


def cross_fit(
    design,
    target,
    weight,
    loss,
    n_outputs,
    folds,
    validation_losses=None,
    end=math.inf,
    *,
    n_of_features=0,
    max_scale=1.0,
    alpha=None,
):
    """Fit outputs to targets linearly, with the penalty that predicts best what a fit has not seen.

    Outputs are scaled and shifted as would have been best out of fold (Platt). With little penalty, a fit tells
    rows apart better and is too sure of it: the penalty would otherwise have to mend what a number can.

    Of features of frozen encoders there are many, which may say little beside terms: all of them are tried at half of
    their weight, as often as that surely predicts better. A block of the design that misleads, because half of what it
    adds to the outputs would have been better out of fold, is tried at a quarter of its weight. Then other penalties
    are tried, where there are features.

    Of many rows and outputs, some of the folds are enough to compare penalties; the others are then fitted once.

    Parameters
    ----------
    design : DesignMatrix
        What the model sees; the intercept comes on top.
    target : torch.Tensor of shape (n_rows, ...)
        What ``loss`` takes.
    weight : torch.Tensor
        Weight of each element of the loss.
    loss : Loss
        What is minimised, plus half of ``alpha`` times the squared coefficients.
    n_outputs : int
        Number of outputs.
    folds : ndarray of shape (n_rows,), dtype int
        Which rows are left out together; those of -1 never are.
    validation_losses : callable, default=None
        Maps outputs (n, n_outputs) and the numbers of their rows to the losses (n, ...) by which the penalty is chosen;
        the weighted ones of ``loss`` by default.
    end : float, default=inf
        When to be done, by `time.perf_counter`: other penalties are tried for half of the time until then.
    n_of_features : int, default=0
        How many blocks of the design, the last ones, hold features of frozen encoders.
    max_scale : float, default=1.0
        What outputs are multiplied by at most. With more than 1, a strong penalty is no worse for being timid.
    alpha : float, default=None
        The penalty, where it is known and none is to be looked for.

    Returns
    -------
    coef : torch.Tensor of shape (1 + n_terms, n_outputs)
        Of all rows; the intercept first.
    out_of_fold : torch.Tensor of shape (n_rows, n_blocks + 1, n_outputs)
        What each block, and the intercept, adds to the outputs of each row, by the fit that has not seen it.
    settings : Settings
        How this was fitted.
    """
    folds = torch.from_numpy(folds)
    n_folds = int(folds.max()) + 1
    n_compared = int(np.clip(_MAX_COMPARED // (len(folds) * n_outputs), 1, n_folds))
    problem = LinearProblem(design, target, weight, loss, n_outputs, n_compared)
    if validation_losses is None:

        def validation_losses(outputs, rows):
            return loss(outputs, problem.target[rows]) * problem.weight[rows]

    search = _PenaltySearch(folds, n_compared, validation_losses, max_scale, end=(time.perf_counter() + end) / 2)
    fits, path = search.best_on_path(problem) if alpha is None else search.with_penalty(problem, alpha)
    if 0 < n_of_features < len(design.blocks):
        problem, fits = search.shrink_features(problem, fits, n_of_features)
    if len(design.blocks) > 1:
        problem, fits = search.shrink_misleading_blocks(problem, fits)
    if n_of_features and problem.design is not design:
        fits = search.tune_alpha(problem, fits)
        path.append(fits.settings.alpha)
    if n_compared < n_folds:
        # The others go the same way: a search that began at fits to the rows that they leave out would know these rows.
        others = problem.zeros(n_folds - n_compared)
        weights = fold_weights(folds, n_folds, problem.target, problem.weight)[:, n_compared:]
        for alpha in path:
            others = _fit_each(problem, others, weights, alpha, end)
        fits = fits._replace(coefs=torch.cat([fits.coefs, others], 1))
    coef = _fit_all(problem, fits.coefs.mean(1, keepdim=True), fits.settings, end)
    return coef, _out_of_fold(problem, fits, folds), fits.settings


def fit(design, target, weight, loss, n_outputs, settings, start=None, end=math.inf):
    """Return the coefficients (1 + n_terms, n_outputs) of a fit by the settings of another; see `cross_fit`.

    They are searched for from zero on, or from ``start``, those of other rows, until ``end`` at most.
    """
    problem = LinearProblem(DesignMatrix(design.blocks, settings.factors), target, weight, loss, n_outputs, n_fits=1)
    coefs = problem.zeros(1)
    if start is not None and settings.scale > 0:
        coefs = problem.from_terms(settings.uncalibrate(start).unsqueeze(1))
    return _fit_all(problem, coefs, settings, end)


class _FoldFits(NamedTuple):
    """A fit to all folds but one, for some of them: their losses out of fold, coefficients and settings."""

    loss: float  # the mean, and what a shift costs
    row_losses: torch.Tensor
    coefs: torch.Tensor
    settings: Settings


class _PenaltySearch:
    """Fits with this and that penalty, compared by the losses of rows of the first ``n_folds`` folds out of fold."""

    def __init__(self, folds, n_folds, losses, max_scale, end):
        self.folds = folds
        self.n_folds = n_folds
        self.losses = losses
        self.max_scale = max_scale
        self.end = end
        self.rows = ((folds >= 0) & (folds < n_folds)).nonzero().squeeze(1)

    def with_penalty(self, problem, alpha):
        """Return the `_FoldFits` with a penalty, and a way there of this one alone."""
        return self._fit(problem, problem.zeros(self.n_folds), alpha), [alpha]

    def best_on_path(self, problem):
        """Return the `_FoldFits` with the penalty of the least loss, and all penalties on the way there.

        The way leads from a penalty that is as strong as the steepest direction downwards: each fit begins at the one
        before, and is a short way from it. Where two weaker ones in turn gain nothing, none is looked for any more.
        """
        steepest = math.log(problem.curvature[1:].max().item(), _ALPHA_STEP) if problem.searched.n_terms else 0
        alpha = float(np.clip(_ALPHA_STEP ** round(steepest), _MIN_ALPHA, _MAX_ALPHA))
        best = fits = self._fit(problem, problem.zeros(self.n_folds), alpha)
        tried, n_in_vain = [alpha], 0
        while n_in_vain < 2 and (alpha := alpha / _ALPHA_STEP**2) >= _MIN_ALPHA and self._has_time():
            fits = self._fit(problem, fits.coefs, alpha)
            tried.append(alpha)
            best, n_in_vain = (fits, 0) if _is_better(fits, best, problem) else (best, n_in_vain + 1)
        path = tried[: tried.index(best.settings.alpha) + 1]
        for alpha in (path[-1] * _ALPHA_STEP, path[-1] / _ALPHA_STEP):
            if _MIN_ALPHA <= alpha <= _MAX_ALPHA and self._has_time():
                fits = self._fit(problem, best.coefs, alpha)
                if _is_better(fits, best, problem):
                    best = fits
                    path.append(alpha)
        return best, path

    def shrink_features(self, problem, fits, n_of_features):
        """Return the problem and its `_FoldFits` with half of the last blocks, as often as that surely predicts better.

        What penalty suits the others is looked for each time: many features that say little need a stronger one. It is
        not tried where half of what they add to the outputs would surely have been worse.
        """
        places = [*range(len(problem.design.blocks))[-n_of_features:]]
        while self._has_time() and not is_sure(-self._gains_of_half(problem, fits, [places])[0], n_errors=2):
            shrunk, shrunk_fits = self._shrunk(problem, fits, places, 0.5)
            shrunk_fits = self.tune_alpha(shrunk, shrunk_fits)
            if not _is_surely_better(shrunk_fits, fits):
                break
            problem, fits = shrunk, shrunk_fits
        return problem, fits

    def shrink_misleading_blocks(self, problem, fits):
        """Return the problem and its `_FoldFits` with a quarter of each block that surely predicts better so."""
        for place in self._misleading_blocks(problem, fits):
            if not self._has_time():
                break
            shrunk, shrunk_fits = self._shrunk(problem, fits, [place], 0.25)
            if _is_surely_better(shrunk_fits, fits):
                problem, fits = shrunk, shrunk_fits
        return problem, fits

    def _shrunk(self, problem, fits, places, factor):
        """Return the problem and its `_FoldFits` with the same penalty and less of some blocks."""
        design = problem.design.shrunk(places, factor)
        shrunk = LinearProblem(design, problem.target, problem.weight, problem.loss, problem.n_outputs, self.n_folds)
        start = shrunk.from_terms(problem.to_terms(fits.coefs))
        return shrunk, self._fit(shrunk, start, fits.settings.alpha)

    def tune_alpha(self, problem, fits):
        """Return the `_FoldFits` with another penalty near that of ``fits``, as long as it predicts better."""
        for step in (_ALPHA_STEP, 1 / _ALPHA_STEP):
            while _MIN_ALPHA <= (alpha := fits.settings.alpha * step) <= _MAX_ALPHA and self._has_time():
                others = self._fit(problem, fits.coefs, alpha)
                if not _is_better(others, fits, problem):
                    break
                fits = others
        return fits

    def _misleading_blocks(self, problem, fits):
        """Return the places of the blocks of whose share in the outputs half had been better out of fold."""
        gains = self._gains_of_half(problem, fits, [[place] for place in range(len(problem.design.blocks))])
        return [place for place, of_rows in enumerate(gains) if of_rows.sum() > 0]

    def _gains_of_half(self, problem, fits, groups):
        """Return by how much lower the loss of each row out of fold is with half of what blocks add to its outputs.

        It is a tensor (n_rows,) for each of some ``groups`` of places.
        """
        by_block = _out_of_fold(problem, fits, self.folds)[self.rows]
        outputs, blocks = by_block.sum(1), by_block[:, :-1]
        blocks = blocks - blocks.mean(0)  # or the outputs would move as a whole
        losses = _by_row(self.losses(outputs, self.rows))
        return [losses - _by_row(self.losses(outputs - blocks[:, places].sum(1) / 2, self.rows)) for places in groups]

    def _fit(self, problem, coefs, alpha):
        """Fit all rows but those of a fold, for each fold, searching from ``coefs`` on; returns `_FoldFits`."""
        weights = fold_weights(self.folds, self.n_folds, problem.target, problem.weight)
        coefs = _fit_each(problem, coefs, weights, alpha, self.end)
        fold = self.folds[self.rows]
        unseen = problem.outputs(coefs)[self.rows, fold]
        if _compares_classes(problem):
            offsets = offsets_of_untouched_classes(self.folds, self.n_folds, problem.target, problem.n_outputs)[fold]
        else:
            offsets = torch.zeros(1, problem.n_outputs)
        max_scale = 1.0 if offsets.any() else self.max_scale  # among some of the classes, anyone is surer

        def losses_of(outputs):
            return self.losses(outputs + offsets, self.rows)

        loss, scale, shift = calibrate(unseen, losses_of, max_scale)
        row_losses = _by_row(losses_of(scale * unseen + shift))
        return _FoldFits(loss, row_losses, coefs, Settings(alpha, problem.design.factors, scale, shift))

    def _has_time(self):
        return time.perf_counter() <= self.end


def _is_better(fits, best, problem):
    least = _MIN_GAIN_OF_CLASSES * problem.null_loss if isinstance(problem.loss, ClassifierLoss) else 0.0
    return fits.loss < best.loss * (1 - _MIN_GAIN) - least


def _is_surely_better(fits, others):
    """Return whether the loss out of fold is less by more than a standard error."""
    return is_sure(others.row_losses - fits.row_losses)


def _by_row(losses):
    return losses.reshape(len(losses), -1).sum(1)


def _compares_classes(problem):
    """Return whether each output is the score of a class, and the largest wins."""
    one_of_many = not problem.target.is_floating_point() and problem.target.max() < problem.n_outputs
    return one_of_many and getattr(problem.loss, "scores_classes", False)


def _fit_each(problem, coefs, weights, alpha, end):
    """Return the coefficients (1 + n_searched, n_fits, n_outputs) of fits with weights (n_rows, n_fits)."""
    n_together = max(1, _MAX_TOGETHER // (max(len(coefs), len(weights)) * problem.n_outputs))
    groups = zip(coefs.split(n_together, 1), weights.split(n_together, 1), strict=True)
    return torch.cat([problem.fit(*group, alpha, _TOLERANCE, end) for group in groups], 1)


def _fit_all(problem, start, settings, end):
    """Return the coefficients (1 + n_terms, n_outputs) of all terms by all rows, searched for from ``start`` on."""
    weights = torch.ones(problem.design.n_rows, 1)
    coefs = problem.fit(start, weights, settings.alpha, _FINAL_TOLERANCE, end)
    return settings.calibrate(problem.to_terms(coefs)[:, 0])


def _out_of_fold(problem, fits, folds):
    """Return what each block, and the intercept, adds to the outputs of each row, (n_rows, n_blocks + 1, n_outputs).

    It is that of the fit that has not seen the row, and for rows that no fold leaves out that of the mean of all fits.
    Rows of folds that were not fitted have zeros.
    """
    coefs, design = fits.settings.calibrate(problem.to_terms(fits.coefs)), DesignMatrix(problem.design.blocks)
    out_of_fold = torch.zeros(len(folds), len(design.blocks) + 1, coefs.shape[2])
    for fold, coef in [(-1, coefs.mean(1)), *enumerate(coefs.unbind(1))]:
        rows = np.flatnonzero(folds == fold)
        out_of_fold[rows, :-1] = torch.stack(design.matmat_by_block(coef[1:], rows), 1)
        out_of_fold[rows, -1] = coef[0]
    return out_of_fold
