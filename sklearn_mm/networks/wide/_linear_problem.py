"""The penalised loss of a linear model on weighted rows, and the coefficients that minimise it (ridge penalty)."""

import torch

from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._lbfgs import minimize
from sklearn_mm.networks.wide._principal_components import PrincipalComponents, components_pay

__all__ = ["LinearProblem"]


class LinearProblem:
    """Weighted rows, and how well the coefficients of a linear model fit them.

    The coefficients that are searched for are those of ``searched``: the design matrix, or its principal components
    where that is faster. `to_terms` and `from_terms` translate.

    Several fits, which differ in how they weigh the rows, are searched for together, so that each step is one product.
    Their coefficients have the shape (1 + n, n_fits, n_outputs), the intercepts first.

    Parameters
    ----------
    design : DesignMatrix
        The terms of the rows.
    target : torch.Tensor of shape (n_rows, ...)
        What ``loss`` takes.
    weight : torch.Tensor
        Weight of each element of the loss.
    loss : Loss
        What is minimised. From zero on, the search never goes up, convex or not.
    n_outputs : int
        Number of outputs.
    n_fits : int
        How many fits there will be, which says whether principal components are worth their making.
    """

    def __init__(self, design, target, weight, loss, n_outputs, n_fits):
        self.design = design
        self.target = target.float() if target.is_floating_point() else target
        self.weight = weight.float()
        self.loss = loss
        self.n_outputs = n_outputs
        self.components = PrincipalComponents(design) if components_pay(design, n_fits * n_outputs) else None
        self.searched = design if self.components is None else self.components.design
        self.null_loss, curvature = self._at_zero()
        mean_squares = torch.cat([torch.ones(1), self.searched.mean_squares()])
        self.curvature = (mean_squares.unsqueeze(1) * curvature).clamp(min=1e-12)  # (1 + n_searched, n_outputs)

    def _at_zero(self):
        """Return the mean loss of outputs of zero, and its curvature by each of them, more or less."""
        outputs = torch.zeros(self.design.n_rows, self.n_outputs, requires_grad=True)
        losses = self.loss(outputs, self.target)
        losses.sum().backward()
        weights = self._loss_weights(torch.ones(self.design.n_rows, 1))
        # The mean square of the slopes, Fisher's information, is that of outputs which are about right. Of classes that
        # are next to never there it is next to nothing, and a step of such length would overshoot.
        curvature = (weights * outputs.grad.square()).sum(0)
        return (losses.detach().view_as(weights) * weights).sum().item(), curvature.clamp(min=curvature.mean() / 10)

    def _loss_weights(self, row_weights):
        """Return what each loss weighs in the mean of each fit, (n_rows * n_fits, n_losses of a row)."""
        weights = row_weights.unsqueeze(2) * self.weight.view(len(row_weights), 1, -1)
        return (weights * weights.shape[2] / weights.sum((0, 2)).unsqueeze(1)).flatten(0, 1)

    def zeros(self, n_fits):
        """Return coefficients of zero."""
        return torch.zeros(1 + self.searched.n_terms, n_fits, self.n_outputs)

    def to_terms(self, coefs):
        """Return the coefficients of all terms, before any factor, that those which are searched for stand for."""
        intercepts, slopes = _split(coefs)
        if self.components is not None:
            intercepts, slopes = self.components.to_terms(intercepts, slopes)
        return _join(intercepts, self.design.times_factors(slopes), coefs.shape[1:])

    def from_terms(self, coefs):
        """Return coefficients to search from, of the same outputs as those of all terms."""
        intercepts, slopes = _split(coefs)
        slopes = DesignMatrix(self.design.blocks, [1 / factor for factor in self.design.factors]).times_factors(slopes)
        if self.components is not None:
            intercepts, slopes = self.components.from_terms(intercepts, slopes)
        return _join(intercepts, slopes, coefs.shape[1:])

    def outputs(self, coefs):
        """Return the outputs (n_rows, n_fits, n_outputs)."""
        return self.searched.matmat(coefs[1:].flatten(1)).view(-1, *coefs.shape[1:]) + coefs[0]

    def fit(self, coefs, row_weights, alpha, tolerance, end):
        """Return the coefficients that minimise the mean loss plus the penalty, searched for from ``coefs`` on.

        Parameters
        ----------
        coefs : torch.Tensor of shape (1 + n_searched, n_fits, n_outputs)
            Where the search begins.
        row_weights : torch.Tensor of shape (n_rows, n_fits)
            What the weights of the rows are multiplied by in each fit.
        alpha : float
            The penalty: half of it times the squared coefficients, but for the intercepts.
        tolerance : float
            Gain of a step at which the search ends, relative to the loss of outputs of zero.
        end : float
            When it ends in any case, by `time.perf_counter`, after a step at least.

        Returns
        -------
        coefs : torch.Tensor of shape (1 + n_searched, n_fits, n_outputs)
        """
        _, n_fits, n_outputs = shape = coefs.shape
        weights = self._loss_weights(row_weights)
        targets = self.target.repeat_interleave(n_fits, 0)
        # In units in which all directions are about as steep, or the search would creep along the flat ones.
        unit = torch.cat([self.curvature[:1], self.curvature[1:] + alpha]).rsqrt().unsqueeze(1)

        def penalised_loss(point):
            coefs = point.view(shape) * unit
            outputs = self.outputs(coefs).requires_grad_()
            losses = self.loss(outputs.view(-1, n_outputs), targets)
            loss = (losses.view_as(weights) * weights).sum(dtype=torch.float64)
            loss.backward()
            by_output = outputs.grad.flatten(1)
            gradient = _join(by_output.sum(0, keepdim=True), self.searched.rmatmat(by_output), shape[1:])
            gradient[1:].add_(coefs[1:], alpha=alpha)
            penalty = alpha / 2 * coefs[1:].square().sum(dtype=torch.float64)
            return (loss + penalty).item(), (gradient * unit).flatten()

        point = minimize(penalised_loss, (coefs / unit).flatten(), tolerance * n_fits * self.null_loss, end)
        return point.view(shape) * unit


def _split(coefs):
    """Return intercepts and the coefficients of terms, both with all outputs of all fits side by side."""
    return coefs[:1].flatten(1), coefs[1:].flatten(1)


def _join(intercepts, slopes, shape):
    return torch.cat([intercepts, slopes]).view(-1, *shape)
