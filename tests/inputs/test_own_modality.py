"""A modality of one's own, whole: transformer, encoder and Input of signals, beside pictures and words."""

import pickle
from numbers import Integral

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.model_selection import GridSearchCV

from sklearn_mm import MultimodalClassifier, TextInput
from sklearn_mm.encoders import Encoder, Features
from sklearn_mm.inputs import Input
from sklearn_mm.preprocessing import BlockSpec, BlockTransformer
from sklearn_mm.utils._validation import Interval
from sklearn_mm.utils.estimator_checks import check_encoder


class SignalTransformer(BlockTransformer):
    """Cut or pad each signal to the same number of samples."""

    def __init__(self, length=16):
        self.length = length

    def fit_read(self, X, y=None):
        self.spec_ = BlockSpec(kind="signal", shape=(self.length,))
        return self.read(X)

    def read(self, X):
        signals = list(X)
        samples = np.zeros((len(signals), *self.spec_.shape), dtype=np.float32)
        for row, signal in enumerate(signals):
            if signal is not None:
                samples[row, : len(signal)] = signal[: samples.shape[1]]
        return samples, np.array([signal is not None for signal in signals])


class SignalEncoder(Encoder):
    """One convolution, then the mean over time."""

    kind = "signal"
    _parameter_constraints = {"width": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, width=8):
        self.width = width

    def build(self, spec):
        self.convolution = nn.Conv1d(1, self.width, 3, padding=1)
        self.out_features = self.token_features = self.width
        return self

    def forward(self, x):
        tokens = self.convolution(x.unsqueeze(1)).relu().transpose(1, 2)  # (batch, length, width)
        return Features(tokens.mean(1), tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device))


class SignalInput(Input):
    kind = "signal"

    def __init__(self, columns="auto", transformer=None, encoder=None, shared=False):
        self.columns = columns
        self.transformer = transformer
        self.encoder = encoder
        self.shared = shared


@pytest.fixture
def patients():
    """Signals that wave or do not, and a word that says something about one half of the rows."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    lengths = rng.integers(12, 20, size=60)
    signals = [rng.normal(0, 0.1, size=n) + waves * np.sin(np.arange(n)) for n, waves in zip(lengths, y, strict=True)]
    signals[5] = None
    return pd.DataFrame({"signal": signals, "note": ["calm", "calm", "loud", None] * 15}), y


@pytest.fixture
def clf():
    signal = SignalInput("signal", transformer=SignalTransformer(), encoder=SignalEncoder())
    return MultimodalClassifier(
        inputs=[("signal", signal), ("note", TextInput("note", encoder="bag"))], max_epochs=20, lr=0.01, random_state=0
    )


def test_it_learns(patients, clf):
    X, y = patients
    clf.fit(X[:40], y[:40])
    assert clf.score(X[40:], y[40:]) == 1
    assert [spec.kind for spec in clf.specs_.values()] == ["signal", "text"]
    assert clf.specs_["signal"].columns == ("signal",)


def test_it_is_searched_and_pickled_like_any_other(patients, clf):
    X, y = patients
    grid = {"signal__transformer__length": [4, 12], "signal__encoder__width": [4, 8]}
    search = GridSearchCV(clf, grid, cv=2, error_score="raise").fit(X, y)
    best = search.best_estimator_
    assert best.specs_["signal"].shape == (search.best_params_["signal__transformer__length"],)
    loaded = pickle.loads(pickle.dumps(best))
    np.testing.assert_array_equal(loaded.predict_proba(X), best.predict_proba(X))


def test_an_encoder_of_another_kind(patients, clf):
    with pytest.raises(ValueError, match="No encoder is registered for blocks of kind 'signal'"):
        clf.set_params(signal__encoder="cnn").fit(*patients)


def test_the_encoder_passes_the_shared_checks():
    check_encoder(SignalEncoder(), BlockSpec(kind="signal", shape=(16,)))
