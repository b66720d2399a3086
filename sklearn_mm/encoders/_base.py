"""What every encoder owes: one block's tensors in, `Features` out."""

from typing import Any, NamedTuple, Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.utils._component import Component

__all__ = [
    "AudioEncoder",
    "Encoder",
    "Features",
    "ImageEncoder",
    "TabularEncoder",
    "TextEncoder",
    "VideoEncoder",
    "as_frames",
    "base_encoder",
    "up_to_end",
]


class Features(NamedTuple):
    """What an encoder says about the rows of a batch.

    Parameters
    ----------
    pooled : torch.Tensor of shape (batch, out_features)
        One vector per row.
    tokens : torch.Tensor of shape (batch, n_tokens, token_features)
        The parts of each row: words, places in a picture, columns of a table; the items, where a row has several.
    mask : torch.Tensor of shape (batch, n_tokens), dtype bool
        Which tokens are there; False for padding.
    """

    pooled: torch.Tensor
    tokens: torch.Tensor
    mask: torch.Tensor


class Encoder(Component):
    """Base of all encoders.

    A subclass owes ``build(spec)``, which makes the layers from the block's spec (never from data), sets
    ``out_features`` and ``token_features`` and returns ``self``, and ``forward(x)``, which returns `Features`.
    Rows do not influence each other's features in ``eval`` mode, and padding does not influence any.

    Attributes
    ----------
    out_features : int
        Width of ``Features.pooled``, set by `build`.
    token_features : int
        Width of ``Features.tokens``, set by `build`.
    frozen : bool
        Whether training leaves the encoder as it is, in ``eval`` mode, so that what it says of a row is computed once.
        Known before `build`; the same in a network, whatever asks for gradients there.
    frozen_part : torch.nn.Module or None
        What training leaves as it is, of an encoder that was built: the encoder if it is frozen. One that is partly
        frozen has a module here that maps prepared tensors to a dict of tensors, rows first, which are computed once
        per row, and a method ``rest(tensors)`` that maps these to `Features`; ``forward`` is one after the other. Where
        it says ``gives_tokens``, these are ``pooled``, ``tokens`` and ``mask`` of padded rows, kept without padding.
    frozen_features : int
        Width of the vector that its frozen part, as ``pooled``, says of a row, which a linear model may see; 0 if there
        is none. Set by `build`.
    reading : dict
        How it wants its block read (preprocessing): parameters of the transformer of its modality, such as
        ``{"size": 224, "mean": (0.5, 0.5, 0.5)}``. An Input sets them where the user has set nothing else.
    required_reading : tuple of str
        Those of them with another value of which the encoder cannot be used, which is then an error.
    completes_reading : bool
        Whether ``reading`` is also added to a transformer that stands in place of "auto", where that is as by default.
        Else such a transformer was chosen as a whole.
    embed_cells : callable or None
        What maps a list of cells of the block's column to their vectors (n_cells, width), where that is all the
        encoder does. The block is then read by a `sklearn_mm.preprocessing.EmbeddingTransformer`.
    """

    frozen = False
    tuned = False  # whether layers that came trained are trained on
    frozen_features = 0
    reading = {}
    required_reading = ()
    completes_reading = False
    embed_cells = None
    kind = None  # the modality that the encoder reads; None: any
    fixed_length = False  # whether the layers depend on the length of a row, so that padding must not be trimmed
    own_length = False  # whether it fills rows up to a length of its own, so that nothing depends on others' lengths
    predicts_in_float64 = False  # whether it is so small that a network of its like alone may
    length_costs = True  # whether long rows take much longer than short ones, so that they had better not share batches

    @property
    def frozen_part(self) -> nn.Module | None:
        return self if self.frozen else None

    @property
    def frozen_modules(self) -> list[nn.Module]:
        """Modules that training leaves as they are, and that need be neither averaged nor copied."""
        return [] if self.frozen_part is None else [self.frozen_part]

    @property
    def partly_frozen(self) -> bool:
        """Whether there is a frozen part and more."""
        return self.frozen_part is not None and not self.frozen

    @property
    def reads_vectors(self) -> bool:
        """Whether it takes blocks of vectors that were made of cells, whose spec is a `VectorSpec`."""
        return self.embed_cells is not None

    def reads_kind(self, kind: str) -> bool:
        """Return whether it is known to read blocks of a kind, so that it may stand in where no encoder is named."""
        return self.kind == kind

    def for_kind(self, kind: str) -> Self:
        """Return the encoder as it reads blocks of a kind: for those that read several, each in another way."""
        return self

    def build(self, spec: BlockSpec) -> Self:
        """Make the layers for a block that ``spec`` describes; returns ``self``."""
        raise NotImplementedError

    def register_statistics(self, spec: BlockSpec) -> None:
        """Register what the methods below need of a block's spec, as buffers; for `build`."""

    def prepare(self, x: Any) -> Any:
        """Turn the block's tensor as stored into the one that augmentation and `forward` take."""
        return x

    def module_arguments(self, x: Any) -> tuple:
        """Return what a torch module that is no `Encoder` is called with, as a tuple, of what `prepare` returned."""
        return (x,)

    def token_mask(self, x: Any) -> torch.Tensor | None:
        """Return which entries of ``x``, as `prepare` returned it, are no padding; None where none is padding."""
        return None


_BASES = {}


def base_encoder(kind):
    """Return the class that says how tensors of blocks of a kind are prepared: `Encoder` itself for kinds without."""
    return _BASES.get(kind, Encoder)


def _is_base_of_its_kind(cls):
    _BASES[cls.kind] = cls
    return cls


@_is_base_of_its_kind
class ImageEncoder(Encoder):
    """Base of encoders that read pictures: ``forward`` gets float32 (batch, channels, height, width) in [0, 1].

    The mean and standard deviation of the block, also those that ``reading`` asks for, act only if ``forward`` calls
    ``self.normalise(x)``, and ``build`` of a subclass calls ``super().build(spec)``, which keeps them.

    Examples
    --------
    >>> import torch, torch.nn as nn
    >>> from sklearn_mm import ImageInput
    >>> from sklearn_mm.encoders import Features, ImageEncoder
    >>> class PatchEncoder(ImageEncoder):
    ...     reading = {"size": 24, "mean": 0.5, "std": 0.25}
    ...
    ...     def build(self, spec):
    ...         super().build(spec)
    ...         self.patches = nn.Conv2d(len(spec.mean), 8, kernel_size=4, stride=4)
    ...         self.out_features = self.token_features = 8
    ...         return self
    ...
    ...     def forward(self, x):
    ...         tokens = self.patches(self.normalise(x)).relu().flatten(2).transpose(1, 2)
    ...         return Features(tokens.mean(1), tokens, tokens.new_ones(tokens.shape[:2]).bool())
    >>> spec = ImageInput.example_spec.read_with(PatchEncoder.reading)
    >>> PatchEncoder().build(spec)(torch.rand(2, 3, 24, 24)).tokens.shape
    torch.Size([2, 36, 8])
    """

    kind = "image"

    def build(self, spec: BlockSpec) -> Self:
        """Keep the block's mean and standard deviation; subclasses add their layers."""
        self.register_statistics(spec)
        return self

    def register_statistics(self, spec: BlockSpec) -> None:
        """Register the block's mean and standard deviation."""
        self.register_buffer("mean", torch.tensor(spec.mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std, dtype=torch.float32).view(1, -1, 1, 1))

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (batch, height, width, channels) into float32 (batch, channels, height, width) in [0, 1]."""
        return x.movedim(-1, -3).to(torch.float32, copy=True).div_(255)

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """Subtract the block's mean and divide by its standard deviation, channel by channel."""
        return (x - self.mean) / self.std

    def module_arguments(self, x: torch.Tensor) -> tuple:
        """Return the normalised pictures."""
        return (ImageEncoder.normalise(self, x),)


@_is_base_of_its_kind
class VideoEncoder(ImageEncoder):
    """Base of encoders that read clips: ``forward`` gets float32 (batch, n_frames, channels, height, width) in [0, 1].

    As in an `ImageEncoder`, ``self.normalise(x)`` is for ``forward`` to call.
    """

    kind = "video"


@_is_base_of_its_kind
class TextEncoder(Encoder):
    """Base of encoders that read token ids: `forward` gets int64 (batch, length), 0 for padding."""

    kind = "text"
    tokenizer = "word"  # the tokenizer that `TextInput(transformer="auto")` reads with for this encoder

    @property
    def reading(self) -> dict[str, Any]:
        """The tokenizer."""
        return {"tokenizer": self.tokenizer}

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Turn int32 ids into the int64 that embedding layers take."""
        return x.long()

    def token_mask(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return where there are ids."""
        return x != 0


@_is_base_of_its_kind
class AudioEncoder(Encoder):
    """Base of encoders that read sound: `forward` gets waves, float32 (batch, n_samples) in [-1, 1], 0 for padding.

    Of a block of log-mels it gets these, (batch, n_frames, n_bands), if ``build`` of a subclass calls
    ``super().build(spec)``.
    """

    kind = "audio"
    stored_bands = None  # of a block of log-mels

    def build(self, spec: BlockSpec) -> Self:
        """Keep what is known of log-mels; subclasses add their layers."""
        self.register_statistics(spec)
        return self

    def register_statistics(self, spec: BlockSpec) -> None:
        """Keep the number of bands of log-mels."""
        self.stored_bands = getattr(spec, "n_bands", None)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Turn int16 samples into float32 in [-1, 1], and float16 log-mels into float32."""
        return x.float() / 2**15 if x.dtype == torch.int16 else x.float()

    def module_arguments(self, x: torch.Tensor) -> tuple:
        """Return the waves, or log-mels (batch, n_frames, n_bands)."""
        return (x if self.stored_bands is None else as_frames(x, self.stored_bands),)

    def token_mask(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return which samples, or frames, are not behind the end of the sound."""
        return up_to_end(x if self.stored_bands is None else as_frames(x, self.stored_bands).ne(0).any(2))


def as_frames(x, n_bands):
    """Return numbers (batch, any) as frames (batch, n_frames, n_bands), of which zeros may have been cut off."""
    return F.pad(x, (0, -x.shape[1] % n_bands)).unflatten(1, (-1, n_bands))


def up_to_end(x):
    """Return which numbers (batch, n) are not behind the last that is not zero."""
    return x.ne(0).flip(1).cummax(1).values.flip(1)


@_is_base_of_its_kind
class TabularEncoder(Encoder):
    """Base of encoders that read tables: `forward` gets a dict of ``numbers`` and ``codes``.

    ``numbers`` is (batch, n_numbers), of the dtype of the encoder's weights: float32, or float64 when an estimator of
    tables alone predicts. ``codes`` is int64 (batch, n_categories).
    """

    kind = "tabular"
    predicts_in_float64 = True

    def prepare(self, x: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Turn int32 codes into the int64 that embedding layers take, and numbers into the dtype of the weights."""
        weight, *_ = [*self.parameters(), x["numbers"]]  # torch 2.6 cannot export next() with a default
        return {"numbers": x["numbers"].to(weight.dtype), "codes": x["codes"].long()}

    def module_arguments(self, x: dict[str, torch.Tensor]) -> tuple:
        """Return the numbers, and the codes where there are any."""
        return (x["numbers"], x["codes"]) if x["codes"].shape[1] else (x["numbers"],)
