"""The modalities of this package, by kind: which parameters estimators have, and what is looked for in columns."""

from sklearn_mm.inputs._audio import AudioInput
from sklearn_mm.inputs._image import ImageInput
from sklearn_mm.inputs._tabular import TabularInput
from sklearn_mm.inputs._text import TextInput
from sklearn_mm.inputs._video import VideoInput

__all__ = ["MODALITIES"]

_IN_ORDER = (ImageInput, AudioInput, TextInput, VideoInput, TabularInput)  # of blocks
MODALITIES = {input_.kind: input_ for input_ in _IN_ORDER}
