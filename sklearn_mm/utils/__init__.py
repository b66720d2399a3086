"""Tools for people who extend sklearn-mm."""

from sklearn_mm.utils._declared_parameters import parameter, with_parameters

__all__ = ["parameter", "with_parameters"]
