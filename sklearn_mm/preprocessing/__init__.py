"""Cells to arrays: transformers for columns of images, texts and tables."""

from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing._blocks import Blocks
from sklearn_mm.preprocessing._image import ImageTransformer
from sklearn_mm.preprocessing._ragged import Ragged
from sklearn_mm.preprocessing._specs import BlockSpec, ImageSpec, TabularSpec, TextSpec
from sklearn_mm.preprocessing._store import BlockStore
from sklearn_mm.preprocessing._stored import StoredRows
from sklearn_mm.preprocessing._tabular import TabularTransformer
from sklearn_mm.preprocessing._text import TextTransformer

__all__ = [
    "BlockSpec",
    "BlockStore",
    "BlockTransformer",
    "Blocks",
    "ImageSpec",
    "ImageTransformer",
    "Ragged",
    "StoredRows",
    "TabularSpec",
    "TabularTransformer",
    "TextSpec",
    "TextTransformer",
]
