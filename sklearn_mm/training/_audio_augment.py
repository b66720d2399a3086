"""Augmentation of sound in the training loop, a batch at a time on the device."""

from numbers import Real

import torch

from sklearn_mm.training._augment import register_augmentations
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._validation import Interval

__all__ = ["AudioAugmentation"]

_DECIBELS = 40  # of one unit of a log-mel, which is four powers of ten in power


class AudioAugmentation(Component):
    """Give each sound of a batch its own start, speed, pitch, loudness, colour, noise and masks (SpecAugment).

    It acts on what the encoder reads: log-mel spectrograms (batch, n_frames, n_bands) or waves (batch, n_samples), both
    with zeros behind the end. Each sound draws its own values, from torch's global generator of the device. In ``eval``
    mode sounds pass unchanged. The defaults are the preset "light"; "strong" does about twice as much.

    Parameters
    ----------
    shift : float, default=0.05
        How far a sound may be moved in time, as a share of its length. What comes into view is its first or last value.
    speed : float, default=0.1
        Sounds are read up to so much faster or slower: 0.1 is from 0.9 to 1.1 times the speed. In waves, this changes
        the pitch as well.
    pitch : float, default=0.15
        Up to which share the bands of log-mels are stretched or compressed, as between the voices of speakers. Does
        nothing to waves.
    gain : float, default=6.0
        By how many decibels sounds become louder or quieter, at most.
    noise : float, default=0.5
        Probability that white noise is added.
    noise_level : float, default=20.0
        How many decibels the noise lies below the mean power of the sound, at least; at most 20 more.
    tilt : float, default=6.0
        By how many decibels low, middle and high bands of log-mels become louder or quieter beside each other, in the
        root mean square: as microphones and rooms differ (FilterAugment). Does nothing to waves.
    time_mask : float, default=0.15
        Longest part that is silenced, as a share of the length of the sound.
    band_mask : float, default=0.15
        Most bands of log-mels that are silenced, as a share of all. Does nothing to waves.

    References
    ----------
    Park et al.: SpecAugment: A Simple Data Augmentation Method for Automatic Speech Recognition. Interspeech 2019.

    Nam, Kim, Park: FilterAugment: An Acoustic Environmental Data Augmentation Method. ICASSP 2022 (tilt).

    Ko, Peddinti, Povey, Khudanpur: Audio Augmentation for Speech Recognition. Interspeech 2015 (speed).

    Jaitly, Hinton: Vocal Tract Length Perturbation (VTLP) Improves Speech Recognition. ICML workshop 2013 (pitch).

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.training import AudioAugmentation
    >>> AudioAugmentation(gain=3).train()(torch.rand(8, 50, 64)).shape
    torch.Size([8, 56, 64])
    """

    _parameter_constraints = {
        "shift": [Interval(Real, 0, 1, closed="both")],
        "speed": [Interval(Real, 0, 0.9, closed="both")],
        "pitch": [Interval(Real, 0, 0.9, closed="both")],
        "gain": [Interval(Real, 0, None, closed="left")],
        "noise": [Interval(Real, 0, 1, closed="both")],
        "noise_level": [Interval(Real, None, None, closed="neither")],
        "tilt": [Interval(Real, 0, None, closed="left")],
        "time_mask": [Interval(Real, 0, 1, closed="both")],
        "band_mask": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        shift: float = 0.05,
        speed: float = 0.1,
        pitch: float = 0.15,
        gain: float = 6.0,
        noise: float = 0.5,
        noise_level: float = 20.0,
        tilt: float = 6.0,
        time_mask: float = 0.15,
        band_mask: float = 0.15,
    ):
        self.shift = shift
        self.speed = speed
        self.pitch = pitch
        self.gain = gain
        self.noise = noise
        self.noise_level = noise_level
        self.tilt = tilt
        self.time_mask = time_mask
        self.band_mask = band_mask

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Change log-mels or waves; the result may be longer."""
        if not self.training:
            return x
        is_wave = x.ndim == 2
        x = x.unsqueeze(2) if is_wave else x
        lengths = _lengths(x)
        x, lengths = self._in_time(x, lengths)
        is_there = (torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)).unsqueeze(2)  # (batch, length, 1)
        if is_wave:
            x = self._louder_wave(x, is_there)
        else:
            x = self._masked_bands(self._louder_log_mel(self._tilted(self._in_pitch(x)), is_there))
        x = self._masked_time(x, lengths) * is_there
        return x.squeeze(2) if is_wave else x

    def _draw(self, x, low, high):
        return torch.empty(len(x), 1, device=x.device).uniform_(low, high)

    def _in_time(self, x, lengths):
        """Move and stretch sounds in time, by one interpolation."""
        if not (self.shift or self.speed):
            return x, lengths
        speed = self._draw(x, 1 - self.speed, 1 + self.speed)
        start = self._draw(x, -self.shift, self.shift) * lengths.unsqueeze(1)
        longest = int(x.shape[1] / (1 - self.speed) + 1) if self.speed else x.shape[1]
        last = (lengths.unsqueeze(1) - 1).clamp(min=0)
        place = (torch.arange(longest, device=x.device) * speed + start).clamp(min=0)
        place = torch.minimum(place, last.to(place.dtype))  # (batch, longest), in the sound as it was
        return _interpolated(x, place, 1), (lengths / speed.squeeze(1)).ceil().long().clamp(max=longest)

    def _in_pitch(self, x):
        """Stretch log-mels along their bands."""
        if not self.pitch:
            return x
        factor = self._draw(x, 1 - self.pitch, 1 + self.pitch)
        place = (torch.arange(x.shape[2], device=x.device) * factor).clamp(max=x.shape[2] - 1)
        return _interpolated(x, place, 2)

    def _tilted(self, x):
        """Add a random smooth curve to the bands of each log-mel: four cosines over all bands."""
        place = torch.linspace(0, torch.pi, x.shape[2], device=x.device)
        cosines = (torch.arange(1, 5, device=x.device).unsqueeze(1) * place).cos()
        weights = torch.randn(len(x), 4, device=x.device) * (self.tilt / _DECIBELS / 2**0.5)
        return x + (weights @ cosines).unsqueeze(1)

    def _louder_log_mel(self, x, is_there):
        x = x + self._draw(x, -self.gain, self.gain).unsqueeze(2) / _DECIBELS
        is_noisy, level = self._noise(x)
        power = 10 ** (4 * x - 4)
        mean = (power * is_there).sum((1, 2), keepdim=True) / (is_there.sum((1, 2), keepdim=True) * x.shape[2]).clamp(1)
        noisy = power + mean * level * torch.empty_like(power).exponential_()  # as the power of white noise is spread
        return torch.where(is_noisy, (noisy.clamp(min=1e-10).log10() + 4) / 4, x)

    def _louder_wave(self, x, is_there):
        x = x * 10 ** (self._draw(x, -self.gain, self.gain).unsqueeze(2) / 20)
        is_noisy, level = self._noise(x)
        mean = (x * is_there).square().sum((1, 2), keepdim=True) / is_there.sum((1, 2), keepdim=True).clamp(1)
        return x + is_noisy * (mean * level).sqrt() * torch.randn_like(x)

    def _noise(self, x):
        """Return which sounds get noise, and its power as a factor of theirs, both (batch, 1, 1)."""
        is_noisy = (self._draw(x, 0, 1) < self.noise).unsqueeze(2)
        return is_noisy, 10 ** (-self._draw(x, self.noise_level, self.noise_level + 20).unsqueeze(2) / 10)

    def _masked_time(self, x, lengths):
        width = self._draw(x, 0, self.time_mask) * lengths.unsqueeze(1)
        return _silenced(x, torch.arange(x.shape[1], device=x.device), width, lengths.unsqueeze(1)).to(x.dtype)

    def _masked_bands(self, x):
        n_bands = torch.full((len(x), 1), x.shape[2], device=x.device)
        width = self._draw(x, 0, self.band_mask) * n_bands
        return _silenced(x.transpose(1, 2), torch.arange(x.shape[2], device=x.device), width, n_bands).transpose(1, 2)


def _lengths(x):
    """Return up to where each row of (batch, length, any) is not zero."""
    is_there = x.ne(0).any(2)
    places = torch.arange(1, x.shape[1] + 1, device=x.device)
    return (is_there * places).amax(1)


def _interpolated(x, place, axis):
    """Return values between neighbours along an axis of (batch, length, width), at places (batch, n)."""
    low = place.floor()
    share = place - low
    low = low.long()
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    shape = (-1, -1, x.shape[2]) if axis == 1 else (-1, x.shape[1], -1)
    low, high, share = (t.unsqueeze(3 - axis).expand(*shape) for t in (low, high, share))
    return torch.lerp(x.gather(axis, low), x.gather(axis, high), share.to(x.dtype))


def _silenced(x, places, width, lengths):
    """Return (batch, n, any) with the mean of a row, of waves about 0, over a part of each row."""
    start = torch.rand_like(width) * (lengths - width)
    is_masked = ((places >= start) & (places < start + width.round())).unsqueeze(2)
    n = (lengths * x.shape[2]).clamp(min=1).unsqueeze(2)
    return torch.where(is_masked, x.sum((1, 2), keepdim=True) / n, x)


def _strong():
    return AudioAugmentation(
        shift=0.1, speed=0.2, pitch=0.25, gain=10.0, noise_level=10.0, tilt=9.0, time_mask=0.25, band_mask=0.25
    )


register_augmentations("audio", AudioAugmentation, _strong)
