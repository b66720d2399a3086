"""Which column of a table is what, how it is read, and what encodes it."""

from sklearn_mm.inputs._audio import AudioInput
from sklearn_mm.inputs._base import Input
from sklearn_mm.inputs._detect import Detected, detect_kinds
from sklearn_mm.inputs._given_blocks import respecify
from sklearn_mm.inputs._image import ImageInput
from sklearn_mm.inputs._mixin import InputsMixin
from sklearn_mm.inputs._modality_transformer import ModalityTransformer
from sklearn_mm.inputs._tabular import TabularInput
from sklearn_mm.inputs._text import TextInput
from sklearn_mm.inputs._video import VideoInput

__all__ = [
    "AudioInput",
    "Detected",
    "ImageInput",
    "Input",
    "InputsMixin",
    "ModalityTransformer",
    "TabularInput",
    "TextInput",
    "VideoInput",
    "detect_kinds",
    "respecify",
]
