"""Cells to arrays: transformers for columns of images, sound, videos, texts and tables."""

from sklearn_mm.blocks import (
    AudioSpec,
    Blocks,
    BlockSpec,
    ImageSpec,
    Ragged,
    TabularSpec,
    TextSpec,
    VectorSpec,
    VideoSpec,
)
from sklearn_mm.preprocessing._base import BlockTransformer
from sklearn_mm.preprocessing.audio._transformer import AudioTransformer
from sklearn_mm.preprocessing.embedding._transformer import EmbeddingTransformer
from sklearn_mm.preprocessing.image._transformer import ImageTransformer
from sklearn_mm.preprocessing.media import MediaDecoder, MediaTransformer, UnreadableError
from sklearn_mm.preprocessing.tabular._transformer import TabularTransformer
from sklearn_mm.preprocessing.text._text_numbers import TextNumbers
from sklearn_mm.preprocessing.text._transformer import TextTransformer
from sklearn_mm.preprocessing.video._transformer import VideoTransformer
from sklearn_mm.storage import BlockStore, LazyRows, SequenceRows, StoredRows

__all__ = [
    "AudioSpec",
    "AudioTransformer",
    "BlockSpec",
    "BlockStore",
    "BlockTransformer",
    "Blocks",
    "EmbeddingTransformer",
    "ImageSpec",
    "ImageTransformer",
    "LazyRows",
    "MediaDecoder",
    "MediaTransformer",
    "Ragged",
    "SequenceRows",
    "StoredRows",
    "TabularSpec",
    "TabularTransformer",
    "TextNumbers",
    "TextSpec",
    "TextTransformer",
    "UnreadableError",
    "VectorSpec",
    "VideoSpec",
    "VideoTransformer",
]
