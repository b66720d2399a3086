"""What classifier and regressor share: blocks are fused, and a loss compares outputs with a target."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._parameters import FusionParameters
from sklearn_mm.networks import Objective
from sklearn_mm.networks._objectives import Supervised
from sklearn_mm.networks.wide import resolve_wide
from sklearn_mm.utils._component import checked_clone
from sklearn_mm.utils._declared_parameters import with_parameters
from sklearn_mm.utils._validation import _fit_context

__all__ = ["SupervisedMultimodal"]


@with_parameters
class SupervisedMultimodal(FusionParameters, BaseMultimodal):
    """Base of the estimators that learn to predict a target.

    A subclass owes ``make_target()`` and ``_resolve_loss`` (a registry's ``resolve``), and builds ``_loss`` when it
    learns the form of its target.
    """

    _doc_words = {**BaseMultimodal._doc_words, "outputs": "outputs"}
    _network_parameters = (*BaseMultimodal._network_parameters, "fusion", "head", "wide", "loss", "balancing")

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Learn to predict ``y`` from the rows of ``X``.

        Parameters
        ----------
        X : DataFrame, 2-D array or Blocks of n_rows rows
            A table with columns of pictures, texts, numbers and categories; a 2-D array of numbers (one table) or
            of objects (columns by position); a 4-D array of pictures; or what a `ModalityTransformer` made.
        y : array-like of shape (n_rows,) or (n_rows, n_outputs)
            What to predict.
        sample_weight : array-like of shape (n_rows,), default=None
            Weight of each row in the loss. Rows of weight zero are left out, and not read either.
        X_val, y_val : like X and y, default=None
            Rows to validate with after each epoch, instead of a share of ``X``.
        sample_weight_val : array-like, default=None
            Weights of the validation rows.
        groups : array-like of shape (n_rows,), default=None
            Which rows belong together, as those of one speaker, patient or user: numbers or strings. Those of a group
            are held out together, for validation and in the folds of ``wide``, so that what is chosen by rows that
            were held out is good for groups that are new.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, X_val, y_val, sample_weight_val, groups=groups)

    def transform(self, X: Any) -> np.ndarray:
        """Return the fused features of the rows of ``X``: what the fusion makes of their blocks.

        What a linear part (``wide``) says, which is added to the outputs and which the head sees too, is not in them.

        Parameters
        ----------
        X : like X of `fit`
            Rows.

        Returns
        -------
        features : ndarray of shape (n_rows, n_features_out)
            One vector per row: float32, or float64 if all blocks are tables.
        """
        return self._map(X, lambda network, batch: network.top.fuse(*network.encoders(batch)))

    def make_objective(self, partial: bool = False) -> Objective:
        """Return what is to be learnt: to predict a target from fused blocks.

        Parameters
        ----------
        partial : bool, default=False
            Whether the rows that have been read are not all rows, as in ``partial_fit``.

        Returns
        -------
        objective : Supervised
            New, for the blocks that ``specs_`` tells of.
        """
        wide = None if partial else resolve_wide(self.wide, self.specs_)  # which needs all rows at once
        balancing = None if self.balancing == "auto" else self.balancing
        return Supervised(self._loss, self.fusion, self.head, wide, balancing)

    def _make_loss(self):
        """Return the loss that the parameter names, not built."""
        return checked_clone(self._resolve_loss(self.loss))
