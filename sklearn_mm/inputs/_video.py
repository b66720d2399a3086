"""`VideoInput`: columns of videos."""

from typing import Any

import pandas as pd
import torch.nn as nn

from sklearn_mm.blocks import VideoSpec
from sklearn_mm.encoders import Encoder
from sklearn_mm.inputs._base import Input, own
from sklearn_mm.preprocessing import VideoTransformer
from sklearn_mm.preprocessing.cells._lists import holds_nothing
from sklearn_mm.preprocessing.video._video_cells import looks_like_video

__all__ = ["VideoInput"]

_TRANSFORMER = VideoTransformer()  # what the signature shows; each Input has one of its own


class VideoInput(Input):
    """Columns of videos, how they are read, augmented and encoded.

    Each column is one block, named after it.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of video files. Animated GIFs, arrays and lists of
        frames might as well be pictures, for which they are taken unless their column is named here.
    transformer : VideoTransformer, default=VideoTransformer()
        How videos are read: how many frames, from when, their size, what happens to unreadable ones. Each column gets a
        clone. What is as by default, an encoder that asks for something else sets.
    encoder : str or Encoder, default="auto"
        What encodes the clips: a name ("frames", or that of an image encoder, "cnn", "resnet", "vit", which then reads
        the frames), or an instance, mostly a `sklearn_mm.encoders.FrameEncoder`, which has an image encoder of any
        sort, pretrained ones among them, read frames. "auto" leaves it to the estimator.
    augment : "auto", "light", "strong", None or torch.nn.Module, default="auto"
        How clips are varied in training, batch by batch, all frames of a clip alike. "auto" is "light", and None before
        a frozen encoder. For settings of one's own hand in a `sklearn_mm.training.ImageAugmentation`. Mirror images
        are a choice: they turn to the right what moves to the left.
    shared : bool, default=False
        Whether all columns are read with the same settings learnt from all of them, and encoded with the same weights:
        for videos of the same sort, such as two cameras.
    pool : {"auto", "mean", "max", "attention"}, default="auto"
        For columns whose cells are lists of clips, and a transformer with ``lists=True``: how the vectors of a row's
        clips become one, as of `ImageInput`.

    Examples
    --------
    >>> from sklearn_mm import VideoInput
    >>> from sklearn_mm.encoders import FrameEncoder
    >>> from sklearn_mm.preprocessing import VideoTransformer
    >>> video = VideoInput("clip", transformer=VideoTransformer(n_frames=8), encoder=FrameEncoder("vit", pool="mean"))
    >>> video.set_params(transformer__fps=4).transformer
    VideoTransformer(fps=4, n_frames=8)
    """

    kind = "video"
    detects = ("video",)
    example_spec = VideoSpec(name="clip", shape=(3, 12, 16, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))

    def __init__(
        self,
        columns: str | int | list = "auto",
        *,
        transformer: VideoTransformer = _TRANSFORMER,
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
        """Return why cells are videos or paths of videos, or None."""
        n_videos = sum(map(looks_like_video, cells))
        if 2 * n_videos <= len(cells):
            return None
        return f"{n_videos} of {len(cells)} cells looked at are videos or paths of videos"

    def takes(self, cell: Any) -> bool:
        """Return whether a cell is a video, or empty."""
        return looks_like_video(cell) or holds_nothing(cell)
