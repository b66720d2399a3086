"""Principal components of a design matrix: orthogonal coordinates of what its rows span beside the intercept."""

import torch

from sklearn_mm.networks.wide._design_matrix import DesignMatrix

__all__ = ["PrincipalComponents", "components_pay", "eigenvectors"]

# Of a search for a penalty, more or less, in units of what a product costs for one value:
_N_STEPS = 60
_TERM_COST = 500  # of each coefficient, in a step
_EIGEN_COST = 3  # times the cubed number of rows or terms


def components_pay(design, n_columns):
    """Return whether a search for ``n_columns`` columns of coefficients gains more by components than they cost.

    Half as many steps do, and each is shorter if rows or terms are few.
    """
    n_components = min(design.n_rows, design.n_terms)
    step = 2 * design.cost + _TERM_COST * design.n_terms
    step_of_components = (2 * design.n_rows + _TERM_COST) * n_components
    gain = _N_STEPS * n_columns * (2 * step - step_of_components)
    return gain > _EIGEN_COST * n_components**3 + 3 * design.cost * n_components


class PrincipalComponents:
    """The rows of a design matrix in orthogonal coordinates, by the eigenvectors of its smaller side.

    Coefficients of the components have the same outputs, and the same squared length, as those of the terms that they
    stand for.

    Parameters
    ----------
    design : DesignMatrix
        Its columns are centred.

    Attributes
    ----------
    design : DesignMatrix
        Of the components, (n_rows, n_components).
    """

    def __init__(self, design):
        n_rows, of_rows = design.n_rows, design.n_rows <= design.n_terms
        ones = torch.ones(n_rows, 1)
        self._terms = design
        self._means = design.rmatmat(ones / n_rows)  # (n_terms, 1)
        gram = design.gram(of_rows)
        if of_rows:
            gram -= gram.mean(0) + gram.mean(1, keepdim=True) - gram.mean()
        else:
            gram -= n_rows * self._means * self._means.T
        values, vectors = eigenvectors(gram)
        kept = values > 1e-5 * values[-1]
        self._squares, vectors = values[kept].unsqueeze(1), vectors[:, kept]  # squared lengths of the columns
        self._rows = vectors * self._squares.sqrt().T if of_rows else design.matmat(vectors) - self._means.T @ vectors
        self.design = DesignMatrix([self._rows.numpy()])

    def to_terms(self, intercepts, coefs):
        """Return intercepts (1, n) and coefficients (n_terms, n) of the terms, from those of the components."""
        coefs = self._terms.rmatmat(self._rows @ (coefs / self._squares))
        return intercepts - self._means.T @ coefs, coefs

    def from_terms(self, intercepts, coefs):
        """Return intercepts (1, n) and coefficients (n_components, n) of the same outputs."""
        return intercepts + self._means.T @ coefs, self._rows.T @ self._terms.matmat(coefs) / self._squares


def eigenvectors(matrix):
    """Return eigenvalues, rising, and eigenvectors of a symmetric matrix.

    In single precision, LAPACK may not converge, or give what is no number, where many eigenvalues are zero.
    """
    try:
        values, vectors = torch.linalg.eigh(matrix)
        converged = values.isfinite().all() and vectors.isfinite().all()
    except torch.linalg.LinAlgError:
        converged = False
    if not converged:
        values, vectors = torch.linalg.eigh(matrix.double())
    return values.to(matrix.dtype), vectors.to(matrix.dtype)
