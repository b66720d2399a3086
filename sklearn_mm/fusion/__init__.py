"""Fusions: the features of all blocks in, one vector per row out."""

from sklearn_mm.fusion._base import Fusion
from sklearn_mm.fusion._elementwise import ConcatFusion, MaxFusion, ProductFusion, SumFusion
from sklearn_mm.fusion._gated import GatedFusion
from sklearn_mm.fusion._late import LateFusion

__all__ = ["ConcatFusion", "Fusion", "GatedFusion", "LateFusion", "MaxFusion", "ProductFusion", "SumFusion"]
