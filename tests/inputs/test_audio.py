"""Columns of sound are found by themselves, named, ignored, and said why."""

import io
import pathlib
import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import (
    AudioInput,
    ModalityTransformer,
    MultimodalClassifier,
    MultimodalEmbedder,
    MultimodalGenerator,
    MultimodalRegressor,
)
from sklearn_mm.encoders import AudioCNNEncoder
from sklearn_mm.inputs import detect_kinds
from sklearn_mm.preprocessing import AudioTransformer, EmbeddingTransformer, SequenceRows

RATE = 4000
SMALL = AudioCNNEncoder(n_bands=8, channels=(4,), width=8)


def tone(step, n=800):
    return np.sin(np.arange(n) * step).astype(np.float32)


def detected(cells):
    return detect_kinds(pd.DataFrame({"c": pd.Series(cells, dtype=object)}))["c"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    {
        "paths": (["a/b.wav", "c.MP3", None], "audio"),
        "pathlib": ([pathlib.Path("a.flac"), pathlib.Path("b.ogg")], "audio"),
        "urls": (["https://x.org/a.wav?x=1", "http://x.org/b.aiff"], "audio"),
        "data urls": (["data:audio/wav;base64,UklGRg=="] * 2, "audio"),
        "pairs": ([(tone(0.1), RATE), (tone(0.2), RATE)], "audio"),
        "decoded": ([{"array": tone(0.1), "sampling_rate": RATE, "path": None}, None], "audio"),
        "dicts of bytes": ([{"bytes": b"RIFF\0\0\0\0WAVEfmt ", "path": None}] * 2, "audio"),
        "dicts of paths": ([{"bytes": None, "path": "a.wav"}, {"bytes": b"?", "path": "b.wav"}], "audio"),
        "bytes": ([b"fLaC\0\0", b"OggS\0\x02", b"ID3\x03\0", b"FORM\0\0\0\0AIFF"], "audio"),
        "files": ([io.BytesIO(b"fLaC\0\0"), io.BytesIO(b"OggS\0\x02")], "audio"),
        "lists": ([["a.wav", "b.wav"], ["c.wav"]], "audio"),
        "lists of pairs": ([[(tone(0.1), RATE)] * 2, (tone(0.1), RATE)], "audio"),
        "few of many": (["a.wav", "none", "none"], "categorical"),
        "sentences": ([f"I listened to a.wav {n} times, all of it" for n in range(60)], "text"),
        "arrays without a rate": ([tone(0.1), tone(0.2)], "vector"),
        "pictures": (["a.png", "b.png"], "image"),
        "other bytes": ([b"\0\1\2", b"\3\4\5"], "ignored"),
    }.values(),
)
def test_detection(cells, kind):
    assert detected(cells).kind == kind


def test_the_reason_is_told():
    assert detected(["a.wav", "b.wav", None]).reason == "2 of 2 cells looked at are sounds or paths of sounds"
    assert detected([["a.wav"], "b.wav"]).reason.endswith("sounds or paths of sounds, 1 of them lists")


@pytest.fixture(scope="module")
def calls():
    """High and low tones, some missing, beside a number that says nothing."""
    rng = np.random.default_rng(0)
    is_high = np.arange(48) % 2
    waves = [tone(0.3 + 0.5 * high, n) for high, n in zip(is_high, rng.integers(400, 1200, 48), strict=True)]
    cells = [(wave, RATE) for wave in waves]
    cells[5] = None
    X = pd.DataFrame({"call": pd.Series(cells, dtype=object), "size": rng.normal(size=48)})
    return X, np.where(is_high, "high", "low")


@pytest.fixture
def audio():
    return AudioInput(transformer=AudioTransformer(rate=RATE), encoder=SMALL)


@pytest.mark.parametrize("encoder", ["cnn", "gru", "transformer"])
@pytest.mark.parametrize("features", ["wave", "log_mel"])
def test_it_learns(calls, encoder, features):
    X, y = calls
    transformer = AudioTransformer(rate=RATE, features=features, n_bands=8)
    clf = MultimodalClassifier(
        audio=AudioInput(transformer=transformer, encoder=encoder), wide=None, max_epochs=8, random_state=0
    )
    clf.fit(X[:32], y[:32])
    assert clf.transformer_.column_kinds_ == {"call": "audio", "size": "numeric"}
    assert [spec.kind for spec in clf.specs_.values()] == ["audio", "tabular"]
    assert clf.score(X[32:], y[32:]) == 1
    loaded = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("augment", ["light", "strong", None])
def test_augmentation_by_name(calls, audio, augment):
    X, y = calls
    MultimodalClassifier(audio=audio.set_params(augment=augment), max_epochs=1, random_state=0).fit(X, y)


@pytest.mark.parametrize(
    "estimator",
    [MultimodalClassifier(), MultimodalRegressor(), MultimodalEmbedder(), MultimodalGenerator()],
    ids=lambda estimator: type(estimator).__name__,
)
def test_every_estimator_has_the_short_parameter(estimator, calls, audio):
    X, y = calls
    y = {"MultimodalRegressor": X["size"], "MultimodalEmbedder": None}.get(type(estimator).__name__, y)
    estimator.set_params(audio=audio, max_epochs=1, random_state=0).fit(X, y)
    assert estimator.specs_["call"].kind == "audio"
    assert estimator.set_params(audio__transformer__rate=2000).audio.transformer.rate == 2000


def test_a_column_that_is_named_or_ignored(calls):
    X, _ = calls
    assert list(ModalityTransformer(audio=None).fit(X).specs_) == ["tabular"]
    arrays = pd.DataFrame({"wave": pd.Series([tone(0.1), tone(0.2)], dtype=object)})
    with pytest.raises(ValueError, match="is an array whose rate is not known"):
        ModalityTransformer(audio="wave").fit(arrays)
    transformer = AudioTransformer(rate=RATE, array_rate=RATE)
    blocks = ModalityTransformer(audio=AudioInput("wave", transformer=transformer)).fit_transform(arrays)
    assert isinstance(blocks["wave"], SequenceRows)


def test_two_steps_are_as_one(calls, audio, tmp_path):
    X, y = calls
    one = MultimodalClassifier(audio=audio, max_epochs=2, random_state=0).fit(X, y).predict_proba(X)
    for memory in (None, tmp_path, tmp_path):
        blocks = ModalityTransformer(audio=audio, memory=memory).fit_transform(X)
        clf = MultimodalClassifier(max_epochs=2, random_state=0).fit(blocks, y)
        np.testing.assert_array_equal(clf.predict_proba(blocks), one)


def test_a_function_of_cells(calls):
    cells = [None if cell is None else {"array": cell[0], "sampling_rate": cell[1]} for cell in calls[0]["call"]]
    X = pd.DataFrame({"call": pd.Series(cells, dtype=object)})
    function = EmbeddingTransformer(lambda cells: [[len(cell["array"]), cell["sampling_rate"]] for cell in cells])
    blocks = ModalityTransformer(audio=AudioInput("call", transformer=function)).fit_transform(X)
    assert blocks["call"].shape == (48, 2)


def test_several_sounds_of_one_thing(audio):
    y = np.arange(24) % 2
    cells = [[(tone(0.3), RATE), (tone(0.3 + 0.5 * high), RATE)][: 2 - row % 5 // 4] for row, high in enumerate(y)]
    X = pd.DataFrame({"calls": pd.Series(cells, dtype=object)})
    clf = MultimodalClassifier(audio=audio.set_params(pool="max"), max_epochs=2, random_state=0).fit(X, y)
    assert clf.specs_["calls"].pool == "max"
    assert clf.predict_proba(X[::-1]).shape == (24, 2)
    nothing = pd.DataFrame({"calls": pd.Series([[], []], dtype=object)})
    assert clf.predict_proba(nothing).shape == (2, 2)
