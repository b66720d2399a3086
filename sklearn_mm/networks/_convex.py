"""Convex fits: a linear model of sparse rows, its regularisation chosen out of fold."""

import math
import time
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import eigh
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

__all__ = ["Design", "Settings", "cross_fit", "deal_folds", "fit"]

_FIRST_ALPHA, _STEP = 4.0**-6, 4.0
_LEAST_ALPHA, _MOST_ALPHA = 4.0**-9, 1.0
_SPARSE_COSTS = 15  # times what a dense value costs, in a product
_TERM_COSTS = 450  # of each coefficient, in a step of the search
_N_STEPS = 100  # of the searches for a penalty, more or less
_EIGEN_COSTS = 1.5  # times the cubed number of rows
_LIGHTER = 0.25  # the factor that is tried for each part of a design that misleads
_NEAR = 3e-5  # relative gain of a step below which the search for a penalty goes on to the next
_NEARER = 1e-6  # and below which the final search ends
_SHIFT_COSTS = 10.0  # for the square of what outputs are shifted by, beside the sum of the losses of all rows
_CURVATURE = 0.25  # of the losses by the outputs, more or less
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
    shift : ndarray of shape (n_outputs,)
        What is then added to them.
    """

    alpha: float
    factors: tuple
    scale: float
    shift: np.ndarray

    def calibrate(self, coefs):
        """Return coefficients (..., n_outputs, 1 + n_terms) whose outputs are scaled and shifted."""
        coefs = self.scale * coefs
        coefs[..., 0] += self.shift
        return coefs

    def uncalibrate(self, coefs):
        """Return what `calibrate` was given, if the scale is not zero."""
        coefs = coefs.copy()
        coefs[..., 0] -= self.shift
        return coefs / self.scale


def cross_fit(design, target, weight, criterion, n_outputs, folds, judge=None, end=math.inf):
    """Fit outputs to targets linearly, with the penalty that predicts best what a fit has not seen.

    Outputs are scaled down and shifted as would have been best out of fold (Platt). With little penalty, a fit tells
    rows apart better and is too sure of it: the penalty would otherwise have to mend what a number can.

    A part of the design that misleads, because half of what it adds to the outputs would have been better out of fold,
    is tried at a quarter of its weight.

    Parameters
    ----------
    design : Design
        What the model sees; the intercept comes on top.
    target : torch.Tensor of shape (n_rows, ...)
        What ``criterion`` takes.
    weight : torch.Tensor
        Weight of each element of the criterion.
    criterion : Loss
        What is minimised, plus half of ``alpha`` times the squared coefficients; convex in the outputs.
    n_outputs : int
        Number of outputs.
    folds : ndarray of shape (n_rows,), dtype int
        Which rows are left out together.
    judge : callable, default=None
        Maps outputs (n_rows, n_outputs) to the losses (n_rows, ...) by which the penalty is chosen; those of
        ``criterion`` by default.
    end : float, default=inf
        When to be done, by `time.perf_counter`: other penalties are tried for half of the time until then.

    Returns
    -------
    coef : ndarray of shape (n_outputs, 1 + n_terms)
        Of all rows; the intercept first.
    said : ndarray of shape (n_rows, n_parts + 1, n_outputs)
        What each part, and the intercept, adds to the outputs of each row, by the fit that has not seen it.
    settings : Settings
        How this was fitted.

    References
    ----------
    Platt: Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods. Advances
    in Large Margin Classifiers, 1999.
    """
    n_searched = (folds.max() + 1) * n_outputs
    problem = _Problem(design, target, weight, criterion, n_searched)
    judge = (lambda outputs: criterion(outputs, problem.target) * problem.weight) if judge is None else judge
    middle = (time.perf_counter() + end) / 2
    with _alone():
        fits = _search(problem, np.zeros((folds.max() + 1, n_outputs, 1 + problem.n_inner)), folds, judge, middle)
        said = _said(design, fits.settings.calibrate(problem.outer(fits.coefs)), folds)
        for place in _misleading(said, judge) if len(design.parts) > 1 else ():
            if time.perf_counter() > middle:
                break
            lighter = _Problem(problem.design.lighter(place), target, weight, criterion, n_searched)
            start = lighter.inner(problem.outer(fits.coefs))
            next_fits = lighter.fit_folds(start, folds, fits.settings.alpha, judge, middle)
            if next_fits.loss < fits.loss:
                fits, problem = next_fits, lighter
                said = _said(design, fits.settings.calibrate(problem.outer(fits.coefs)), folds)
        coef = problem.fit_all(fits.coefs.mean(0, keepdims=True), fits.settings.alpha, end)
    return fits.settings.calibrate(coef), said, fits.settings


def fit(design, target, weight, criterion, n_outputs, settings, start=None, end=math.inf):
    """Return the coefficients (n_outputs, 1 + n_terms) of a fit by the settings of another; see `cross_fit`.

    They are searched for from zero on, or from ``start``, those of other rows, until ``end`` at most.
    """
    problem = _Problem(Design(design.parts, settings.factors), target, weight, criterion, n_outputs)
    coefs = np.zeros((1, n_outputs, 1 + problem.n_inner))
    if start is not None and settings.scale > 0:
        coefs = problem.inner(settings.uncalibrate(start)[np.newaxis])
    with _alone():
        return settings.calibrate(problem.fit_all(coefs, settings.alpha, end))


def _alone():
    """Leave the cores to torch: between many small products, its threads and those of NumPy's BLAS would wait."""
    return threadpool_limits(1, user_api="blas")


class _Fits(NamedTuple):
    """A fit to all folds but one, for each: the loss of what is left out, the coefficients, and the settings."""

    loss: float
    coefs: np.ndarray
    settings: Settings


def _search(problem, start, folds, judge, end):
    """Return the `_Fits` with the penalty of the least loss, searched for from the coefficients ``start`` on."""
    best = problem.fit_folds(start, folds, _FIRST_ALPHA, judge, end)
    tried = {_FIRST_ALPHA}
    # A fit that had better be surer than it is wants less of a penalty.
    steps = (_STEP**2, _STEP, 1 / _STEP) if best.settings.scale < 1 else (_STEP**-2, 1 / _STEP, _STEP)
    for step in steps:
        while (alpha := best.settings.alpha * step) not in tried and _LEAST_ALPHA <= alpha <= _MOST_ALPHA:
            if time.perf_counter() > end:
                return best
            tried.add(alpha)
            fits = problem.fit_folds(best.coefs, folds, alpha, judge, end)
            if fits.loss >= best.loss:
                break
            best = fits
    return best


def _calibrate(outputs, judge):
    """Return the least loss of outputs (n_rows, n_outputs) that are scaled down and shifted, the scale and the shift.

    Of few rows, what a class is to be shifted by is mostly chance: that their fold lacks it.
    """

    def objective(flat):
        flat = torch.from_numpy(flat).requires_grad_()
        losses = judge(flat[0] * outputs + flat[1:])
        total = (losses.sum() + _SHIFT_COSTS * flat[1:].square().sum()) / len(outputs)
        total.backward()
        return total.item(), flat.grad.numpy()

    start = np.append(1.0, np.zeros(outputs.shape[1]))
    # Rows that are told apart without a mistake would have the scale grow without end.
    bounds = [(0, 1)] + [(None, None)] * outputs.shape[1]
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": _NEARER})
    return found.fun, found.x[0], found.x[1:]


def _said(design, coefs, folds):
    """Return (n_rows, n_parts + 1, n_outputs) by the coefficients (n_folds, n_outputs, 1 + n_terms) of each fold."""
    said = np.empty((design.n_rows, len(design.parts) + 1, coefs.shape[1]))
    for fold, coef in enumerate(coefs):
        rows = np.flatnonzero(folds == fold)
        for place, (part, of_part) in enumerate(zip(design.parts, design.split(coef[:, 1:]), strict=True)):
            said[rows, place] = part[rows] @ of_part.T
        said[rows, -1] = coef[:, 0]
    return said


def _misleading(said, judge):
    """Return the places of the parts of whose share in the outputs half had been better."""
    said = torch.from_numpy(said)
    outputs, parts = said.sum(1), said[:, :-1] - said[:, :-1].mean(0)  # or the outputs would move as a whole
    loss = judge(outputs).sum()
    return [place for place, part in enumerate(parts.unbind(1)) if judge(outputs - part / 2).sum() < loss]


class Design:
    """The terms of rows, side by side in parts.

    Parameters
    ----------
    parts : list of scipy.sparse.csr_array or ndarray of shape (n_rows, any)
        Sparse ones of float64, dense ones of any precision, in which they are multiplied.
    factors : tuple of float, default=None
        What each part counts multiplied by; 1 by default.
    """

    def __init__(self, parts, factors=None):
        self.parts = parts
        self.factors = (1.0,) * len(parts) if factors is None else factors
        self.n_rows = parts[0].shape[0]
        self.n_terms = sum(part.shape[1] for part in parts)
        self.cost = sum(_SPARSE_COSTS * part.nnz if sparse.issparse(part) else part.size for part in parts)

    def lighter(self, place):
        """Return the design with one part that counts less."""
        factors = list(self.factors)
        factors[place] *= _LIGHTER
        return Design(self.parts, tuple(factors))

    def split(self, coefs):
        """Return the columns of ``coefs`` (..., n_terms) that belong to each part."""
        return np.split(coefs, np.cumsum([part.shape[1] for part in self.parts])[:-1], axis=-1)

    def scale(self, coefs):
        """Return ``coefs`` (..., n_terms) multiplied by the factors of the parts."""
        shares = zip(self.factors, self.split(coefs), strict=True)
        return np.concatenate([f * of_part for f, of_part in shares], axis=-1)

    def outputs(self, coefs):
        """Return what coefficients (n, n_terms) make of all rows, (n, n_rows)."""
        parts = zip(self.factors, self.parts, self.split(coefs), strict=True)
        return sum(f * _product(of_part, part.T) for f, part, of_part in parts)

    def gradient(self, slopes):
        """Return the slopes by the coefficients (n, n_terms), from those by the outputs (n, n_rows)."""
        parts = zip(self.factors, self.parts, strict=True)
        return np.concatenate([f * _product(slopes, part) for f, part in parts], axis=1)

    def products(self):
        """Return the products of all rows with all rows, (n_rows, n_rows)."""
        products = [_product(part, part.T) for part in self.parts]
        dense = (part.toarray() if sparse.issparse(part) else part.astype(np.float64) for part in products)
        return sum(f**2 * part for f, part in zip(self.factors, dense, strict=True))

    def marks(self):
        """Return a number for each row, equal only for equal rows."""
        weights = self.split(np.random.default_rng(0).standard_normal(self.n_terms))
        marks = np.zeros(self.n_rows)
        for part, weight in zip(self.parts, weights, strict=True):
            # not by a BLAS, whose last digits may differ between equal rows
            marks += part @ weight if sparse.issparse(part) else np.einsum("ij,j->i", part, weight)
        return np.round(marks, 9)

    def mean_squares(self):
        """Return the mean square of each term, (n_terms,)."""
        parts = [
            (part**2).sum(0) if sparse.issparse(part) else np.einsum("ij,ij->j", part, part) for part in self.parts
        ]
        return self.scale(self.scale(np.concatenate(parts))) / self.n_rows


def _product(array, part):
    """Return ``array @ part``, of a dense part in its own precision."""
    if sparse.issparse(part):
        return array @ part
    return (torch.from_numpy(array.astype(part.dtype, copy=False)) @ torch.from_numpy(part)).numpy()


class _Problem:
    """Weighted rows, and how well coefficients fit them.

    Few rows span few dimensions, however many terms they have: the coefficients that are searched for, the *inner*
    ones, are then those of an orthonormal basis of their span. Outputs and penalty are the same, and the search is some
    ten times as fast.

    Several fits, which differ in how they weigh the rows, are searched for together, so that each step is one product.
    Their coefficients have the shape (n_fits, n_outputs, 1 + n_terms), the intercepts first; ``n_searched`` is how many
    outputs all fits have, which says whether a basis is worth its making.
    """

    def __init__(self, design, target, weight, criterion, n_searched):
        self.design = design
        self.target = target.double() if target.is_floating_point() else target
        self.weight = weight.double()
        self.criterion = criterion
        self.basis, self.searched = None, design
        saved = design.cost - design.n_rows**2 + _TERM_COSTS * (design.n_terms - design.n_rows)
        if _N_STEPS * n_searched * saved > _EIGEN_COSTS * design.n_rows**3:
            values, vectors = eigh(design.products().astype(np.float32), driver="evd")  # as good, in half the time
            kept = values > 1e-6 * values[-1]
            self.lengths = np.sqrt(values[kept])
            self.basis = vectors[:, kept]
            self.searched = Design([self.basis * self.lengths])
        self.n_inner = self.searched.n_terms
        self.mean_squares = self.searched.mean_squares()

    def outer(self, coefs):
        """Return the coefficients of all terms that inner ones stand for."""
        of_terms = _in_rows(coefs[..., 1:])
        if self.basis is not None:
            of_terms = self.design.gradient(of_terms / self.lengths @ self.basis.T)
        return _with_intercepts(coefs[..., :1], self.design.scale(of_terms))

    def inner(self, coefs):
        """Return inner coefficients of the same outputs as those of all terms."""
        of_terms = _in_rows(coefs[..., 1:])
        if self.basis is not None:
            of_terms = Design(self.design.parts).outputs(of_terms) @ self.basis / self.lengths
        else:
            shares = zip(self.design.factors, self.design.split(of_terms), strict=True)
            of_terms = np.concatenate([of_part / f for f, of_part in shares], axis=1)
        return _with_intercepts(coefs[..., :1], of_terms)

    def outputs(self, coefs):
        """Return the outputs (n_fits, n_rows, n_outputs)."""
        outputs = self.searched.outputs(_in_rows(coefs[..., 1:])).reshape(*coefs.shape[:2], -1)
        return torch.from_numpy(outputs + coefs[..., :1]).mT

    def fit_all(self, start, alpha, end):
        """Return the coefficients (n_outputs, 1 + n_terms) of all terms by all rows, searched for from ``start`` on."""
        return self.outer(self.fit(start, self.weight.unsqueeze(0), alpha, _NEARER, end))[0]

    def fit_folds(self, coefs, folds, alpha, judge, end):
        """Fit all rows but those of a fold, for each fold; returns `_Fits`."""
        n_outputs = coefs.shape[1]
        n_together = max(1, _MOST_TOGETHER // max(coefs[0].size, len(folds) * n_outputs))
        unseen = torch.empty(len(folds), n_outputs, dtype=torch.float64)
        fitted = []
        for some in np.array_split(np.arange(len(coefs)), -(-len(coefs) // n_together)):
            kept = [torch.from_numpy(folds != fold) for fold in some]
            weights = torch.stack([self.weight * _along(rows, self.weight) for rows in kept])
            fitted.append(self.fit(coefs[some], weights, alpha, _NEAR, end))
            rows = np.flatnonzero(np.isin(folds, some))
            unseen[rows] = self.outputs(fitted[-1])[folds[rows] - some[0], rows]
        loss, scale, shift = _calibrate(unseen, judge)
        return _Fits(loss, np.concatenate(fitted), Settings(alpha, self.design.factors, scale, shift))

    def fit(self, coefs, weights, alpha, tolerance, end):
        """Return the coefficients that minimise the mean loss plus the penalty, searched for from ``coefs`` on.

        Parameters
        ----------
        coefs : ndarray of shape (n_fits, n_outputs, 1 + n_inner)
            Where the search begins.
        weights : torch.Tensor of shape (n_fits, n_rows, ...)
            The weights of the losses in each fit.
        alpha : float
            The penalty.
        tolerance : float
            Relative gain of a step below which the search ends.
        end : float
            When it ends in any case, after a step at least.

        Returns
        -------
        coefs : ndarray of shape (n_fits, n_outputs, 1 + n_inner)
        """
        shape = coefs.shape
        totals = weights.flatten(1).sum(1) / weights[0, 0].numel()
        shares = (weights / _along(totals, weights)).flatten(0, 1)
        targets = self.target.repeat(len(coefs), *[1] * (self.target.ndim - 1))
        # In units in which all directions are about as steep, or the search would creep along the flat ones.
        unit = 1 / np.sqrt(np.concatenate([[1.0], _CURVATURE * self.mean_squares + alpha]))

        def objective(flat):
            coefs = flat.reshape(shape) * unit
            outputs = self.outputs(coefs).requires_grad_()
            loss = (self.criterion(outputs.flatten(0, 1), targets) * shares).sum()
            loss.backward()
            slopes = outputs.grad.mT.numpy()
            gradient = _with_intercepts(slopes.sum(2, keepdims=True), self.searched.gradient(_in_rows(slopes)))
            gradient[..., 1:] += alpha * coefs[..., 1:]
            return loss.item() + alpha / 2 * np.square(coefs[..., 1:]).sum(), (gradient * unit).ravel()

        def check_time(flat):
            if time.perf_counter() > end:
                raise TimeoutError(flat)

        flat = (coefs / unit).ravel()
        options = {"maxiter": 200, "maxcor": 5, "ftol": tolerance}
        try:
            flat = minimize(objective, flat, jac=True, method="L-BFGS-B", callback=check_time, options=options).x
        except TimeoutError as over:
            flat = over.args[0]
        return flat.reshape(shape) * unit


def _in_rows(arrays):
    """Return the rows of arrays (n_fits, n_outputs, n) one below the other, (n_fits * n_outputs, n)."""
    return arrays.reshape(-1, arrays.shape[2])


def _with_intercepts(intercepts, of_terms):
    """Return coefficients (n_fits, n_outputs, 1 + n_terms), from those of terms in rows."""
    return np.concatenate([intercepts, of_terms.reshape(*intercepts.shape[:2], -1)], axis=2)


def _along(values, array):
    """Return values, one for each entry of the first axis of an array, in a shape that multiplies the array."""
    return values.view(-1, *[1] * (array.ndim - 1))


def deal_folds(design, target, n_folds, generator):
    """Return a fold for each row; equal rows share one, so that none is predicted because it was seen.

    Parameters
    ----------
    design : Design
        The rows.
    target : torch.Tensor of shape (n_rows,) or (n_rows, n_outputs)
        Each fold gets its share of small and large targets, by the first output.
    n_folds : int
        Number of folds, or as many as there are different rows.
    generator : torch.Generator
        Draws the folds.

    Returns
    -------
    folds : ndarray of shape (n_rows,), dtype int
        From 0 on, without gaps.
    """
    marks = design.marks()
    _, first, which = np.unique(marks, return_index=True, return_inverse=True)
    shuffled = torch.rand(len(first), generator=generator).numpy()
    order = np.lexsort([shuffled, target.numpy().reshape(len(target), -1)[first, 0]])
    folds = np.empty(len(first), dtype=np.int64)
    folds[order] = np.arange(len(first)) % n_folds
    return folds[which]
