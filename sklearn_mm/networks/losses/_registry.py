"""Short names of losses."""

from sklearn_mm.networks.losses._base import ClassifierLoss
from sklearn_mm.networks.losses._classification import CrossEntropyLoss, FocalLoss
from sklearn_mm.networks.losses._ordinal import OrdinalLoss
from sklearn_mm.networks.losses._regression import (
    AbsoluteErrorLoss,
    HuberLoss,
    PoissonLoss,
    QuantileLoss,
    RegressorLoss,
    SquaredErrorLoss,
)
from sklearn_mm.utils._registry import Registry

__all__ = ["classifier_losses", "regressor_losses", "resolve_classifier_loss", "resolve_regressor_loss"]

classifier_losses = Registry("loss of a classifier", ClassifierLoss)
classifier_losses.register("cross_entropy", CrossEntropyLoss)
classifier_losses.register("focal", FocalLoss)
classifier_losses.register("ordinal", OrdinalLoss)

regressor_losses = Registry("loss of a regressor", RegressorLoss)
regressor_losses.register("absolute_error", AbsoluteErrorLoss)
regressor_losses.register("huber", HuberLoss)
regressor_losses.register("poisson", PoissonLoss)
regressor_losses.register("quantile", QuantileLoss)
regressor_losses.register("squared_error", SquaredErrorLoss)

resolve_classifier_loss = classifier_losses.resolve
resolve_regressor_loss = regressor_losses.resolve
