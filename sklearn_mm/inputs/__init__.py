"""Which column of a table is what, how it is read, and what encodes it."""

from sklearn_mm.inputs._detect import Detected, detect_kinds
from sklearn_mm.inputs._given_blocks import respecify
from sklearn_mm.inputs._inputs import ImageInput, Input, TabularInput, TextInput
from sklearn_mm.inputs._mixin import InputsMixin
from sklearn_mm.inputs._modality_transformer import ModalityTransformer

__all__ = [
    "Detected",
    "ImageInput",
    "Input",
    "InputsMixin",
    "ModalityTransformer",
    "TabularInput",
    "TextInput",
    "detect_kinds",
    "respecify",
]
