"""Convex fits: a linear model of sparse rows, its regularisation chosen out of fold."""

from copy import copy

import numpy as np
import torch
from scipy.linalg import eigh
from scipy.optimize import minimize

__all__ = ["cross_fit", "deal_folds", "fit"]

_ALPHAS = 4.0 ** -np.arange(10)  # from 1 down to 4e-6
_ROTATION_PAYS = 8  # times; what a step costs in the basis of the rows, against what it costs in the terms
_NEAR = 1e-4  # relative gain of a step below which the search for a penalty goes on to the next
_NEARER = 1e-7  # and below which the final search ends


def cross_fit(design, target, weight, criterion, n_outputs, folds, judge=None):
    """Fit outputs to targets linearly, with the penalty that predicts best what a fit has not seen.

    Parameters
    ----------
    design : scipy.sparse.csr_array of shape (n_rows, n_terms)
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

    Returns
    -------
    coef : ndarray of shape (1 + n_terms, n_outputs)
        Of all rows; the intercept first.
    fold_coefs : list of ndarray like ``coef``
        Of all rows but those of a fold.
    alpha : float
        The penalty.
    """
    everything, of_all_terms = _make_problem(design, target, weight, criterion)
    judge = everything.losses if judge is None else judge
    held_out = [torch.from_numpy(folds == fold) for fold in range(folds.max() + 1)]
    trains = [everything.only(~rows) for rows in held_out]
    coefs = [np.zeros((1 + everything.design.shape[1], n_outputs))] * len(held_out)
    best_loss, best_alpha, best_coefs = np.inf, _ALPHAS[0], coefs
    for alpha in _ALPHAS:  # each fit starts from the one before, which was smoother
        coefs = [train.fit(coef, alpha, _NEAR) for train, coef in zip(trains, coefs, strict=True)]
        outputs = [everything.outputs(coef) for coef in coefs]
        loss = sum(judge(part)[rows].sum().item() for part, rows in zip(outputs, held_out, strict=True))
        if loss >= best_loss:
            break
        best_loss, best_alpha, best_coefs = loss, alpha, coefs
    coef = everything.fit(np.mean(best_coefs, axis=0), best_alpha, _NEARER)
    return of_all_terms(coef), [*map(of_all_terms, best_coefs)], best_alpha


def fit(design, target, weight, criterion, n_outputs, alpha):
    """Return the coefficients (1 + n_terms, n_outputs) for a penalty; see `cross_fit`."""
    problem, of_all_terms = _make_problem(design, target, weight, criterion)
    return of_all_terms(problem.fit(np.zeros((1 + problem.design.shape[1], n_outputs)), alpha, _NEARER))


def _make_problem(design, target, weight, criterion):
    """Return the problem in as few dimensions as pays, and what maps its coefficients to those of all terms."""
    compressed, of_all_terms = _compress(design)
    target = target.double() if target.is_floating_point() else target
    return _Problem(compressed, target, weight.double(), criterion), of_all_terms


def _compress(design):
    """Return a smaller design of the same minimum, and what maps its coefficients to those of all terms.

    Few rows span few dimensions, however many terms they have: in an orthonormal basis of their span, outputs and
    penalty are the same, and the search is some ten times as fast.
    """
    n_terms = design.shape[1]
    used = np.flatnonzero(design.count_nonzero(axis=0))
    if design.shape[0] ** 2 < _ROTATION_PAYS * (design.nnz + 10 * len(used)):
        values, vectors = eigh((design @ design.T).toarray())
        kept = values > 1e-10 * values[-1]
        lengths = np.sqrt(values[kept])
        basis = vectors[:, kept]
        return basis * lengths, lambda coef: _join(coef[0], design.T @ (basis / lengths @ coef[1:]))

    def of_all_terms(coef):
        full = np.zeros((n_terms, coef.shape[1]))
        full[used] = coef[1:]
        return _join(coef[0], full)

    return design[:, used], of_all_terms


def _join(intercept, coef):
    return np.concatenate([np.asarray(intercept)[np.newaxis], coef])


class _Problem:
    """Weighted rows, and how well coefficients fit them."""

    def __init__(self, design, target, weight, criterion):
        self.design = design
        self.target = target
        self.weight = weight
        self.criterion = criterion
        self.squares = np.asarray((design**2).sum(0))  # of each term

    def only(self, rows):
        """Return the problem of some rows (a mask): the others lose their weight, so that the design is not copied."""
        other = copy(self)
        other.weight = self.weight * rows.view(-1, *[1] * (self.weight.ndim - 1))
        return other

    def outputs(self, coef):
        return torch.from_numpy(self.design @ coef[1:] + coef[0])

    def losses(self, outputs):
        """Return the weighted losses."""
        return self.criterion(outputs, self.target) * self.weight

    def fit(self, coef, alpha, tolerance):
        """Return the coefficients that minimise the mean loss plus the penalty, searched for from ``coef`` on."""
        shape, total = coef.shape, self.weight.sum().item() / self.weight[0].numel()
        # In units in which all directions are about as steep, or the search would creep along the flat ones.
        unit = 1 / np.sqrt(_join(1.0, self.squares / len(self.target) + alpha))[:, np.newaxis]

        def objective(flat):
            coef = flat.reshape(shape) * unit
            outputs = self.outputs(coef).requires_grad_()
            loss = self.losses(outputs).sum() / total
            loss.backward()
            slope = outputs.grad.numpy()
            gradient = _join(slope.sum(0), self.design.T @ slope + alpha * coef[1:])
            return loss.item() + alpha / 2 * np.square(coef[1:]).sum(), (gradient * unit).ravel()

        options = {"maxiter": 200, "maxcor": 5, "ftol": tolerance}
        found = minimize(objective, (coef / unit).ravel(), jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(shape) * unit


def deal_folds(design, target, n_folds, generator):
    """Return a fold for each row; equal rows share one, so that none is predicted because it was seen.

    Parameters
    ----------
    design : scipy.sparse.csr_array of shape (n_rows, n_terms)
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
    marks = design @ np.random.default_rng(0).standard_normal(design.shape[1])  # equal only for equal rows
    _, first, which = np.unique(marks, return_index=True, return_inverse=True)
    shuffled = torch.rand(len(first), generator=generator).numpy()
    order = np.lexsort([shuffled, target.numpy().reshape(len(target), -1)[first, 0]])
    folds = np.empty(len(first), dtype=np.int64)
    folds[order] = np.arange(len(first)) % n_folds
    return folds[which]
