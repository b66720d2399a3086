"""Likeness to some of the training rows, so that a linear model of it bends: a kernel machine (Nyström)."""

import torch

from sklearn_mm.networks.wide._basis_expansion import BasisExpansion
from sklearn_mm.networks.wide._principal_components import eigenvectors

__all__ = ["KernelBasis", "may_be_likened"]

_MIN_ROWS = 500  # of fewer, a linear model tells as much
_MAX_ROWS = 20_000  # of more, the terms take much memory, and a network learns to see
_LINEAR = 0.3  # of the kernel
_LEAST = 1e-6  # of the largest eigenvalue: below that, what landmarks differ in is rounding


def may_be_likened(n_rows):
    """Return whether so many rows are enough to liken others to, and not too many."""
    return _MIN_ROWS <= n_rows <= _MAX_ROWS


class KernelBasis(BasisExpansion):
    """Coordinates of rows among landmarks, by a kernel of what another basis says of them.

    The kernel is 0.3 ⟨x, y⟩ + 0.7 exp(−‖x − y‖²), in units in which the mean square of the length of a row is one.
    The products of the coordinates are those of the kernel, as far as landmarks span it; so a linear model of them is
    what a kernel machine is, at the cost of a linear one. The coordinates of the landmarks have the mean square that
    their terms had.

    Parameters
    ----------
    basis : BasisExpansion
        One that is dense.
    n_terms : int
        Number of landmarks, drawn from the rows that this is fitted to.

    References
    ----------
    Williams, Seeger: Using the Nyström Method to Speed Up Kernel Machines. NeurIPS 2000.
    """

    dense = True

    def __init__(self, basis, n_terms):
        super().__init__()
        self.basis = basis
        self.n_terms = n_terms
        self.register_buffer("terms", torch.arange(n_terms))
        self.register_buffer("landmarks", torch.zeros(n_terms, basis.n_terms))
        self.register_buffer("coordinates", torch.zeros(n_terms, n_terms))
        self.register_buffer("mean", torch.zeros(n_terms))
        self.register_buffer("squares", torch.zeros(n_terms))  # of the lengths of landmarks
        self.register_buffer("unit", torch.ones(()))  # of length: the root mean square of it

    def raw(self, x):
        """Return what the basis makes of rows without anything learnt."""
        return self.basis.raw(x)

    def fit(self, chunks):
        """Fit the basis, and draw landmarks from the training rows."""
        chunks = list(chunks)
        self.basis.fit(iter(chunks))
        drawn = torch.zeros(sum(map(len, chunks)), dtype=torch.bool)
        drawn[torch.randperm(len(drawn), generator=torch.Generator().manual_seed(0))[: self.n_terms]] = True
        pairs = zip(chunks, drawn.split([*map(len, chunks)]), strict=True)
        landmarks = self.basis.expand(torch.cat([chunk[some] for chunk, some in pairs]))[1]
        unit = landmarks.square().sum(1).mean().sqrt()
        self.coordinates.zero_()
        if not unit > 0:
            return
        n = len(landmarks)
        self.unit.copy_(unit)
        self.landmarks[:n] = landmarks / unit
        self.squares[:n] = self.landmarks[:n].square().sum(1)
        values, vectors = eigenvectors(self._kernel(landmarks)[:, :n])
        kept = values > _LEAST * values[-1]
        lengths, vectors = values[kept].sqrt(), vectors[:, kept]
        rows = vectors * lengths  # the landmarks themselves, in coordinates
        scale = unit / rows.var(0, correction=0).sum().sqrt()
        self.coordinates[:n, : len(lengths)] = scale * vectors / lengths
        self.mean[: len(lengths)] = scale * rows.mean(0)

    def expand(self, raw):
        """Return all terms in order, for each row, and their values, both (batch, n_terms)."""
        rows = self.basis.expand(raw)[1]
        # In double precision, equal rows have equal values wherever they stand, and autocast leaves them alone.
        values = self._kernel(rows) @ self.coordinates.to(_precise(rows))
        return self.terms.expand(len(rows), -1), values.to(rows.dtype) - self.mean

    def _kernel(self, rows):
        dtype = _precise(rows)
        rows = rows.to(dtype) / self.unit.to(dtype)
        products = rows @ self.landmarks.to(dtype).T
        distances = rows.square().sum(1, keepdim=True) + self.squares.to(dtype) - 2 * products
        return _LINEAR * products + (1 - _LINEAR) * (-distances).exp()


def _precise(tensor):
    return torch.float32 if tensor.device.type == "mps" else torch.float64
