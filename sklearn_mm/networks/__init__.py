"""Encoders, fusion and head as one torch module, and the losses it is trained with."""

from sklearn_mm.networks._cross_entropy import CrossEntropyLoss, FocalLoss
from sklearn_mm.networks._heads import Head, MLPHead
from sklearn_mm.networks._losses import ClassifierLoss, Loss
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.networks._ordinal import OrdinalLoss
from sklearn_mm.networks._regression_losses import (
    AbsoluteErrorLoss,
    HuberLoss,
    PoissonLoss,
    QuantileLoss,
    RegressorLoss,
    SquaredErrorLoss,
)
from sklearn_mm.networks._wide import WideLinear

__all__ = [
    "AbsoluteErrorLoss",
    "ClassifierLoss",
    "CrossEntropyLoss",
    "FocalLoss",
    "Head",
    "HuberLoss",
    "Loss",
    "MLPHead",
    "MultimodalNetwork",
    "OrdinalLoss",
    "PoissonLoss",
    "QuantileLoss",
    "RegressorLoss",
    "SquaredErrorLoss",
    "WideLinear",
]
