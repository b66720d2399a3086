"""Waves to log-mel spectrograms, on the device that the waves are on."""

import math

import numpy as np
import torch
import torch.nn as nn
from scipy.fft import next_fast_len

__all__ = ["FRAME_SECONDS", "LogMel", "level_frames", "log_power", "mel_filters", "stft"]

FRAME_SECONDS = 0.01  # from one frame to the next
_WINDOW_SECONDS = 0.025
_LINEAR_HERTZ, _HERTZ_PER_MEL = 1000.0, 200 / 3  # Slaney's scale: linear up to there, then logarithmic
_LOG_STEP = math.log(6.4) / 27
_RANGE = 1.0  # of log-mels: 40 decibels


class LogMel(nn.Module):
    """Log-mel spectrograms: how loud each frame of 25 ms is, in bands that are as wide as ears tell apart.

    Frames are 10 ms apart. Zeros behind a wave change none of the frames before, so that waves may be padded.

    Parameters
    ----------
    rate : int
        Samples per second.
    n_bands : int
        Number of mel bands, from 0 to half the rate.
    """

    def __init__(self, rate, n_bands):
        super().__init__()
        self.hop_length = max(1, round(FRAME_SECONDS * rate))
        window_length = max(2, round(_WINDOW_SECONDS * rate))
        self.n_fft = next_fast_len(window_length + window_length % 2, real=True)
        self.register_buffer("window", torch.hann_window(window_length), persistent=False)
        filters = torch.as_tensor(mel_filters(1 + self.n_fft // 2, n_bands, rate), dtype=torch.float32)
        self.register_buffer("filters", filters, persistent=False)

    def n_frames(self, n_samples):
        """Return how many frames waves of some samples have: those that begin at one of them."""
        return -(-n_samples // self.hop_length)

    def forward(self, waves):
        """Map waves (batch, n_samples) in [-1, 1] to (batch, n_frames, n_bands), from -1.5 for silence to about 1.5."""
        with torch.autocast(waves.device.type, enabled=False):
            spectrum = stft(waves.float(), self.n_fft, self.hop_length, self.window, "constant")
            spectrum = spectrum[..., : self.n_frames(waves.shape[1])]
            power = torch.addcmul(spectrum.real.square(), spectrum.imag, spectrum.imag)
            return log_power(self.filters @ power).transpose(1, 2)


def stft(waves, n_fft, hop_length, window, pad_mode):
    """Return the short-time Fourier transform (batch, n_bins, n_frames) of waves, of which there may be none."""
    if not len(waves):  # as where all rows of a batch are empty lists, which torch.stft does not take
        return torch.zeros(0, 1 + n_fft // 2, 1 + waves.shape[1] // hop_length, dtype=torch.cfloat, device=waves.device)
    return torch.stft(waves, n_fft, hop_length, len(window), window, pad_mode=pad_mode, return_complex=True)


def log_power(power):
    """Return the logarithm of powers, shifted and scaled as Whisper reads it."""
    return (power.clamp(min=1e-10).log10() + 4.0) / 4.0


def level_frames(log_mel, is_frame):
    """Return log-mels without what a microphone adds: how loud each sound is, and the noise far below its loudest band.

    The mean of each becomes zero, and nothing lies more than 40 decibels below its loudest band.

    Parameters
    ----------
    log_mel : torch.Tensor of shape (batch, n_frames, n_bands)
        As `LogMel` makes them.
    is_frame : torch.Tensor of shape (batch, n_frames), dtype bool
        Which frames are not behind the end; these become zero.
    """
    is_frame = is_frame.unsqueeze(2)
    loudest = log_mel.masked_fill(~is_frame, -torch.inf).amax((1, 2), keepdim=True)
    log_mel = torch.maximum(log_mel, loudest - _RANGE) * is_frame
    mean = log_mel.sum((1, 2), keepdim=True) / (is_frame.sum((1, 2), keepdim=True) * log_mel.shape[2]).clamp(min=1)
    return (log_mel - mean) * is_frame


def mel_filters(n_bins, n_bands, rate):
    """Return triangular filters (n_bands, n_bins) from the bins of a spectrum to mel bands, each of area 1 (Slaney).

    Parameters
    ----------
    n_bins : int
        Number of frequencies, from 0 to half the rate.
    n_bands : int
        Number of bands.
    rate : int
        Samples per second.
    """
    bins = np.linspace(0, rate / 2, n_bins)
    edges = _hertz(np.linspace(0, _mel(rate / 2), n_bands + 2))
    rising = (bins - edges[:-2, np.newaxis]) / np.diff(edges)[:-1, np.newaxis]
    falling = (edges[2:, np.newaxis] - bins) / np.diff(edges)[1:, np.newaxis]
    return np.maximum(0, np.minimum(rising, falling)) * (2 / (edges[2:] - edges[:-2]))[:, np.newaxis]


def _mel(hertz):
    if hertz < _LINEAR_HERTZ:
        return hertz / _HERTZ_PER_MEL
    return _LINEAR_HERTZ / _HERTZ_PER_MEL + math.log(hertz / _LINEAR_HERTZ) / _LOG_STEP


def _hertz(mels):
    first_log = _LINEAR_HERTZ / _HERTZ_PER_MEL
    logarithmic = _LINEAR_HERTZ * np.exp(_LOG_STEP * (np.maximum(mels, first_log) - first_log))
    return np.where(mels < first_log, mels * _HERTZ_PER_MEL, logarithmic)
