"""Encoders, fusion and head as one torch module, and the losses it is trained with."""

from sklearn_mm.networks._heads import Head, MLPHead
from sklearn_mm.networks._network import MultimodalNetwork

__all__ = ["Head", "MLPHead", "MultimodalNetwork"]
