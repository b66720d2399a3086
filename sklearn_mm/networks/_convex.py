"""Convex fits: a linear model of sparse rows, its regularisation chosen out of fold."""

from copy import copy

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import eigh
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

__all__ = ["Design", "cross_fit", "deal_folds", "fit"]

_ALPHAS = 4.0 ** -np.arange(10)  # from 1 down to 4e-6
_SPARSE_COSTS = 8  # times what a dense value costs, in a product
_TERM_COSTS = 80  # beside products, for each step of the search
_LIGHTER = 0.25  # the factor that is tried for each part of a design
_NEAR = 1e-4  # relative gain of a step below which the search for a penalty goes on to the next
_NEARER = 1e-7  # and below which the final search ends

# Between the many small products of NumPy and torch, the threads of each would wait for those of the other: on two
# cores, a fit of 1,000 rows took six times as long.
_ALONE = threadpool_limits.wrap(limits=1)


@_ALONE
def cross_fit(design, target, weight, criterion, n_outputs, folds, judge=None):
    """Fit outputs to targets linearly, with the penalty that predicts best what a fit has not seen.

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

    Returns
    -------
    coef : ndarray of shape (1 + n_terms, n_outputs)
        Of all rows; the intercept first.
    fold_coefs : list of ndarray like ``coef``
        Of all rows but those of a fold.
    alpha : float
        The penalty.
    factors : tuple of float
        What each part of the design is multiplied by before it is penalised: less than 1 for a part that misleads.
    """
    held_out = [torch.from_numpy(folds == fold) for fold in range(folds.max() + 1)]
    problem = _Problem(design, target, weight, criterion)
    judge = problem.losses if judge is None else judge

    def fit_folds(problem, coefs, alpha):
        coefs = [problem.only(~rows).fit(coef, alpha, _NEAR) for rows, coef in zip(held_out, coefs, strict=True)]
        outputs = [problem.outputs(coef) for coef in coefs]
        loss = sum(judge(part)[rows].sum().item() for part, rows in zip(outputs, held_out, strict=True))
        return loss, coefs

    coefs = [np.zeros((1 + problem.n_inner, n_outputs))] * len(held_out)
    best_loss, best_coefs, alpha = np.inf, coefs, _ALPHAS[0]
    for next_alpha in _ALPHAS:  # each fit starts from the one before, which was smoother
        loss, coefs = fit_folds(problem, coefs, next_alpha)
        if loss >= best_loss:
            break
        best_loss, best_coefs, alpha = loss, coefs, next_alpha
    for place in range(len(design.parts)) if len(design.parts) > 1 else ():
        lighter = _Problem(problem.design.lighter(place), target, weight, criterion)
        loss, coefs = fit_folds(lighter, [lighter.inner(problem.outer(coef)) for coef in best_coefs], alpha)
        if loss < best_loss:
            best_loss, best_coefs, problem = loss, coefs, lighter
    coef = problem.fit(np.mean(best_coefs, axis=0), alpha, _NEARER)
    return problem.outer(coef), [*map(problem.outer, best_coefs)], alpha, problem.design.factors


@_ALONE
def fit(design, target, weight, criterion, n_outputs, alpha):
    """Return the coefficients (1 + n_terms, n_outputs) for a penalty; see `cross_fit`."""
    problem = _Problem(design, target, weight, criterion)
    return problem.outer(problem.fit(np.zeros((1 + problem.n_inner, n_outputs)), alpha, _NEARER))


def _join(intercept, coef):
    return np.concatenate([np.asarray(intercept)[np.newaxis], coef])


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

    def split(self, coef):
        """Return the rows of ``coef`` (n_terms, ...) that belong to each part."""
        return np.split(coef, np.cumsum([part.shape[1] for part in self.parts])[:-1])

    def scale(self, coef):
        """Return ``coef`` (n_terms, ...) multiplied by the factors of the parts."""
        return np.concatenate([f * of_part for f, of_part in zip(self.factors, self.split(coef), strict=True)])

    def __matmul__(self, coef):
        """Return (n_rows, ...), the products with ``coef`` (n_terms, ...)."""
        parts = zip(self.factors, self.parts, self.split(coef), strict=True)
        return sum(f * (part @ _like(of_part, part)) for f, part, of_part in parts)

    def transposed(self, slope):
        """Return (n_terms, ...), the products of the columns with ``slope`` (n_rows, ...)."""
        parts = zip(self.factors, self.parts, strict=True)
        return np.concatenate([f * (part.T @ _like(slope, part)) for f, part in parts])

    def products(self):
        """Return the products of all rows with all rows, (n_rows, n_rows)."""
        products = [part @ part.T for part in self.parts]
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


def _like(array, part):
    return array if sparse.issparse(part) else array.astype(part.dtype, copy=False)


class _Problem:
    """Weighted rows, and how well coefficients fit them.

    Few rows span few dimensions, however many terms they have: the coefficients that are searched for, the *inner*
    ones, are then those of an orthonormal basis of their span. Outputs and penalty are the same, and the search is some
    ten times as fast.
    """

    def __init__(self, design, target, weight, criterion):
        self.design = design
        self.target = target.double() if target.is_floating_point() else target
        self.weight = weight.double()
        self.criterion = criterion
        self.basis, self.searched = None, design
        if design.n_rows**2 < design.cost + _TERM_COSTS * design.n_terms:
            values, vectors = eigh(design.products())
            kept = values > 1e-10 * values[-1]
            self.lengths = np.sqrt(values[kept])
            self.basis = vectors[:, kept]
            self.searched = Design([(self.basis * self.lengths).astype(np.float32)])  # as good, in half the time
        self.n_inner = self.searched.n_terms
        self.mean_squares = self.searched.mean_squares()

    def outer(self, coef):
        """Return the coefficients of all terms (1 + n_terms, n_outputs) that inner ones stand for."""
        if self.basis is None:
            return _join(coef[0], self.design.scale(coef[1:]))
        of_terms = self.design.transposed(self.basis / self.lengths @ coef[1:])
        return _join(coef[0], self.design.scale(of_terms))

    def inner(self, coef):
        """Return inner coefficients of the same outputs as those of all terms."""
        if self.basis is None:
            shares = zip(self.design.factors, self.design.split(coef[1:]), strict=True)
            return _join(coef[0], np.concatenate([of_part / f for f, of_part in shares]))
        outputs = Design(self.design.parts) @ coef[1:]
        return _join(coef[0], self.basis.T @ outputs / self.lengths[:, np.newaxis])

    def only(self, rows):
        """Return the problem of some rows (a mask): the others lose their weight, so that the design is not copied."""
        other = copy(self)
        other.weight = self.weight * rows.view(-1, *[1] * (self.weight.ndim - 1))
        return other

    def outputs(self, coef):
        return torch.from_numpy(self.searched @ coef[1:] + coef[0])

    def losses(self, outputs):
        """Return the weighted losses."""
        return self.criterion(outputs, self.target) * self.weight

    def fit(self, coef, alpha, tolerance):
        """Return the coefficients that minimise the mean loss plus the penalty, searched for from ``coef`` on."""
        shape, total = coef.shape, self.weight.sum().item() / self.weight[0].numel()
        # In units in which all directions are about as steep, or the search would creep along the flat ones.
        unit = 1 / np.sqrt(_join(1.0, self.mean_squares + alpha))[:, np.newaxis]

        def objective(flat):
            coef = flat.reshape(shape) * unit
            outputs = self.outputs(coef).requires_grad_()
            loss = self.losses(outputs).sum() / total
            loss.backward()
            slope = outputs.grad.numpy()
            gradient = _join(slope.sum(0), self.searched.transposed(slope) + alpha * coef[1:])
            return loss.item() + alpha / 2 * np.square(coef[1:]).sum(), (gradient * unit).ravel()

        options = {"maxiter": 200, "maxcor": 5, "ftol": tolerance}
        found = minimize(objective, (coef / unit).ravel(), jac=True, method="L-BFGS-B", options=options)
        return found.x.reshape(shape) * unit


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
