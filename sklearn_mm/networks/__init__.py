"""Encoders and a top as one torch module, what it is to learn, and the losses it is trained with."""

from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._heads import EnsembleHead, Head, MLPHead
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.networks._objectives import Objective, Supervised
from sklearn_mm.networks._tops import FusionTop, Top
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
    "BlockEncoders",
    "ClassifierLoss",
    "CrossEntropyLoss",
    "EnsembleHead",
    "FocalLoss",
    "FusionTop",
    "Head",
    "HuberLoss",
    "Loss",
    "MLPHead",
    "MultimodalNetwork",
    "Objective",
    "OrdinalLoss",
    "PoissonLoss",
    "QuantileLoss",
    "RegressorLoss",
    "SquaredErrorLoss",
    "Supervised",
    "Top",
    "WideLinear",
]
