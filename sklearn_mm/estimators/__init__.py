"""Estimators: rows with pictures, texts and numbers in, predictions out; and what one's own are made of."""

from sklearn_mm.estimators._base import BaseMultimodal
from sklearn_mm.estimators._classifier import MultimodalClassifier
from sklearn_mm.estimators._embedder import MultimodalEmbedder
from sklearn_mm.estimators._generator import MultimodalGenerator
from sklearn_mm.estimators._regressor import MultimodalRegressor
from sklearn_mm.estimators._retriever import MultimodalRetriever
from sklearn_mm.estimators._targets import ClassTarget, NoTarget, NumberTarget, Target
from sklearn_mm.estimators._zero_shot import ZeroShotClassifier

__all__ = [
    "BaseMultimodal",
    "ClassTarget",
    "MultimodalClassifier",
    "MultimodalEmbedder",
    "MultimodalGenerator",
    "MultimodalRegressor",
    "MultimodalRetriever",
    "NoTarget",
    "NumberTarget",
    "Target",
    "ZeroShotClassifier",
]
