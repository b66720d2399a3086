"""The terms of rows, side by side, and what a linear model multiplies by them."""

import numpy as np
import torch
from scipy import sparse

__all__ = ["Design"]

_LIGHTER = 0.25  # what a part that misleads is multiplied by
_TOGETHER = 256  # columns of products that are made at once
_SPARSE_COSTS = 15  # times what a dense value costs, in a product


class Design:
    """The terms of rows, side by side in parts.

    Parameters
    ----------
    parts : list of scipy.sparse.csr_array or ndarray of shape (n_rows, any)
        Numbers, taken in float32.
    factors : tuple of float, default=None
        What each part counts multiplied by; 1 by default.
    """

    def __init__(self, parts, factors=None):
        self.parts = [part.astype(np.float32, copy=False) for part in parts]
        self.factors = (1.0,) * len(parts) if factors is None else factors
        self.n_rows = parts[0].shape[0]
        self.widths = [part.shape[1] for part in parts]
        self.n_terms = sum(self.widths)
        self.cost = sum(_SPARSE_COSTS * part.nnz if sparse.issparse(part) else part.size for part in parts)

    def lighter(self, place):
        """Return the design with one part that counts less."""
        factors = list(self.factors)
        factors[place] *= _LIGHTER
        return Design(self.parts, tuple(factors))

    def scale(self, coefs):
        """Return ``coefs`` (n_terms, n) multiplied by the factors of the parts."""
        return torch.cat([f * of_part for f, of_part in zip(self.factors, coefs.split(self.widths), strict=True)])

    def said(self, coefs, rows=slice(None)):
        """Return what coefficients (n_terms, n) make of each part of some rows, a tensor (n_rows, n) for each."""
        shares = coefs.split(self.widths)
        return [f * _product(p[rows], c) for f, p, c in zip(self.factors, self.parts, shares, strict=True)]

    def outputs(self, coefs):
        """Return what coefficients (n_terms, n) make of all rows, (n_rows, n)."""
        return sum(self.said(coefs))

    def gradient(self, slopes):
        """Return the slopes by the coefficients (n_terms, n), from those by the outputs (n_rows, n)."""
        return torch.cat([f * _product(part.T, slopes) for f, part in zip(self.factors, self.parts, strict=True)])

    def products(self, of_rows):
        """Return the products of all rows with all rows, (n_rows, n_rows), or of all terms with all terms."""
        ones = torch.eye(self.n_rows if of_rows else self.n_terms).split(_TOGETHER, dim=1)
        if of_rows:
            return torch.cat([self.outputs(self.gradient(some)) for some in ones], 1)
        return torch.cat([self.gradient(self.outputs(some)) for some in ones], 1)

    def marks(self):
        """Return a number for each row, equal only for equal rows."""
        weights = np.split(np.random.default_rng(0).standard_normal(self.n_terms), np.cumsum(self.widths)[:-1])
        marks = np.zeros(self.n_rows)
        for part, weight in zip(self.parts, weights, strict=True):
            # not by a BLAS, whose last digits may differ between equal rows
            marks += part @ weight if sparse.issparse(part) else np.einsum("ij,j->i", part, weight)
        return np.round(marks, 9)

    def mean_squares(self):
        """Return the mean square of each term, (n_terms,)."""
        squares = [
            (part * part).sum(0) if sparse.issparse(part) else np.einsum("ij,ij->j", part, part) for part in self.parts
        ]
        squares = torch.from_numpy(np.concatenate(squares)).unsqueeze(1)
        return self.scale(self.scale(squares)).squeeze(1) / self.n_rows


def _product(part, array):
    """Return ``part @ array``, by torch where both are dense."""
    if sparse.issparse(part):
        return torch.from_numpy(part @ array.numpy())
    return torch.from_numpy(part) @ array
