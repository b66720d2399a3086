"""The base of the transformers that read one column of cells into one block."""

from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.utils._learner import take_over
from sklearn_mm.utils._parameter_names import NotedParameterNames
from sklearn_mm.utils._pillow_settings import send_with_settings

__all__ = ["BlockTransformer", "check_has_spec"]


class BlockTransformer(NotedParameterNames, TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """A scikit-learn transformer from cells to one array with one row per cell.

    A subclass owes two methods, both of which return ``(array, present)``, where ``present`` (n_rows,) is False for
    cells with nothing in them (missing, or unreadable and ignored); their rows of the array are zeros. Where cells are
    lists of any length the array is a `Ragged`, and ``spec_.pool`` is not None:

    - ``fit_read(X, y=None)`` learns, sets ``spec_`` (a `BlockSpec`), and reads each cell once;
    - ``read(X)`` reads with what was learnt and changes no attribute.

    Attributes
    ----------
    reading_parameters : tuple of str
        Parameters that say from where and how cells are read and not what is made of them, so that they take effect on
        a fitted transformer too.
    """

    reading_parameters = ()

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        send_with_settings(cls)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the cells of ``X``."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Learn from the cells of ``X`` and return their array; each cell is read once."""
        learner = copy(self)  # if it fails, nothing has changed
        array, _ = learner.fit_read(X, y)
        check_has_spec(learner)
        take_over(self, learner)
        self._warn_of_fit()
        return array

    def transform(self, X: Any) -> Any:
        """Return the array for the cells of ``X``, one row per cell."""
        return self.read(X)[0]

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return names for the second axis of the array, whose entries scikit-learn counts as features.

        For texts these are the token ids of a row, for pictures their rows of pixels. Pipelines that make columns of an
        array, with a `sklearn.preprocessing.FunctionTransformer` that names them, need this.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Ignored; here because scikit-learn passes it.

        Returns
        -------
        names : ndarray of shape (n_features,), dtype object
            The column's name and a number, as in "photo_0".
        """
        check_is_fitted(self)
        column = self.spec_.name or "x0"
        n_features = self.spec_.shape[0] if self.spec_.shape else 1
        return np.array([f"{column}_{i}" for i in range(n_features)], dtype=object)

    def _warn_of_fit(self):
        """Warn of what `fit_read` noted; of several columns a `ModalityTransformer` warns at once."""

    def set_output(self, *, transform: Any = None) -> Self:
        """Do nothing: the output is an array of more than two dimensions or of ids, never a table."""
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.input_tags.allow_nan = True
        return tags


def check_has_spec(transformer):
    """Raise TypeError where a transformer's ``fit_read`` did not set ``spec_``."""
    spec = getattr(transformer, "spec_", None)
    if not isinstance(spec, BlockSpec):
        raise TypeError(
            f"{type(transformer).__name__}.fit_read must set `spec_` to the BlockSpec of its rows, got {spec!r}."
        )
