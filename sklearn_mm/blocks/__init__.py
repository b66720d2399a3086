"""What flows from the transformers to the network: arrays by name, and what is known of each."""

from sklearn_mm.blocks._blocks import Blocks
from sklearn_mm.blocks._ragged import Ragged
from sklearn_mm.blocks._specs import AudioSpec, BlockSpec, ImageSpec, TabularSpec, TextSpec, VectorSpec, VideoSpec

__all__ = [
    "AudioSpec",
    "BlockSpec",
    "Blocks",
    "ImageSpec",
    "Ragged",
    "TabularSpec",
    "TextSpec",
    "VectorSpec",
    "VideoSpec",
]
