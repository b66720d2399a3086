"""The design matrix of a linear model, one matrix per block, and products with it."""

import numpy as np
import torch
from scipy import sparse

__all__ = ["DesignMatrix"]

_GRAM_COLUMNS = 256  # that are made at once
_SPARSE_COST = 15  # times what a dense value costs, in a product


class DesignMatrix:
    """Matrices of the same rows side by side, one per block, each times a factor.

    Parameters
    ----------
    blocks : list of scipy.sparse.csr_array or ndarray of shape (n_rows, any)
        Numbers, taken in float32.
    factors : tuple of float, default=None
        What each block is multiplied by; 1 by default.
    """

    def __init__(self, blocks, factors=None):
        self.blocks = [block.astype(np.float32, copy=False) for block in blocks]
        self.factors = (1.0,) * len(blocks) if factors is None else factors
        self.n_rows = blocks[0].shape[0]
        self.widths = [block.shape[1] for block in blocks]
        self.n_terms = sum(self.widths)
        self.cost = sum(_SPARSE_COST * block.nnz if sparse.issparse(block) else block.size for block in blocks)

    def shrunk(self, places, factor):
        """Return the design matrix with some blocks multiplied by a ``factor``."""
        factors = list(self.factors)
        for place in places:
            factors[place] *= factor
        return DesignMatrix(self.blocks, tuple(factors))

    def times_factors(self, coefs):
        """Return ``coefs`` (n_terms, n) multiplied by the factors of their blocks."""
        return torch.cat([f * of_block for f, of_block in zip(self.factors, coefs.split(self.widths), strict=True)])

    def matmat_by_block(self, coefs, rows=slice(None)):
        """Return the product of some rows of each block with its coefs (n_terms, n): a tensor (n_rows, n) for each."""
        by_block = zip(self.factors, self.blocks, coefs.split(self.widths), strict=True)
        return [f * _product(block[rows], of_block) for f, block, of_block in by_block]

    def matmat(self, coefs):
        """Return the product with ``coefs`` (n_terms, n), (n_rows, n)."""
        return sum(self.matmat_by_block(coefs))

    def rmatmat(self, array):
        """Return the product of the transposed matrix with an array (n_rows, n), (n_terms, n)."""
        return torch.cat([f * _product(block.T, array) for f, block in zip(self.factors, self.blocks, strict=True)])

    def gram(self, of_rows):
        """Return the products of all rows with all rows, (n_rows, n_rows), or of all terms with all terms."""
        units = torch.eye(self.n_rows if of_rows else self.n_terms).split(_GRAM_COLUMNS, dim=1)
        if of_rows:
            return torch.cat([self.matmat(self.rmatmat(unit)) for unit in units], 1)
        return torch.cat([self.rmatmat(self.matmat(unit)) for unit in units], 1)

    def row_hashes(self):
        """Return a number for each row, equal only for equal rows: a random projection."""
        weights = np.split(np.random.default_rng(0).standard_normal(self.n_terms), np.cumsum(self.widths)[:-1])
        hashes = np.zeros(self.n_rows)
        for block, weight in zip(self.blocks, weights, strict=True):
            # not by a BLAS, whose last digits may differ between equal rows
            hashes += block @ weight if sparse.issparse(block) else np.einsum("ij,j->i", block, weight)
        return np.round(hashes, 9)

    def mean_squares(self):
        """Return the mean square of each term, (n_terms,)."""
        sums = [(b * b).sum(0) if sparse.issparse(b) else np.einsum("ij,ij->j", b, b) for b in self.blocks]
        sums = torch.from_numpy(np.concatenate(sums)).unsqueeze(1)
        return self.times_factors(self.times_factors(sums)).squeeze(1) / self.n_rows


def _product(block, array):
    """Return ``block @ array``, by torch where both are dense."""
    if sparse.issparse(block):
        return torch.from_numpy(block @ array.numpy())
    return torch.from_numpy(block) @ array
