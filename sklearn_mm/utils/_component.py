"""The base of encoders, fusions and heads: torch modules that scikit-learn can clone."""

import torch.nn as nn
from sklearn.base import BaseEstimator, clone

from sklearn_mm.utils._parameter_names import NotedParameterNames

__all__ = ["Component", "checked_clone"]


class Component(NotedParameterNames, nn.Module, BaseEstimator):
    """A torch module whose hyper-parameters are scikit-learn parameters.

    ``__init__`` stores, ``build`` makes the layers, ``forward`` maps tensors. Only ``clone(component).build(...)`` is
    ever trained, so that the instance that a user hands in stays as it was.

    Two methods are optional. ``start(blocks, y, sample_weight, generator)`` runs once after ``build``, with the
    training rows only, for what starts from data. ``parameter_groups()`` returns a list of dicts in the manner of
    torch's optimisers (``params``, and for example ``weight_decay``); ``lr_scale`` in one of them multiplies the
    estimator's learning rate.
    """

    _parameter_constraints = {}

    def __new__(cls, *args, **kwargs):
        component = super().__new__(cls)
        nn.Module.__init__(component)  # so that __init__ can be a plain scikit-learn one
        return component

    def __init__(self):
        pass

    def __setattr__(self, name, value):
        if name in self._get_param_names():  # torch sets attributes in each ``train`` and ``eval``
            object.__setattr__(self, name, value)  # a parameter, even one that is a module, is not a layer
        else:
            super().__setattr__(name, value)

    __repr__ = BaseEstimator.__repr__


def checked_clone(component):
    """Return a copy of a component, to build and train, whose parameters have been checked."""
    component = clone(component)
    component._validate_params()
    return component
