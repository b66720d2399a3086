"""Multimodal learning with scikit-learn's interface."""

import os
import sys

# How often torch's threads look for each other before they sleep: libgomp's own 300,000 times are 3 ms in which, where
# other processes use the cores too, the thread that is waited for does not run (decision 23). It asks once, when torch
# is loaded; whoever sets either variable knows better.
if "torch" not in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")

from sklearn_mm.estimators import (
    MultimodalClassifier,
    MultimodalEmbedder,
    MultimodalGenerator,
    MultimodalRegressor,
    MultimodalRetriever,
    ZeroShotClassifier,
)
from sklearn_mm.inputs import AudioInput, ImageInput, ModalityTransformer, TabularInput, TextInput, VideoInput
from sklearn_mm.inspection import find_duplicates

__all__ = [
    "AudioInput",
    "ImageInput",
    "ModalityTransformer",
    "MultimodalClassifier",
    "MultimodalEmbedder",
    "MultimodalGenerator",
    "MultimodalRegressor",
    "MultimodalRetriever",
    "TabularInput",
    "TextInput",
    "VideoInput",
    "ZeroShotClassifier",
    "find_duplicates",
]
__version__ = "0.1.0"
