"""Sound to features: convolutions over log-mels, with recurrence or self-attention over time behind them."""

from numbers import Integral, Real
from typing import Self

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders._base import AudioEncoder, Features, as_frames, up_to_end
from sklearn_mm.encoders._norm import BatchNorm2d
from sklearn_mm.encoders._registry import register_encoder
from sklearn_mm.encoders._self_attention_layers import AttentionLayers
from sklearn_mm.encoders._text import read_backwards
from sklearn_mm.utils._log_mel import LogMel, level_frames
from sklearn_mm.utils._token_pooling import check_heads, masked_max, masked_mean, masked_std
from sklearn_mm.utils._validation import Interval, StrOptions, TupleOf
from sklearn_mm.utils._waves import waves

__all__ = ["AudioCNNEncoder", "AudioRNNEncoder", "AudioSelfAttentionEncoder", "LogMelEncoder"]

_POSITIVE = Interval(Integral, 1, None, closed="left")
_SHARE = Interval(Real, 0, 1, closed="left")


class LogMelEncoder(AudioEncoder):
    """Base of encoders that see sound as log-mel spectrograms: ``forward`` gets float32 (batch, n_frames, n_bands).

    Frames are 10 milliseconds apart. They are made of waves on the device, batch by batch, or were when the block was
    read. The mean of each sound is zero, as of how loud it is, and what lies more than 40 decibels below its loudest
    band is raised to there, as of what a microphone adds. Frames behind the end of a sound are zeros. A subclass has
    the parameters ``n_bands`` and what `read` needs, and calls ``super().build(spec)``.
    """

    def build(self, spec: BlockSpec) -> Self:
        """Make what turns waves into log-mels, and the convolutions that `read` goes through."""
        super().build(spec)
        n_bands = self.stored_bands or self.n_bands
        if self.stored_bands is None:
            self.log_mel = LogMel(spec.rate, n_bands)
        self.convolutions = _Convolutions(self.channels, n_bands, self.width).to(memory_format=torch.channels_last)
        return self

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """Turn samples, or stored log-mels, into normalised log-mels (batch, n_frames, n_bands)."""
        x = super().prepare(x)
        if self.stored_bands is not None:
            log_mel = as_frames(x, self.stored_bands)
            return level_frames(log_mel, up_to_end(log_mel.ne(0).any(2)))
        n_samples = up_to_end(x).sum(1)
        log_mel = self.log_mel(x)
        is_frame = torch.arange(log_mel.shape[1], device=x.device) < self.log_mel.n_frames(n_samples).unsqueeze(1)
        return level_frames(log_mel, is_frame)

    def token_mask(self, x: torch.Tensor) -> torch.Tensor:
        """Return which frames are not behind the end of the sound."""
        return up_to_end(x.ne(0).any(2))

    def read(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the steps that convolutions make of log-mels, (batch, n_steps, width), and which are there."""
        return self.convolutions(x, self.token_mask(x))


class _Convolutions(nn.Module):
    """Convolutions over time and pitch, each of which halves both, and a linear map of all pitches of a step.

    The first halves time by its stride, as neighbouring frames overlap by more than half; maxima do the rest.
    """

    def __init__(self, channels, n_bands, width):
        super().__init__()
        self.layers, self.norms, n_channels = nn.ModuleList(), nn.ModuleList(), 1
        for n_filters in channels:
            stride = 1 if self.layers else (2, 1)
            self.layers.append(nn.Conv2d(n_channels, n_filters, 3, stride, padding=1, bias=False))
            self.norms.append(BatchNorm2d(n_filters))
            n_channels = n_filters
            n_bands = -(-n_bands // 2)
        self.pools = [(2, 2)] * (len(channels) - 1) + [(1, 2)]
        self.project = nn.Linear(n_channels * n_bands, width)

    def forward(self, x, mask):
        x = x.unsqueeze(1).contiguous(memory_format=torch.channels_last)  # (batch, 1, n_frames, n_bands)
        mask = mask[:, ::2]
        for layer, norm, pool in zip(self.layers, self.norms, self.pools, strict=True):
            # What is behind the end is zero before each convolution, as it would be in a shorter batch.
            x = norm(layer(x)).relu() * mask[:, None, :, None]
            x = F.max_pool2d(x, pool, ceil_mode=True)
            mask = mask[:, :: pool[0]]
        steps = self.project(x.transpose(1, 2).flatten(2)).relu()
        return steps * mask.unsqueeze(2), mask


def _pool(steps, mask, how):
    if how == "max":
        return masked_max(steps, mask)
    mean = masked_mean(steps, mask)
    return mean if how == "mean" else torch.cat([mean, masked_std(steps, mask)], 1)


class AudioCNNEncoder(LogMelEncoder):
    """Read sound with convolutions over its log-mel spectrogram, and pool over time.

    Parameters
    ----------
    n_bands : int, default=40
        Number of mel bands, where the block holds waves. More tell closer pitches apart.
    channels : tuple of int, default=(16, 32, 64)
        Number of filters of each convolution, behind each of which time and pitch are halved.
    width : int, default=128
        Width of the vector that is made of all pitches of a step.
    pool : {"mean_std", "mean", "max"}, default="mean_std"
        How the steps become one vector: their mean and their spread side by side (statistics pooling), or one of them.
    dropout : float, default=0.2
        Share of the values of the result, in [0, 1), that are set to zero in training.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``, one per step of 80 milliseconds (with three convolutions): ``width``.

    References
    ----------
    Hershey et al.: CNN Architectures for Large-Scale Audio Classification. ICASSP 2017.

    Snyder, Garcia-Romero, Povey, Khudanpur: Deep Neural Network Embeddings for Text-Independent Speaker Verification.
    Interspeech 2017 (statistics pooling).

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import AudioCNNEncoder
    >>> from sklearn_mm.preprocessing import AudioSpec
    >>> encoder = AudioCNNEncoder().build(AudioSpec(shape=(16_000,), rate=16_000))
    >>> log_mels = encoder.prepare(torch.ones(2, 16_000, dtype=torch.int16))
    >>> log_mels.shape
    torch.Size([2, 100, 40])
    >>> features = encoder(log_mels)
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 256]), torch.Size([2, 13, 128]))
    """

    _parameter_constraints = {
        "n_bands": [_POSITIVE],
        "channels": [TupleOf(_POSITIVE, min_length=1)],
        "width": [_POSITIVE],
        "pool": [StrOptions({"mean_std", "mean", "max"})],
        "dropout": [_SHARE],
    }

    def __init__(
        self,
        n_bands: int = 40,
        channels: tuple[int, ...] = (16, 32, 64),
        width: int = 128,
        pool: str = "mean_std",
        dropout: float = 0.2,
    ):
        self.n_bands = n_bands
        self.channels = channels
        self.width = width
        self.pool = pool
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        super().build(spec)
        self.drop = nn.Dropout(self.dropout)
        self.token_features = self.width
        self.out_features = self.width * (2 if self.pool == "mean_std" else 1)
        return self

    def forward(self, x: torch.Tensor) -> Features:
        steps, mask = self.read(x)
        return Features(self.drop(_pool(steps, mask, self.pool)), steps, mask)


class AudioRNNEncoder(LogMelEncoder):
    """Read sound with convolutions over its log-mel spectrogram, then step by step in both directions (CRNN).

    Parameters
    ----------
    n_bands : int, default=40
        Number of mel bands, where the block holds waves.
    channels : tuple of int, default=(16, 32)
        Number of filters of each convolution, behind each of which time and pitch are halved.
    width : int, default=128
        Width of what is read of each step.
    hidden_size : int, default=64
        Width of the state of the gated recurrent units, in each direction.
    pool : {"mean_std", "mean", "max"}, default="mean"
        How the steps become one vector.
    dropout : float, default=0.2
        Share of values, in [0, 1), that are set to zero in training: of the steps, and of the result.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``, set by `build`.
    token_features : int
        Width of ``tokens``, one per step of 40 milliseconds (with two convolutions): twice ``hidden_size``.

    References
    ----------
    Choi, Fazekas, Sandler, Cho: Convolutional Recurrent Neural Networks for Music Classification. ICASSP 2017.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import AudioRNNEncoder
    >>> from sklearn_mm.preprocessing import AudioSpec
    >>> encoder = AudioRNNEncoder().build(AudioSpec(shape=(8_000,), rate=8_000))
    >>> features = encoder(encoder.prepare(torch.ones(2, 8_000, dtype=torch.int16)))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 128]), torch.Size([2, 25, 128]))
    """

    _parameter_constraints = {
        "n_bands": [_POSITIVE],
        "channels": [TupleOf(_POSITIVE, min_length=1)],
        "width": [_POSITIVE],
        "hidden_size": [_POSITIVE],
        "pool": [StrOptions({"mean_std", "mean", "max"})],
        "dropout": [_SHARE],
    }

    def __init__(
        self,
        n_bands: int = 40,
        channels: tuple[int, ...] = (16, 32),
        width: int = 128,
        hidden_size: int = 64,
        pool: str = "mean",
        dropout: float = 0.2,
    ):
        self.n_bands = n_bands
        self.channels = channels
        self.width = width
        self.hidden_size = hidden_size
        self.pool = pool
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        super().build(spec)
        self.forwards = nn.GRU(self.width, self.hidden_size, batch_first=True)
        self.backwards = nn.GRU(self.width, self.hidden_size, batch_first=True)
        self.drop = nn.Dropout(self.dropout)
        self.token_features = 2 * self.hidden_size
        self.out_features = self.token_features * (2 if self.pool == "mean_std" else 1)
        return self

    def forward(self, x: torch.Tensor) -> Features:
        steps, mask = self.read(x)
        steps = self.drop(steps)
        there, _ = self.forwards(steps)
        back, _ = self.backwards(read_backwards(steps, mask))
        tokens = torch.cat([there, read_backwards(back, mask)], 2) * mask.unsqueeze(2)
        return Features(self.drop(_pool(tokens, mask, self.pool)), tokens, mask)


class AudioSelfAttentionEncoder(LogMelEncoder):
    """Read sound with convolutions over its log-mel spectrogram, and let its steps read each other (transformer).

    Parameters
    ----------
    n_bands : int, default=40
        Number of mel bands, where the block holds waves.
    channels : tuple of int, default=(16, 32)
        Number of filters of each convolution, behind each of which time and pitch are halved.
    width : int, default=128
        Width of the steps and of the result. A multiple of ``n_heads``.
    n_layers : int, default=2
        Number of layers of self-attention.
    n_heads : int, default=4
        Number of parts of the width that attend independently of each other.
    mlp_ratio : int, default=2
        Width of the hidden layer of each perceptron, as a multiple of ``width``.
    pool : {"mean", "max", "token"}, default="mean"
        How the steps become one vector, as of `SelfAttentionEncoder`.
    dropout : float, default=0.1
        Share of values, in [0, 1), that are set to zero in training.

    Attributes
    ----------
    out_features : int
        Width of ``pooled``: ``width``.
    token_features : int
        Width of ``tokens``, one per step of 40 milliseconds (with two convolutions): ``width``.

    References
    ----------
    Gulati et al.: Conformer: Convolution-augmented Transformer for Speech Recognition. Interspeech 2020 (convolutions
    that halve time before attention).

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import AudioSelfAttentionEncoder
    >>> from sklearn_mm.preprocessing import AudioSpec
    >>> encoder = AudioSelfAttentionEncoder(width=64).build(AudioSpec(shape=(8_000,), rate=8_000))
    >>> features = encoder(encoder.prepare(torch.ones(2, 8_000, dtype=torch.int16)))
    >>> features.pooled.shape, features.tokens.shape
    (torch.Size([2, 64]), torch.Size([2, 25, 64]))
    """

    _parameter_constraints = {
        "n_bands": [_POSITIVE],
        "channels": [TupleOf(_POSITIVE, min_length=1)],
        "width": [_POSITIVE],
        "n_layers": [_POSITIVE],
        "n_heads": [_POSITIVE],
        "mlp_ratio": [_POSITIVE],
        "pool": [StrOptions({"mean", "max", "token"})],
        "dropout": [_SHARE],
    }

    def __init__(
        self,
        n_bands: int = 40,
        channels: tuple[int, ...] = (16, 32),
        width: int = 128,
        n_layers: int = 2,
        n_heads: int = 4,
        mlp_ratio: int = 2,
        pool: str = "mean",
        dropout: float = 0.1,
    ):
        self.n_bands = n_bands
        self.channels = channels
        self.width = width
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.mlp_ratio = mlp_ratio
        self.pool = pool
        self.dropout = dropout

    def build(self, spec: BlockSpec) -> Self:
        super().build(spec)
        check_heads(self)
        self.layers = AttentionLayers(self.width, self.n_layers, self.n_heads, self.mlp_ratio, self.dropout, self.pool)
        self.out_features = self.token_features = self.width
        return self

    def forward(self, x: torch.Tensor) -> Features:
        steps, mask = self.read(x)
        pooled, tokens = self.layers(steps + waves(steps.shape[1], self.width, steps), mask)
        return Features(pooled, tokens, mask)


register_encoder("audio", "cnn", AudioCNNEncoder, default=True)
register_encoder("audio", "gru", AudioRNNEncoder)
register_encoder("audio", "transformer", AudioSelfAttentionEncoder)
