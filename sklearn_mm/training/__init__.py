"""Training: the data set of batches, augmentation, schedules and callbacks around skorch."""

from sklearn_mm.training._audio_augment import AudioAugmentation
from sklearn_mm.training._augment import ImageAugmentation

__all__ = ["AudioAugmentation", "ImageAugmentation"]
