"""Log-mels against those of transformers, which computes them in NumPy."""

import numpy as np
import pytest
import torch

from sklearn_mm.utils._log_mel import LogMel, level_frames, mel_filters


@pytest.fixture
def reference():
    return pytest.importorskip(
        "transformers.audio_utils", reason="transformers is not installed (the extra pretrained)"
    )


@pytest.mark.parametrize(("n_bins", "n_bands", "rate"), [(201, 80, 16_000), (129, 64, 8000), (1025, 128, 44_100)])
def test_filters(reference, n_bins, n_bands, rate):
    expected = reference.mel_filter_bank(n_bins, n_bands, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney").T
    np.testing.assert_allclose(mel_filters(n_bins, n_bands, rate), expected, atol=1e-12)
    assert mel_filters(n_bins, n_bands, rate).any(1).all()


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100])
def test_log_mels(reference, rate):
    waves = np.random.default_rng(0).normal(0, 0.1, size=(2, rate)).astype(np.float32)
    waves[1] *= np.sin(np.arange(rate) / 3000)
    log_mel = LogMel(rate, 40)
    got = log_mel(torch.from_numpy(waves)).numpy()
    n_bins, window = 1 + log_mel.n_fft // 2, round(0.025 * rate)
    left = (log_mel.n_fft - window) // 2
    for wave, frames in zip(waves, got, strict=True):
        expected = reference.spectrogram(
            wave,
            np.pad(reference.window_function(window, "hann"), (left, log_mel.n_fft - window - left)),
            log_mel.n_fft,
            log_mel.hop_length,
            fft_length=log_mel.n_fft,
            power=2.0,
            pad_mode="constant",
            mel_filters=reference.mel_filter_bank(n_bins, 40, 0.0, rate / 2, rate, norm="slaney", mel_scale="slaney"),
            mel_floor=1e-10,
            log_mel="log10",
        )
        np.testing.assert_allclose(frames, ((expected + 4) / 4).T[: len(frames)], atol=1e-4)


def test_no_waves_are_no_log_mels():
    assert LogMel(8000, 20)(torch.zeros(0, 1000)).shape == (0, 13, 20)


def test_zeros_behind_a_wave_change_nothing_before():
    wave = torch.randn(1, 1000, generator=torch.Generator().manual_seed(0))
    log_mel = LogMel(8000, 20)
    longer = log_mel(torch.nn.functional.pad(wave, (0, 777)))
    n_frames = log_mel.n_frames(1000)
    torch.testing.assert_close(longer[:, :n_frames], log_mel(wave))


def test_levelled_frames_know_neither_loudness_nor_faint_noise():
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(3, 9, 5, generator=generator) - 0.5
    frames[1] = frames[0] + 0.3  # 12 decibels louder
    frames[2] = frames[0]
    frames[2, 4] = -1.4  # below what is heard
    is_frame = torch.arange(9).expand(3, 9) < torch.tensor([[9], [9], [7]])
    levelled = level_frames(frames, is_frame)
    torch.testing.assert_close(levelled[0], levelled[1])
    torch.testing.assert_close(levelled.sum((1, 2)), torch.zeros(3), atol=1e-5, rtol=0)
    assert not levelled[2, 7:].any()
    torch.testing.assert_close(levelled[2, :7].max() - levelled[2, 4], torch.ones(5))
    torch.testing.assert_close(levelled[2, 5] - levelled[2, 6], frames[2, 5] - frames[2, 6])


def test_levelled_frames_of_nothing_are_zeros():
    assert not level_frames(torch.ones(1, 4, 3), torch.zeros(1, 4, dtype=torch.bool)).any()
