"""A linear model of sparse rows, its regularisation chosen out of fold."""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize

from sklearn_mm.networks.wide._design_matrix import Design
from sklearn_mm.networks.wide._linear_problem import LinearProblem

__all__ = ["Settings", "cross_fit", "deal_folds", "fit"]

_LEAST_ALPHA, _MOST_ALPHA, _STEP = 4.0**-20, 4.0**6, 4.0
_GAIN = 2e-3  # of the loss, for which another penalty is taken
_NEAR = 1e-5  # gain of a step, relative to the loss of no model, at which the search for a penalty goes on to the next
_NEARER = 3e-7  # and at which the final search ends
_SHIFT_COSTS = 10.0  # for the square of what outputs are shifted by, beside the sum of the losses of all rows
_FAR = 100.0  # below the outputs of other classes
_MOST_JUDGED = 1_000_000  # outputs of all rows, in the folds that penalties are compared by
_MOST_TOGETHER = 2_000_000  # coefficients, or outputs, of fits that are searched for together: there are many copies


class Settings(NamedTuple):
    """How a linear model was fitted, which is how other rows are fitted alike.

    Parameters
    ----------
    alpha : float
        The penalty.
    factors : tuple of float
        What each part of the design is multiplied by before it is penalised: less than 1 for a part that misleads.
    scale : float
        What the outputs are multiplied by: less than 1 if they are too sure.
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


def cross_fit(design, target, weight, criterion, n_outputs, folds, judge=None, end=math.inf):
    """Fit outputs to targets linearly, with the penalty that predicts best what a fit has not seen.

    Outputs are scaled down and shifted as would have been best out of fold (Platt). With little penalty, a fit tells
    rows apart better and is too sure of it: the penalty would otherwise have to mend what a number can.

    A part of the design that misleads, because half of what it adds to the outputs would have been better out of fold,
    is tried at a quarter of its weight.

    Of many rows and outputs, some of the folds are enough to compare penalties; the others are then fitted once.

    Parameters
    ----------
    design : Design
        What the model sees; the intercept comes on top.
    target : torch.Tensor of shape (n_rows, ...)
        What ``criterion`` takes.
    weight : torch.Tensor
        Weight of each element of the criterion.
    criterion : Loss
        What is minimised, plus half of ``alpha`` times the squared coefficients.
    n_outputs : int
        Number of outputs.
    folds : ndarray of shape (n_rows,), dtype int
        Which rows are left out together; those of -1 never are.
    judge : callable, default=None
        Maps outputs (n, n_outputs) and the numbers of their rows to the losses (n, ...) by which the penalty is chosen;
        those of ``criterion`` by default.
    end : float, default=inf
        When to be done, by `time.perf_counter`: other penalties are tried for half of the time until then.

    Returns
    -------
    coef : torch.Tensor of shape (1 + n_terms, n_outputs)
        Of all rows; the intercept first.
    said : torch.Tensor of shape (n_rows, n_parts + 1, n_outputs)
        What each part, and the intercept, adds to the outputs of each row, by the fit that has not seen it.
    settings : Settings
        How this was fitted.

    References
    ----------
    Platt: Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods. Advances
    in Large Margin Classifiers, 1999.
    """
    folds = torch.from_numpy(folds)
    n_folds = int(folds.max()) + 1
    n_judged = int(np.clip(_MOST_JUDGED // (len(folds) * n_outputs), 1, n_folds))
    learns = target, weight, criterion, n_outputs, n_judged
    problem = LinearProblem(design, *learns)
    if judge is None:

        def judge(outputs, rows):
            return criterion(outputs, problem.target[rows]) * problem.weight[rows]

    middle = (time.perf_counter() + end) / 2
    fits, path = _search(problem, problem.zeros(n_judged), folds, judge, middle)
    for place in _misleading(_said(problem, fits, folds), fits.rows, judge) if len(design.parts) > 1 else ():
        if time.perf_counter() > middle:
            break
        lighter = LinearProblem(problem.design.lighter(place), *learns)
        start = lighter.inner(problem.outer(fits.coefs))
        next_fits = _fit_folds(lighter, start, folds, fits.settings.alpha, judge, middle)
        if next_fits.loss < fits.loss:
            fits, problem = next_fits, lighter
    if n_judged < n_folds:
        # The others go the same way: a search that began at fits to the rows that they leave out would know these rows.
        others = problem.zeros(n_folds - n_judged)
        for alpha in path:
            others = _fit_each(problem, others, _weights(folds, n_folds, problem)[:, n_judged:], alpha, end)
        fits = fits._replace(coefs=torch.cat([fits.coefs, others], 1))
    coef = _fit_all(problem, fits.coefs.mean(1, keepdim=True), fits.settings, end)
    return coef, _said(problem, fits, folds), fits.settings


def fit(design, target, weight, criterion, n_outputs, settings, start=None, end=math.inf):
    """Return the coefficients (1 + n_terms, n_outputs) of a fit by the settings of another; see `cross_fit`.

    They are searched for from zero on, or from ``start``, those of other rows, until ``end`` at most.
    """
    problem = LinearProblem(Design(design.parts, settings.factors), target, weight, criterion, n_outputs, n_fits=1)
    coefs = problem.zeros(1)
    if start is not None and settings.scale > 0:
        coefs = problem.inner(settings.uncalibrate(start).unsqueeze(1))
    return _fit_all(problem, coefs, settings, end)


class _Fits(NamedTuple):
    """A fit to all folds but one, for some of them: rows that are left out, their loss, coefficients, and settings."""

    rows: torch.Tensor
    loss: float
    coefs: torch.Tensor
    settings: Settings


def _search(problem, start, folds, judge, end):
    """Return the `_Fits` with the penalty of the least loss, and all penalties on the way there, from ``start`` on.

    The way leads from a penalty that is as strong as the steepest direction downwards: each fit begins at the one
    before, and is a short way from it. Where two weaker ones in turn gain nothing, none is looked for any more.
    """
    steepest = math.log(problem.curvature[1:].max().item(), _STEP) if problem.searched.n_terms else 0
    alpha = float(np.clip(_STEP ** round(steepest), _LEAST_ALPHA, _MOST_ALPHA))
    best = fits = _fit_folds(problem, start, folds, alpha, judge, end)
    tried, in_vain = [alpha], 0
    while in_vain < 2 and (alpha := alpha / _STEP**2) >= _LEAST_ALPHA and time.perf_counter() <= end:
        fits = _fit_folds(problem, fits.coefs, folds, alpha, judge, end)
        tried.append(alpha)
        gains = fits.loss < best.loss * (1 - _GAIN)
        best, in_vain = (fits, 0) if gains else (best, in_vain + 1)
    path = tried[: tried.index(best.settings.alpha) + 1]
    for alpha in (path[-1] * _STEP, path[-1] / _STEP):
        if _LEAST_ALPHA <= alpha <= _MOST_ALPHA and time.perf_counter() <= end:
            fits = _fit_folds(problem, best.coefs, folds, alpha, judge, end)
            if fits.loss < best.loss * (1 - _GAIN):
                best = fits
                path.append(alpha)
    return best, path


def _fit_folds(problem, coefs, folds, alpha, judge, end):
    """Fit all rows but those of a fold, for each fold that there are coefficients of; returns `_Fits`."""
    n_folds = coefs.shape[1]
    coefs = _fit_each(problem, coefs, _weights(folds, n_folds, problem), alpha, end)
    rows = ((folds >= 0) & (folds < n_folds)).nonzero().squeeze(1)
    unseen = problem.outputs(coefs)[rows, folds[rows]]
    far = _far(folds, n_folds, problem)[folds[rows]]
    loss, scale, shift = _calibrate(unseen, lambda outputs: judge(outputs + far, rows))
    return _Fits(rows, loss, coefs, Settings(alpha, problem.design.factors, scale, shift))


def _fit_each(problem, coefs, weights, alpha, end):
    """Return the coefficients (1 + n_inner, n_fits, n_outputs) of fits with weights (n_rows, n_fits)."""
    n_together = max(1, _MOST_TOGETHER // (max(len(coefs), len(weights)) * problem.n_outputs))
    parts = zip(coefs.split(n_together, 1), weights.split(n_together, 1), strict=True)
    return torch.cat([problem.fit(*part, alpha, _NEAR, end) for part in parts], 1)


def _fit_all(problem, start, settings, end):
    """Return the coefficients (1 + n_terms, n_outputs) of all terms by all rows, searched for from ``start`` on."""
    everything = torch.ones(problem.design.n_rows, 1)
    return settings.calibrate(problem.outer(problem.fit(start, everything, settings.alpha, _NEARER, end))[:, 0])


def _weights(folds, n_folds, problem):
    """Return what rows weigh in the fit for each fold, (n_rows, n_folds): 0 if left out, and each class as in all rows.

    Of a class of few rows, a fold takes a large share, and a fit would learn that the very classes are rare that the
    rows which it is judged by have.
    """
    kept = (folds.unsqueeze(1) != torch.arange(n_folds)).float()
    if problem.target.is_floating_point():
        return kept
    of_classes = torch.zeros(int(problem.target.max()) + 1, 1 + n_folds)
    with_all = torch.cat([torch.ones(len(folds), 1), kept], 1) * problem.weight.unsqueeze(1)
    whole, left = of_classes.index_add(0, problem.target, with_all).split([1, n_folds], dim=1)
    return kept * torch.where(left > 0, whole / left, 1)[problem.target]


def _far(folds, n_folds, problem):
    """Return what takes the classes of which a fold has no rows out of the comparison there, (n_folds, n_outputs).

    Of two rows of a class, the fit for a fold has seen one or both. What both are worth to their class would speak
    against each row that is left out: it is compared with classes alone that have lost rows as well.
    """
    far = torch.zeros(n_folds, problem.n_outputs)
    one_of_many = not problem.target.is_floating_point() and problem.target.max() < problem.n_outputs
    if one_of_many and getattr(problem.criterion, "scores_classes", False):
        far -= _FAR
        here = (folds >= 0) & (folds < n_folds)
        far[folds[here], problem.target[here]] = 0
    return far


def _calibrate(outputs, judge):
    """Return the least mean loss of outputs (n, n_outputs) that are scaled down and shifted, the scale and the shift.

    Of few rows, what a class is to be shifted by is mostly chance: that their fold lacks it.
    """

    def objective(flat):
        flat = torch.from_numpy(flat).float().requires_grad_()
        losses = judge(flat[0] * outputs + flat[1:])
        total = (losses.sum(dtype=torch.float64) + _SHIFT_COSTS * flat[1:].square().sum()) / len(outputs)
        total.backward()
        return total.item(), flat.grad.double().numpy()

    start = np.append(1.0, np.zeros(outputs.shape[1]))
    # Rows that are told apart without a mistake would have the scale grow without end.
    bounds = [(0, 1)] + [(None, None)] * outputs.shape[1]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": _NEAR})
    return found.fun, float(found.x[0]), torch.from_numpy(found.x[1:]).float()


def _said(problem, fits, folds):
    """Return what each part adds to the outputs of each row, (n_rows, n_parts + 1, n_outputs).

    It is said by the fit that has not seen the row, and for rows that no fold leaves out by the mean of all fits. Rows
    of folds that were not fitted have zeros.
    """
    coefs, design = fits.settings.calibrate(problem.outer(fits.coefs)), Design(problem.design.parts)
    said = torch.zeros(len(folds), len(design.parts) + 1, coefs.shape[2])
    for fold, coef in [(-1, coefs.mean(1)), *enumerate(coefs.unbind(1))]:
        rows = np.flatnonzero(folds == fold)
        said[rows, :-1] = torch.stack(design.said(coef[1:], rows), 1)
        said[rows, -1] = coef[0]
    return said


def _misleading(said, rows, judge):
    """Return the places of the parts of whose share in the outputs half had been better for some rows."""
    said = said[rows]
    outputs, parts = said.sum(1), said[:, :-1] - said[:, :-1].mean(0)  # or the outputs would move as a whole
    loss = judge(outputs, rows).sum()
    return [place for place, part in enumerate(parts.unbind(1)) if judge(outputs - part / 2, rows).sum() < loss]


def deal_folds(design, target, n_folds, generator):
    """Return a fold for each row; equal rows share one, so that none is predicted because it was seen.

    A row that alone has its class is left out by none, for no fit without it could know the class.

    Parameters
    ----------
    design : Design
        The rows.
    target : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs)
        Each fold gets its share of small and large targets, by the first output. Integers are classes.
    n_folds : int
        Number of folds, or as many as there are different rows.
    generator : torch.Generator
        Draws the folds.

    Returns
    -------
    folds : ndarray of shape (n_rows,), dtype int
        From 0 on, without gaps; -1 for rows that no fold leaves out.
    """
    marks = design.marks()
    _, first, which = np.unique(marks, return_index=True, return_inverse=True)
    shuffled = torch.rand(len(first), generator=generator).numpy()
    targets = target.numpy().reshape(len(target), -1)[first, 0]
    order = np.lexsort([shuffled, targets])
    if not target.is_floating_point():
        order = order[np.bincount(targets)[targets[order]] > 1]
    folds = np.full(len(first), -1)
    folds[order] = np.arange(len(order)) % n_folds
    return folds[which]
