"""Fusions: the features of all blocks in, one vector per row out."""

from sklearn_mm.fusion._attention import AttentionFusion
from sklearn_mm.fusion._base import Fusion
from sklearn_mm.fusion._bilinear import BilinearFusion
from sklearn_mm.fusion._bottleneck import BottleneckFusion
from sklearn_mm.fusion._elementwise import ConcatFusion, MaxFusion, ProductFusion, SumFusion
from sklearn_mm.fusion._film import FiLMFusion
from sklearn_mm.fusion._gated import GatedFusion
from sklearn_mm.fusion._late import LateFusion
from sklearn_mm.fusion._lowrank import LowRankTensorFusion

__all__ = [
    "AttentionFusion",
    "BilinearFusion",
    "BottleneckFusion",
    "ConcatFusion",
    "FiLMFusion",
    "Fusion",
    "GatedFusion",
    "LateFusion",
    "LowRankTensorFusion",
    "MaxFusion",
    "ProductFusion",
    "SumFusion",
]
