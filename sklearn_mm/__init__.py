"""Multimodal learning with scikit-learn's interface."""

from sklearn_mm.estimators import MultimodalClassifier, MultimodalRegressor
from sklearn_mm.inputs import ImageInput, ModalityTransformer, TabularInput, TextInput

__all__ = [
    "ImageInput",
    "ModalityTransformer",
    "MultimodalClassifier",
    "MultimodalRegressor",
    "TabularInput",
    "TextInput",
]
__version__ = "0.1.0"
