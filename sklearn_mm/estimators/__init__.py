"""The estimators: fit and predict on tables with pictures, texts, numbers and categories."""

from sklearn_mm.estimators._classifier import MultimodalClassifier
from sklearn_mm.estimators._regressor import MultimodalRegressor

__all__ = ["MultimodalClassifier", "MultimodalRegressor"]
