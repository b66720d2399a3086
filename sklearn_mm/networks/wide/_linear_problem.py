"""Weighted rows, and the coefficients of a linear model that fit them best."""

import torch

from sklearn_mm.networks.wide._design_matrix import Design
from sklearn_mm.networks.wide._lbfgs import minimize

__all__ = ["LinearProblem"]

# Of a search for a penalty, more or less, in units of what a product costs for one value:
_N_STEPS = 60
_TERM_COSTS = 500  # of each coefficient, in a step
_EIGEN_COSTS = 3  # times the cubed number of rows or terms


class LinearProblem:
    """Weighted rows, and how well coefficients fit them.

    Few rows, or few terms, span few dimensions: the coefficients that are searched for, the *inner* ones, are then
    those of an orthogonal basis of their span. There are fewer of them, and none has anything to do with another, so
    that half as many steps do. Outputs and penalty are the same.

    Several fits, which differ in how they weigh the rows, are searched for together, so that each step is one product.
    Their coefficients have the shape (1 + n_terms, n_fits, n_outputs), the intercepts first.

    Parameters
    ----------
    design : Design
        The terms of the rows.
    target : torch.Tensor of shape (n_rows, ...)
        What ``criterion`` takes.
    weight : torch.Tensor
        Weight of each element of the criterion.
    criterion : Loss
        What is minimised. From zero on, the search never goes up, convex or not.
    n_outputs : int
        Number of outputs.
    n_fits : int
        How many fits there will be, which says whether a basis is worth its making.
    """

    def __init__(self, design, target, weight, criterion, n_outputs, n_fits):
        self.design = design
        self.target = target.float() if target.is_floating_point() else target
        self.weight = weight.float()
        self.criterion = criterion
        self.n_outputs = n_outputs
        n_inner, of_rows = min(design.n_rows, design.n_terms), design.n_rows <= design.n_terms
        step = 2 * design.cost + _TERM_COSTS * design.n_terms
        inner_step = (2 * design.n_rows + _TERM_COSTS) * n_inner
        saved = _N_STEPS * n_fits * n_outputs * (2 * step - inner_step)
        self.basis, self.searched = None, design
        if saved > _EIGEN_COSTS * n_inner**3 + 3 * design.cost * n_inner:
            self._make_basis(of_rows)
        self.null_loss, curvature = self._start()
        mean_squares = torch.cat([torch.ones(1), self.searched.mean_squares()])
        self.curvature = (mean_squares.unsqueeze(1) * curvature).clamp(min=1e-12)  # (1 + n_inner, n_outputs)

    def _make_basis(self, of_rows):
        """Search in a basis of what the rows, or the terms, span beside the intercept."""
        ones = torch.ones(self.design.n_rows, 1)
        self.means = self.design.gradient(ones / len(ones))  # (n_terms, 1)
        products = self.design.products(of_rows)
        if of_rows:
            products -= products.mean(0) + products.mean(1, keepdim=True) - products.mean()
        else:
            products -= len(ones) * self.means * self.means.T
        values, vectors = torch.linalg.eigh(products)
        kept = values > 1e-5 * values[-1]
        self.squares, vectors = values[kept].unsqueeze(1), vectors[:, kept]
        self.basis = (
            vectors * self.squares.sqrt().T if of_rows else self.design.outputs(vectors) - self.means.T @ vectors
        )
        self.searched = Design([self.basis.numpy()])

    def _start(self):
        """Return the mean loss of outputs of zero, and its curvature by each of them, more or less."""
        outputs = torch.zeros(self.design.n_rows, self.n_outputs, requires_grad=True)
        losses = self.criterion(outputs, self.target)
        losses.sum().backward()
        shares = self._shares(torch.ones(self.design.n_rows, 1))
        # The mean square of the slopes, Fisher's information, is that of outputs which are about right. Of classes that
        # are next to never there it is next to nothing, and a step of such length would overshoot.
        curvature = (shares * outputs.grad.square()).sum(0)
        return (losses.detach().view_as(shares) * shares).sum().item(), curvature.clamp(min=curvature.mean() / 10)

    def _shares(self, weights):
        """Return what each loss counts in the mean of each fit, (n_rows * n_fits, n_losses of a row)."""
        weights = weights.unsqueeze(2) * self.weight.view(len(weights), 1, -1)
        return (weights * weights.shape[2] / weights.sum((0, 2)).unsqueeze(1)).flatten(0, 1)

    def zeros(self, n_fits):
        """Return inner coefficients of zero."""
        return torch.zeros(1 + self.searched.n_terms, n_fits, self.n_outputs)

    def outer(self, coefs):
        """Return the coefficients of all terms that inner ones stand for."""
        intercepts, of_terms = coefs[:1], coefs[1:].flatten(1)
        if self.basis is not None:
            of_terms = self.design.gradient(self.basis @ (of_terms / self.squares))
            intercepts = intercepts - (self.means.T @ of_terms).view_as(intercepts)
        return _with_intercepts(intercepts, self.design.scale(of_terms))

    def inner(self, coefs):
        """Return inner coefficients of the same outputs as those of all terms."""
        intercepts = coefs[:1]
        of_terms = Design(self.design.parts, [1 / f for f in self.design.factors]).scale(coefs[1:].flatten(1))
        if self.basis is not None:
            intercepts = intercepts + (self.means.T @ of_terms).view_as(intercepts)
            of_terms = self.basis.T @ self.design.outputs(of_terms) / self.squares
        return _with_intercepts(intercepts, of_terms)

    def outputs(self, coefs):
        """Return the outputs (n_rows, n_fits, n_outputs)."""
        return self.searched.outputs(coefs[1:].flatten(1)).view(-1, *coefs.shape[1:]) + coefs[0]

    def fit(self, coefs, weights, alpha, tolerance, end):
        """Return the coefficients that minimise the mean loss plus the penalty, searched for from ``coefs`` on.

        Parameters
        ----------
        coefs : torch.Tensor of shape (1 + n_inner, n_fits, n_outputs)
            Where the search begins.
        weights : torch.Tensor of shape (n_rows, n_fits)
            What the weights of the rows are multiplied by in each fit.
        alpha : float
            The penalty: half of it times the squared coefficients, but for the intercepts.
        tolerance : float
            Gain of a step at which the search ends, relative to the loss of outputs of zero.
        end : float
            When it ends in any case, by `time.perf_counter`, after a step at least.

        Returns
        -------
        coefs : torch.Tensor of shape (1 + n_inner, n_fits, n_outputs)
        """
        _, n_fits, n_outputs = shape = coefs.shape
        shares = self._shares(weights)
        targets = self.target.repeat_interleave(n_fits, 0)
        # In units in which all directions are about as steep, or the search would creep along the flat ones.
        unit = torch.cat([self.curvature[:1], self.curvature[1:] + alpha]).rsqrt().unsqueeze(1)

        def objective(flat):
            coefs = flat.view(shape) * unit
            outputs = self.outputs(coefs).requires_grad_()
            losses = self.criterion(outputs.view(-1, n_outputs), targets)
            loss = (losses.view_as(shares) * shares).sum(dtype=torch.float64)
            loss.backward()
            slopes = outputs.grad.flatten(1)
            gradient = _with_intercepts(slopes.sum(0).view(1, n_fits, n_outputs), self.searched.gradient(slopes))
            gradient[1:].add_(coefs[1:], alpha=alpha)
            penalty = alpha / 2 * coefs[1:].square().sum(dtype=torch.float64)
            return (loss + penalty).item(), (gradient * unit).flatten()

        flat = minimize(objective, (coefs / unit).flatten(), tolerance * n_fits * self.null_loss, end)
        return flat.view(shape) * unit


def _with_intercepts(intercepts, of_terms):
    """Return coefficients (1 + n_terms, n_fits, n_outputs), from those of terms with all fits side by side."""
    return torch.cat([intercepts, of_terms.view(-1, *intercepts.shape[1:])])
