"""Cells to arrays: transformers for columns of images, texts and tables."""

from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing._blocks import Blocks
from sklearn_mm.preprocessing._specs import BlockSpec, ImageSpec, TabularSpec, TextSpec

__all__ = ["BlockSpec", "BlockTransformer", "Blocks", "ImageSpec", "TabularSpec", "TextSpec"]
