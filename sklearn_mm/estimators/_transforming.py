"""Methods that come with ``transform``, offered where there is one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.metaestimators import available_if

__all__ = ["WhereItTransforms"]


def _transforms(estimator):
    return hasattr(estimator, "transform")


class WhereItTransforms:
    """Offers what scikit-learn's mixins of transformers, which come after it, add to ``transform``, only beside one.

    It is no such mixin itself: those replace the methods of their subclasses by others, which are always there.
    """

    @available_if(_transforms)
    def fit_transform(self, X: Any, y: ArrayLike | None = None, **fit_params: Any) -> Any:
        """Fit to rows, and return what `transform` makes of them.

        Parameters
        ----------
        X : like X of `fit`
            Rows.
        y : like y of `fit`, default=None
            The target, of tasks that have one.
        **fit_params : dict
            Further parameters of `fit`.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            One vector per row.
        """
        return super().fit_transform(X, y, **fit_params)

    @available_if(_transforms)
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return names of what `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Not used.

        Returns
        -------
        names : ndarray of str objects
            The name of the class in lower case, and a number.
        """
        return super().get_feature_names_out(input_features)
