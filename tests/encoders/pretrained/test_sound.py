"""Pretrained encoders of sound behind `AudioInput`: what they ask of the reader, and what they must not hear."""

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mm import AudioInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.preprocessing import AudioSpec, AudioTransformer

RATE = 16_000


def tone(pitch, n):
    return np.sin(2 * np.pi * pitch * np.arange(n) / RATE).astype(np.float32) / 2


@pytest.fixture(scope="module")
def calls():
    rng = np.random.default_rng(0)
    is_high = np.arange(24) % 2
    lengths = rng.integers(4000, 12_000, size=24)
    cells = [(tone(200 + 1800 * high, n), RATE) for high, n in zip(is_high, lengths, strict=True)]
    cells[3] = None
    return pd.DataFrame({"call": pd.Series(cells, dtype=object)}), is_high


@pytest.mark.parametrize("name", ["whisper", "wav2vec2"])
@pytest.mark.parametrize("settings", [{}, {"trainable": "last", "n_layers": 1}, {"pooling": "attention"}], ids=str)
def test_it_is_read_as_it_asks(name, settings, tiny_model, calls):
    X, y = calls
    encoder = PretrainedEncoder(tiny_model(name), **settings)
    transformer = AudioTransformer(on_error="warn")
    audio = AudioInput("call", transformer=transformer, encoder=encoder)
    clf = MultimodalClassifier(audio=audio, max_epochs=2, random_state=0).fit(X, y)
    assert clf.specs_["call"].rate == RATE
    assert clf.score(X, y) > 0.8
    whole = clf.predict_proba(X)
    single = np.concatenate([clf.predict_proba(X.iloc[[row]]) for row in range(6)])
    np.testing.assert_allclose(single, whole[:6], atol=1e-4)  # whatever a batch is padded to


def test_what_it_cannot_read(tiny_model, calls):
    X, y = calls
    encoder = PretrainedEncoder(tiny_model("whisper"))
    with pytest.raises(ValueError, match="PretrainedEncoder needs rate=16000, but the AudioTransformer has rate=8000"):
        ModalityTransformer(audio=AudioInput(transformer=AudioTransformer(8000), encoder=encoder)).fit(X)
    log_mels = AudioInput(transformer=AudioTransformer(features="log_mel"), encoder=encoder)
    with pytest.raises(ValueError, match=r"block 'call' holds log-mels, .* reads waves. Read the block with features="):
        MultimodalClassifier(audio=log_mels, max_epochs=1).fit(X, y)


def test_mean_and_spread_of_middle_layers(tiny_model):
    spec = AudioSpec(shape=(8000,), rate=RATE)
    waves = torch.from_numpy((tone(300, 8000) * 32767).astype(np.int16)).unsqueeze(0)
    encoder = PretrainedEncoder(tiny_model("whisper"), layers=[1, 2], pooling="mean_std").build(spec)
    features = encoder(encoder.prepare(waves))
    there = features.tokens[0, features.mask[0]]
    torch.testing.assert_close(
        features.pooled[0], torch.cat([there.mean(0), there.std(0, correction=0)]), atol=1e-4, rtol=1e-4
    )


def test_waves_are_standardised_up_to_their_end(tiny_model, calls):
    """As the feature extractor does it of waves of different lengths."""
    transformers = pytest.importorskip("transformers")
    extractor = transformers.AutoFeatureExtractor.from_pretrained(tiny_model("wav2vec2"))
    waves = [tone(300, 5000) + 0.1, tone(900, 8000)]
    expected = extractor(waves, sampling_rate=RATE, padding=True, return_attention_mask=True, return_tensors="pt")
    expected = expected["input_values"]
    encoder = PretrainedEncoder(tiny_model("wav2vec2")).build(AudioSpec(shape=(8000,), rate=RATE))
    rows = AudioTransformer(pad=True).fit_transform([(wave, RATE) for wave in waves])
    arguments, _ = encoder.whole.arguments(encoder.prepare(torch.from_numpy(rows)))
    torch.testing.assert_close(arguments["input_values"], expected, atol=1e-3, rtol=1e-3)
