"""Waves as the spectra that pretrained speech encoders were trained with (log-mel, standardised waves)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.encoders._base import up_to_end
from sklearn_mm.utils._log_mel import mel_filters, stft
from sklearn_mm.utils._token_pooling import masked_mean

__all__ = ["make_spectra"]


def make_spectra(settings, padded=False):
    """Return the module that a ``preprocessor_config.json`` stands for: waves in, what the network reads out.

    Parameters
    ----------
    settings : dict
        What is in the file.
    padded : bool, default=False
        Whether zeros at the end of waves are padding.
    """
    if settings.get("feature_size", 1) > 1:
        return WhisperSpectra(settings)
    return StandardisedWaves(padded) if settings.get("do_normalize", True) else nn.Identity()


class StandardisedWaves(nn.Module):
    """Waves of mean 0 and variance 1.

    Parameters
    ----------
    padded : bool
        Whether zeros at the end of waves are padding, which stays zero.
    """

    def __init__(self, padded):
        super().__init__()
        self.padded = padded

    def forward(self, waves):
        mask = up_to_end(waves) if self.padded else torch.ones_like(waves, dtype=torch.bool)
        centred = (waves - masked_mean(waves, mask).unsqueeze(1)) * mask
        return centred / (masked_mean(centred.square(), mask).unsqueeze(1) + 1e-7).sqrt()


class WhisperSpectra(nn.Module):
    """Log-mel spectrograms of a fixed length, as Whisper reads them.

    Parameters
    ----------
    settings : dict
        ``feature_size`` (mel bands), ``n_fft``, ``hop_length`` and ``n_samples`` (in samples), ``sampling_rate`` (Hz).

    References
    ----------
    Radford et al.: Robust Speech Recognition via Large-Scale Weak Supervision. ICML 2023.
    """

    def __init__(self, settings):
        super().__init__()
        rate, self.n_fft = settings.get("sampling_rate", 16_000), settings.get("n_fft", 400)
        self.hop_length = settings.get("hop_length", 160)
        self.n_samples = settings.get("n_samples", settings.get("chunk_length", 30) * rate)
        filters = mel_filters(1 + self.n_fft // 2, settings["feature_size"], rate)
        self.register_buffer("filters", torch.as_tensor(filters, dtype=torch.float32))
        self.register_buffer("window", torch.hann_window(self.n_fft))

    def forward(self, waves):
        """Map waves (batch, n_samples) to (batch, n_bands, n_frames); shorter ones are filled up with silence."""
        waves = F.pad(waves[:, : self.n_samples], (0, max(0, self.n_samples - waves.shape[1])))
        spectrum = stft(waves, self.n_fft, self.hop_length, self.window, "reflect")
        power = spectrum[..., :-1].abs().square()
        log = (self.filters @ power).clamp(min=1e-10).log10()
        log = torch.maximum(log, log.amax((1, 2), keepdim=True) - 8.0)
        return (log + 4.0) / 4.0
