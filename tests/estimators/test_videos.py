"""Videos through estimators: what moves is learnt, frozen frames are encoded once, clips are decoded once."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn as nn
from sklearn.model_selection import GridSearchCV

from sklearn_mm import ModalityTransformer, MultimodalClassifier, MultimodalRegressor, TextInput, VideoInput
from sklearn_mm.encoders import CNNEncoder, FrameEncoder, ModuleEncoder
from sklearn_mm.preprocessing import VideoTransformer
from sklearn_mm.utils.estimator_checks import check_estimator


def moving(n_rows, seed=0, n_frames=6, side=16):
    """Return clips of a bright bar that moves to the left or right, once around, and which way: 1 is right."""
    rng = np.random.default_rng(seed)
    ways, starts = rng.integers(2, size=n_rows), rng.integers(side, size=n_rows)
    clips = np.full((n_rows, n_frames, side, side, 3), 30, dtype=np.uint8)
    for clip, way, start in zip(clips, ways, starts, strict=True):
        for number, frame in enumerate(clip):
            place = start + 2 * number * (1 if way else -1)
            frame[:, np.arange(place, place + 4) % side] = 220
    return pd.Series(list(clips)), ways


def small_video(encoder=None, **parameters):
    encoder = FrameEncoder(CNNEncoder(channels=(8, 16)), "mean") if encoder is None else encoder
    return VideoInput("clip", transformer=VideoTransformer(6, size=16), encoder=encoder, **parameters)


def classifier(video, **parameters):
    return MultimodalClassifier(video=video, max_epochs=12, lr=0.01, random_state=0, **parameters)


def test_the_way_is_seen_and_a_single_frame_says_nothing():
    (clips, y), (others, expected) = moving(80), moving(60, seed=1)
    X, X_test = pd.DataFrame({"clip": clips}), pd.DataFrame({"clip": others})
    fitted = classifier(small_video()).fit(X, y)
    assert fitted.score(X_test, expected) > 0.95
    single = small_video().set_params(transformer__n_frames=1)
    assert classifier(single).fit(X, y).score(X_test, expected) < 0.75
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X_test), fitted.predict_proba(X_test))


def test_beside_text_and_missing_clips():
    clips, y = moving(40)
    clips[3] = None
    X = pd.DataFrame({"clip": clips, "claim": ["it moves to the left", "it goes to the right"] * 20})
    fitted = classifier(small_video(), text=TextInput("claim", encoder="bag"), modality_dropout=0.2).fit(X, y)
    assert list(fitted.specs_) == ["claim", "clip"]
    assert fitted.predict(X[3:4]).shape == (1,)


class CountingModule(nn.Module):
    n_seen = 0

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 8, 8)

    def forward(self, x):
        type(self).n_seen += len(x)
        return self.layer(x).flatten(1)


@pytest.mark.parametrize("pool", ["mean", "transformer"])
def test_frames_of_a_frozen_encoder_are_encoded_once(pool, monkeypatch):
    monkeypatch.setattr(CountingModule, "n_seen", 0)
    clips, y = moving(20)
    torch.manual_seed(0)
    encoder = FrameEncoder(ModuleEncoder(CountingModule()), pool, width=8)
    classifier(small_video(encoder)).set_params(max_epochs=5).fit(pd.DataFrame({"clip": clips}), y)
    n_tries = 4  # of single frames, by which widths and types are found out
    assert CountingModule.n_seen <= 6 * (20 + n_tries)


def test_a_search_decodes_each_clip_once(tmp_path, monkeypatch):
    from sklearn_mm.preprocessing.video._video_decoder import VideoDecoder

    clips, y = moving(24)
    decoded, decode = [], VideoDecoder.decode
    monkeypatch.setattr(VideoDecoder, "decode", lambda self, cell: decoded.append(0) or decode(self, cell))
    search = GridSearchCV(
        classifier(small_video(), memory=tmp_path).set_params(max_epochs=1),
        [{"video__encoder__pool": ["max"]}, {"video__encoder__encoder__channels": [(4,)]}],
        cv=2,
        error_score="raise",
    )
    search.fit(pd.DataFrame({"clip": clips}), y)
    assert len(decoded) == len({clip.tobytes() for clip in clips})  # equal ones count as one


def test_the_default_encoder_regresses():
    clips, y = moving(12)
    video = VideoInput("clip", transformer=VideoTransformer(4, size=16))
    regressor = MultimodalRegressor(video=video, max_epochs=1, random_state=0).fit(
        pd.DataFrame({"clip": clips}), y.astype(float)
    )
    assert isinstance(regressor.net_.module_.encoders["clip"], FrameEncoder)
    assert regressor.predict(pd.DataFrame({"clip": clips})).shape == (12,)


def test_one_step_is_as_two():
    clips, y = moving(16)
    X = pd.DataFrame({"clip": clips})
    one = classifier(small_video()).set_params(max_epochs=2).fit(X, y)
    blocks = ModalityTransformer(video=small_video()).fit_transform(X)
    two = classifier("auto").set_params(max_epochs=2).fit(blocks, y)
    np.testing.assert_array_equal(two.predict_proba(blocks), one.predict_proba(X))


@pytest.mark.slow
def test_it_passes_the_shared_checks():
    clips, y = moving(12)
    video = small_video(FrameEncoder(CNNEncoder(channels=(4,)), "mean"))
    X = pd.DataFrame({"clip": clips, "size": np.arange(12.0)})
    check_estimator(MultimodalClassifier(video=video, max_epochs=1), X, y)
