"""`AudioInput`: columns of sound."""

from typing import Any

import pandas as pd
import torch.nn as nn

from sklearn_mm.blocks import AudioSpec
from sklearn_mm.encoders import Encoder
from sklearn_mm.inputs._base import Input, own
from sklearn_mm.inputs._column_contents import filled
from sklearn_mm.preprocessing import AudioTransformer
from sklearn_mm.preprocessing.audio._sound_cells import can_hold_sound, looks_like_sound
from sklearn_mm.preprocessing.cells._lists import holds_nothing, is_list

__all__ = ["AudioInput"]

_TRANSFORMER = AudioTransformer()  # what the signature shows; each Input has one of its own


class AudioInput(Input):
    """Columns of sound, how they are read, augmented and encoded.

    Each column is one block, named after it.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of sound.
    transformer : AudioTransformer, default=AudioTransformer()
        How sounds are read: rate, part, what happens to unreadable ones. Each column gets a clone. What is as by
        default, an encoder that asks for something else sets.
    encoder : str or Encoder, default="auto"
        What encodes the sounds: a name ("cnn", "gru", "transformer"; pretrained: "wav2vec2", "whisper"), the folder of
        a pretrained model, or an instance, such as a `sklearn_mm.encoders.PretrainedEncoder`. "auto" leaves it to the
        estimator.
    augment : "auto", "light", "strong", None or torch.nn.Module, default="auto"
        How sounds are varied in training, batch by batch. "auto" is "light", and None before a frozen encoder. For
        settings of one's own, hand in a `sklearn_mm.training.AudioAugmentation`.
    shared : bool, default=False
        Whether all columns are read with the same settings learnt from all of them, and encoded with the same weights.
    pool : {"auto", "mean", "max", "attention"}, default="auto"
        For columns whose cells are lists of sounds: how the vectors that the encoder makes of the sounds of a row
        become one vector, as of `ImageInput`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import AudioInput, ModalityTransformer
    >>> from sklearn_mm.preprocessing import AudioTransformer
    >>> beeps = [(np.sin(np.arange(4000) / step), 8000) for step in (2, 5, 9)]
    >>> X = pd.DataFrame({"call": pd.Series(beeps, dtype=object)})
    >>> audio = AudioInput("call", transformer=AudioTransformer(rate=8000))
    >>> ModalityTransformer(audio=audio).fit_transform(X)["call"]
    SequenceRows(int16[3, 4000])
    """

    kind = "audio"
    detects = ("audio",)
    shares_columns_with = ("video",)  # whose files have sound
    example_spec = AudioSpec(name="call", shape=(1000,), rate=4000)

    def __init__(
        self,
        columns: str | int | list = "auto",
        *,
        transformer: AudioTransformer = _TRANSFORMER,
        encoder: str | Encoder = "auto",
        augment: str | nn.Module | None = "auto",
        shared: bool = False,
        pool: str = "auto",
    ):
        self.columns = columns
        self.transformer = own(transformer, _TRANSFORMER)
        self.encoder = encoder
        self.augment = augment
        self.shared = shared
        self.pool = pool

    def recognise(self, cells: pd.Series) -> str | None:
        """Return why cells are sounds, paths of sounds or lists of these, or None."""
        n_lists = sum(map(_are_sounds, cells))
        n_sounds = sum(map(looks_like_sound, cells)) + n_lists
        if 2 * n_sounds <= len(cells):
            return None
        listed = f", {n_lists} of them lists" if n_lists else ""
        return f"{n_sounds} of {len(cells)} cells looked at are sounds or paths of sounds{listed}"

    def takes(self, cell: Any) -> bool:
        """Return whether a cell can hold sound, is a list, or empty."""
        return is_list(cell) or can_hold_sound(cell) or holds_nothing(cell)


def _are_sounds(cell):
    items = filled(cell) if is_list(cell) and not looks_like_sound(cell) else []
    return bool(items) and all(map(looks_like_sound, items))
