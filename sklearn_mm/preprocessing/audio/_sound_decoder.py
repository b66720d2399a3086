"""Sound as a medium: what cells of it hold, and how one becomes a row of samples or of log-mels."""

import functools
import importlib.metadata
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar

import numpy as np
import torch

from sklearn_mm.preprocessing.audio._sound_cells import Samples, can_hold_sound, channels_last, plain_sound
from sklearn_mm.preprocessing.audio._sound_files import MOST_RATE, one_channel, read_part
from sklearn_mm.preprocessing.cells._paths import as_spelt_on_disk, file_path
from sklearn_mm.preprocessing.media._decoder import MediaDecoder
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.media._uris import check_no_url
from sklearn_mm.preprocessing.video._sound import is_ffmpegs, read_sound
from sklearn_mm.utils._log_mel import LogMel
from sklearn_mm.utils._optional import import_extra

__all__ = ["SoundDecoder"]

_VERSION = 1  # of `decode`: to be raised when it comes to give other samples
_FULL_SCALE = 2**15
_TRIM_SECONDS = 0.02  # of which the loudness is looked at


@dataclass(frozen=True, kw_only=True)
class SoundDecoder(MediaDecoder):
    """How a cell with sound becomes a row: int16 samples, or float16 log-mels, frame after frame.

    Parameters
    ----------
    rate, array_rate, channel, offset, max_seconds, crop, trim, loudness, features, n_bands
        As of `AudioTransformer`; ``max_seconds`` is a number, and ``channel`` a number or None for the mean.
    longest : int, default=None
        Number of samples of the longest row, to which others are cut in the end.
    """

    kind: ClassVar[str] = "audio"
    accepted: ClassVar[str] = (
        "paths (str or pathlib.Path), data: URIs, bytes, file objects, arrays, pairs (array, rate), and dicts of "
        "'bytes' and 'path' or of 'array' and 'sampling_rate'"
    )
    row_shape: ClassVar[tuple] = (None,)  # any length

    rate: int
    array_rate: float | None
    channel: int | None
    offset: float
    max_seconds: float
    crop: str
    trim: float | None
    loudness: float | None
    features: str
    n_bands: int
    longest: int | None = None

    @property
    def dtype(self):
        return np.dtype(np.float16 if self.features == "log_mel" else np.int16)

    @property
    def settings(self):
        bands = (self.features, self.n_bands) if self.features == "log_mel" else self.features
        how = (self.rate, self.array_rate, self.channel, self.offset, self.max_seconds, self.crop, self.trim)
        return _VERSION, *how, self.loudness, self.longest, bands, *_versions()

    @property
    def log_mel(self):
        """What makes log-mels of waves."""
        return _log_mel(self.rate, self.n_bands)

    def accepts(self, cell):
        return can_hold_sound(cell)

    def plain(self, cell):
        return plain_sound(cell)

    def content(self, cell):
        if not isinstance(cell, Samples):
            return None
        array = cell.array
        return b"samples\0", repr((array.shape, array.dtype.str, cell.rate)).encode(), array.tobytes()

    def describe(self, cell):
        if isinstance(cell, Samples):
            return f"({super().describe(cell.array)}, rate {cell.rate!r})"
        return super().describe(cell)

    def decode(self, cell):
        decoded, rate = self._samples(self.plain(cell))
        samples = self._resampled(decoded, rate)
        if self.trim is not None:
            samples = _without_silent_ends(samples, self.rate, self.trim)
        if self.longest is not None and len(samples) > self.longest:
            start = self._start(len(samples), self.longest)
            samples = samples[start : start + self.longest]
        if self.loudness is not None:
            samples = _as_loud(samples, self.loudness)
        if samples.dtype == np.int16 and self.features == "wave":
            return samples
        samples = _to_float(samples)
        peak = max(samples.max(), -samples.min())
        if not np.isfinite(peak):
            n_bad = np.count_nonzero(~np.isfinite(decoded))
            raise UnreadableError(f"has {n_bad} samples of {len(decoded)} that are not finite (NaN or infinite)")
        if self.features == "wave":
            return _to_int16(samples, peak)
        with torch.no_grad():
            waves = torch.tensor(samples / max(np.float32(1), peak)).unsqueeze(0)
            return self.log_mel(waves).flatten().numpy().astype(np.float16)

    def _samples(self, cell):
        """Return the samples (n,) that are asked for, int16 or float32, and their rate."""
        if isinstance(cell, Samples):
            return self._of_array(cell.array, cell.rate)
        if isinstance(cell, np.ndarray):
            return self._of_array(cell, self.array_rate)
        if not isinstance(cell, (bytes, bytearray, memoryview)):
            check_no_url(cell)
            cell = as_spelt_on_disk(file_path(cell, self.root))
        takes_int16 = self.trim is None and self.loudness is None
        try:
            return read_part(cell, self._part, self.channel, self.rate if takes_int16 else None)
        except UnreadableError:
            if not is_ffmpegs(cell):
                raise
        most = self.offset + self.max_seconds if self.crop == "start" else None
        return self._of_array(*read_sound(cell, max_seconds=most))

    def _of_array(self, array, rate):
        if rate is None:
            raise UnreadableError(
                "is an array whose rate is not known: pass pairs (array, rate), or the rate of all arrays as array_rate"
            )
        if not isinstance(rate, Real) or not 0 < rate <= MOST_RATE:
            raise UnreadableError(f"has the rate {rate!r}; samples per second are a number above 0")
        samples = channels_last(array)
        if not len(samples):
            raise UnreadableError("has no samples")
        n_channels = samples.shape[1]
        if self.channel is not None and self.channel >= n_channels:
            raise UnreadableError(f"has {n_channels} channels, and no channel {self.channel}")
        start, n_wanted = self._part(len(samples), rate)
        samples = samples[start : start + n_wanted]
        samples = one_channel(_to_float(samples), self.channel) if n_channels > 1 else samples[:, 0]
        if samples.dtype != np.int16 or self.trim is not None or self.loudness is not None:
            samples = _to_float(samples)
        return samples, rate

    def _part(self, n_samples, rate):
        """Return from where on, and how many of the samples of a sound are read."""
        first = round(self.offset * rate)
        if first >= n_samples:
            raise UnreadableError(
                f"is {n_samples / rate:.3g} seconds long, of which nothing is left after offset={self.offset:g}"
            )
        n_left = n_samples - first
        n_wanted = min(n_left, max(1, round(self.max_seconds * rate)))
        return first + self._start(n_left, n_wanted), n_wanted

    def _start(self, n_samples, n_wanted):
        """Return where the part that is read of some samples begins."""
        return {"start": 0, "center": (n_samples - n_wanted) // 2, "end": n_samples - n_wanted}[self.crop]

    def _resampled(self, samples, rate):
        if rate == self.rate:
            return samples
        resampled = _soxr().resample(_to_float(samples), rate, self.rate)
        return resampled if len(resampled) else np.zeros(1, dtype=np.float32)  # of less than one sample


@functools.cache
def _soxr():
    return import_extra("soxr", "audio", "AudioTransformer (sound of another rate)")


@functools.cache
def _log_mel(rate, n_bands):
    return LogMel(rate, n_bands)


@functools.cache
def _versions():
    """Return the versions of what decodes and resamples, None for what is not installed."""
    versions = []
    for name in ("soundfile", "soxr", "av"):
        try:
            versions.append(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            versions.append(None)
    return tuple(versions)


def _to_float(samples):
    """Return samples as float32, of which 1 is full scale."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    bits = 8 * samples.dtype.itemsize
    if bits == 64:
        raise UnreadableError(f"an array of {samples.dtype} has no full scale; convert it to int16 or float")
    zero = 2 ** (bits - 1) if samples.dtype.kind == "u" else 0
    return ((samples.astype(np.float64 if bits == 32 else np.float32) - zero) / 2 ** (bits - 1)).astype(np.float32)


def _to_int16(samples, peak):
    """Return floats as int16; those whose peak is beyond full scale are made less loud as a whole."""
    scaled = np.rint(samples * np.float32(_FULL_SCALE / max(1.0, peak)))
    if peak > 1 - 1 / _FULL_SCALE:
        np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1, out=scaled)
    return scaled.astype(np.int16)


def _without_silent_ends(samples, rate, decibels):
    """Return samples without the beginning and the end that are so much less loud than the loudest part."""
    size = max(1, round(_TRIM_SECONDS * rate))
    starts = np.arange(0, len(samples), size)
    power = np.add.reduceat(np.square(samples), starts) / np.diff(np.append(starts, len(samples)))
    loud = np.flatnonzero(power > power.max() * 10 ** (-decibels / 10))
    return samples[loud[0] * size : (loud[-1] + 1) * size] if len(loud) else samples  # all silent


def _as_loud(samples, decibels):
    """Return samples with a root mean square of so many decibels below full scale; silence stays."""
    level = np.sqrt(np.square(samples).mean())
    return samples * np.float32(10 ** (decibels / 20) / level) if level > 0 else samples
