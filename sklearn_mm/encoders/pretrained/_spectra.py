"""Waves as the spectra that pretrained speech encoders were trained with (log-mel, standardised waves)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from sklearn_mm.utils._optional import import_extra

__all__ = ["make_spectra"]


def make_spectra(settings):
    """Return the module that a ``preprocessor_config.json`` stands for: waves in, what the network reads out.

    Parameters
    ----------
    settings : dict
        What is in the file.
    """
    if settings.get("feature_size", 1) > 1:
        return LogMel(settings)
    return StandardisedWaves() if settings.get("do_normalize", True) else nn.Identity()


class StandardisedWaves(nn.Module):
    """Waves of mean 0 and variance 1."""

    def forward(self, waves):
        centred = waves - waves.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-7).sqrt()


class LogMel(nn.Module):
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
        audio = import_extra("transformers.audio_utils", "pretrained", "PretrainedEncoder of sound")
        rate, self.n_fft = settings.get("sampling_rate", 16_000), settings.get("n_fft", 400)
        self.hop_length = settings.get("hop_length", 160)
        self.n_samples = settings.get("n_samples", settings.get("chunk_length", 30) * rate)
        filters = audio.mel_filter_bank(
            1 + self.n_fft // 2, settings["feature_size"], 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters", torch.as_tensor(filters, dtype=torch.float32).T)
        self.register_buffer("window", torch.hann_window(self.n_fft))

    def forward(self, waves):
        """Map waves (batch, n_samples) to (batch, n_bands, n_frames); shorter ones are filled up with silence."""
        waves = F.pad(waves[:, : self.n_samples], (0, max(0, self.n_samples - waves.shape[1])))
        spectrum = torch.stft(waves, self.n_fft, self.hop_length, window=self.window, return_complex=True)
        power = spectrum[..., :-1].abs().square()
        log = (self.filters @ power).clamp(min=1e-10).log10()
        log = torch.maximum(log, log.amax((1, 2), keepdim=True) - 8.0)
        return (log + 4.0) / 4.0
