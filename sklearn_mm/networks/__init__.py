"""Encoders, fusion and head as one torch module, and the losses it is trained with."""

from sklearn_mm.networks._heads import Head, MLPHead
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.networks.losses._base import ClassifierLoss, Loss
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
from sklearn_mm.networks.wide import WideLinear

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
