"""Clips to features: an image encoder reads the frames, and their vectors are pooled over time."""

from functools import partial
from numbers import Integral, Real
from os import PathLike
from typing import Any, Self

import torch
import torch.nn as nn

from sklearn_mm.blocks import BlockSpec, ImageSpec
from sklearn_mm.encoders._base import Encoder, Features, VideoEncoder
from sklearn_mm.encoders._image import CNNEncoder, ResNetEncoder
from sklearn_mm.encoders._registry import names_from_scratch, register_encoder, resolve_encoder
from sklearn_mm.encoders._temporal_pooling import TemporalPooling
from sklearn_mm.encoders._vit import ViTEncoder
from sklearn_mm.utils._component import checked_clone
from sklearn_mm.utils._token_pooling import check_heads
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["FrameEncoder"]

_POSITIVE = Interval(Integral, 1, None, closed="left")


class FrameEncoder(VideoEncoder):
    """Read the frames of clips with an image encoder, all with the same weights, and pool what it says over time.

    Any encoder of pictures will do: one that begins from scratch, which is also shown what changes from frame to frame
    (the difference of RGB, Wang et al., 2016), so that it sees movements; or a pretrained one. What a frozen one says
    of the frames of a clip is computed once, however often the clip comes and whatever is trained behind it.

    Parameters
    ----------
    encoder : str, path or Encoder, default="auto"
        What reads the frames: a name, a folder of a pretrained model or an instance, as of `sklearn_mm.ImageInput`.
        "auto" is a `ResNetEncoder`.
    pool : {"mean", "max", "attention", "transformer"}, default="transformer"
        How the vectors of the frames become one. The mean and the maximum, element by element, do not know the order
        of the frames; with differences, they still know which way things move. "attention" is their mean, weighted by
        what a small network says of each and of its place. A "transformer" lets the frames read each other.
    differences : bool or "auto", default="auto"
        Whether each frame comes with its difference to the next, as further channels. "auto" says so to `CNNEncoder`,
        `ResNetEncoder` and `ViTEncoder`; pretrained ones take as many channels as they were trained with.
    n_frames : int or None, default=None
        How many of the frames of a clip are looked at: in training one at random from each of as many equal stretches,
        else the middle ones (sparse sampling, Wang et al., 2016). Fewer than the transformer reads vary the clips, and
        save time. None looks at all.
    positions : {"sinusoidal", "learnt"}, default="sinusoidal"
        How "attention" and "transformer" tell the places of frames in time: by sines and cosines, or by a vector that
        is learnt for each, which needs more clips.
    width : int, default=128
        Width of the transformer. A multiple of ``n_heads``.
    n_layers : int, default=1
        Number of its layers.
    n_heads : int, default=4
        Number of parts of the width that attend independently of each other.
    mlp_ratio : int, default=2
        Width of the hidden layer of each of its perceptrons, as a multiple of ``width``.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero in it in training.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: ``width`` of a transformer, else that of the image encoder.
    token_features : int
        Width of ``tokens``, one per frame that is looked at, the same.
    frozen : bool
        Whether nothing is trained: the image encoder is frozen, and ``pool`` is "mean" or "max".

    References
    ----------
    Wang, Xiong, Wang, Qiao, Lin, Tang, Van Gool: Temporal Segment Networks: Towards Good Practices for Deep Action
    Recognition. ECCV 2016.

    Karpathy, Toderici, Shetty, Leung, Sukthankar, Fei-Fei: Large-scale Video Classification with Convolutional Neural
    Networks. CVPR 2014.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import CNNEncoder, FrameEncoder
    >>> from sklearn_mm.preprocessing import VideoSpec
    >>> spec = VideoSpec(shape=(8, 32, 32, 3), mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2))
    >>> encoder = FrameEncoder(CNNEncoder(channels=(16, 32)), width=64).build(spec)
    >>> features = encoder(encoder.prepare(torch.zeros(2, 8, 32, 32, 3, dtype=torch.uint8)))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 64]), torch.Size([2, 8, 64]))
    """

    _parameter_constraints = {
        "encoder": [str, PathLike, Encoder],
        "pool": [StrOptions({"mean", "max", "attention", "transformer"})],
        "differences": ["boolean", StrOptions({"auto"})],
        "n_frames": [_POSITIVE, None],
        "positions": [StrOptions({"sinusoidal", "learnt"})],
        "width": [_POSITIVE],
        "n_layers": [_POSITIVE],
        "n_heads": [_POSITIVE],
        "mlp_ratio": [_POSITIVE],
        "dropout": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        encoder: str | PathLike | Encoder = "auto",
        pool: str = "transformer",
        *,
        differences: bool | str = "auto",
        n_frames: int | None = None,
        positions: str = "sinusoidal",
        width: int = 128,
        n_layers: int = 1,
        n_heads: int = 4,
        mlp_ratio: int = 2,
        dropout: float = 0.1,
    ):
        self.encoder = encoder
        self.pool = pool
        self.differences = differences
        self.n_frames = n_frames
        self.positions = positions
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout

    @property
    def reading(self) -> dict[str, Any]:
        """How the image encoder wants pictures read."""
        return self._of_frames.reading

    @property
    def required_reading(self) -> tuple[str, ...]:
        """What of it may not be otherwise."""
        return self._of_frames.required_reading

    @property
    def completes_reading(self) -> bool:
        """Whether it is added to a transformer that stands in place of "auto"."""
        return self._of_frames.completes_reading

    @property
    def frozen(self) -> bool:
        """Whether nothing is trained, so that its features are computed once."""
        return self._of_frames.frozen and self.pool in ("mean", "max")

    @property
    def frozen_part(self) -> nn.Module | None:
        """What is computed once per clip: the whole, or what a frozen image encoder says of each frame."""
        return self if self.frozen else self._modules.get("below")

    def build(self, spec: BlockSpec) -> Self:
        check_heads(self)
        n_frames = self._n_seen(spec)
        encoder = checked_clone(self._of_frames)
        if encoder.embed_cells is not None:
            raise TypeError(
                f"FrameEncoder: {encoder!r} is a function of cells, which has no frames to read. Give it as encoder "
                f"of the Input, where it gets the cells of the column."
            )
        self.sees_differences = self._has_differences(encoder)
        encoder = encoder.build(_with_differences(spec.frame) if self.sees_differences else spec.frame)
        self.pooling = TemporalPooling(
            *(n_frames, encoder.out_features, self.pool, self.positions),
            *(self.width, self.n_layers, self.n_heads, self.mlp_ratio, self.dropout),
        )
        self.out_features = self.token_features = self.pooling.out_features
        if encoder.frozen:
            self.frozen_features = encoder.out_features
            self.below = _FrozenFrames(encoder, self.sees_differences)
        else:
            self.frames = encoder
        return self.train(self.training)

    def parameter_groups(self) -> list[dict]:
        """Return what the image encoder says of the learning rates of its weights."""
        return getattr(self._modules.get("frames"), "parameter_groups", list)()

    def forward(self, x: torch.Tensor) -> Features:
        if "below" in self._modules:
            return self.rest(self.below(x))
        if self.sees_differences:
            x = _beside_differences(x)
        return self.pooling(_vectors(self.frames, self._chosen(x)))

    def rest(self, tensors: dict[str, torch.Tensor]) -> Features:
        """Return the `Features` that follow from what a frozen image encoder says of the frames."""
        return self.pooling(self._chosen(tensors["frames"]))

    @property
    def _of_frames(self):
        return resolve_encoder(self.encoder, "image")

    def _has_differences(self, encoder):
        if self.differences == "auto":
            return isinstance(encoder, CNNEncoder | ResNetEncoder | ViTEncoder)
        return self.differences

    def _n_seen(self, spec):
        n_frames = spec.shape[0]
        if self.n_frames is not None and self.n_frames > n_frames:
            raise ValueError(
                f"FrameEncoder(n_frames={self.n_frames}) looks at more frames than the {n_frames} that the clips of "
                f"block {spec.name!r} have. Read more (`n_frames` of VideoTransformer), or look at fewer."
            )
        return n_frames if self.n_frames is None else self.n_frames

    def _chosen(self, x):
        """Return the frames that are looked at, of tensors (batch, n_frames, ...)."""
        if self.n_frames is None or self.n_frames == x.shape[1]:
            return x
        stretch = torch.arange(self.n_frames, device=x.device)
        if not self.training or self.frozen:
            return x[:, ((stretch + 0.5) * (x.shape[1] / self.n_frames)).long()]
        place = torch.rand(len(x), self.n_frames, device=x.device)
        numbers = ((stretch + place) * (x.shape[1] / self.n_frames)).long().clamp(max=x.shape[1] - 1)
        return x[torch.arange(len(x), device=x.device).unsqueeze(1), numbers]


class _FrozenFrames(nn.Module):
    """What a frozen image encoder says of each frame, and the mean over the clip."""

    def __init__(self, encoder, sees_differences):
        super().__init__()
        self.encoder = encoder
        self.sees_differences = sees_differences

    def forward(self, x):
        with torch.no_grad():
            frames = _vectors(self.encoder, _beside_differences(x) if self.sees_differences else x)
        return {"pooled": frames.mean(1), "frames": frames}


def _vectors(encoder, x):
    """Return the vectors (batch, n_frames, width) of the frames of clips (batch, n_frames, channels, height, width)."""
    return encoder(x.flatten(0, 1)).pooled.unflatten(0, x.shape[:2])


def _beside_differences(x):
    """Return clips with twice the channels: the last ones are what is added up to the next frame."""
    steps = x[:, 1:] - x[:, :-1]
    last = steps[:, -1:] if x.shape[1] > 1 else torch.zeros_like(x)
    return torch.cat([x, torch.cat([steps, last], 1)], 2)


def _with_differences(spec):
    """Return the spec of frames whose channels come with their differences."""
    n_channels = len(spec.mean)
    return ImageSpec(
        name=spec.name,
        shape=(*spec.shape[:2], 2 * n_channels),
        mean=(*spec.mean, *(0.0,) * n_channels),
        std=(*spec.std, *spec.std),
        reading=spec.reading,
    )


register_encoder("video", "frames", FrameEncoder, default=True)
for _name in names_from_scratch("image"):
    # Through a transformer over those of a ViT, gradients of the usual step are lost.
    _pool = "attention" if _name == "vit" else "transformer"
    register_encoder("video", _name, partial(FrameEncoder, _name, _pool))
