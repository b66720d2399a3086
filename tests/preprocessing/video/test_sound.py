"""The sound of video files."""

import io
from pathlib import Path

import numpy as np
import pytest

from sklearn_mm.preprocessing import UnreadableError
from sklearn_mm.preprocessing.video._sound import read_sound

from .conftest import write_clip


@pytest.fixture
def heard(tmp_path):
    return write_clip(tmp_path / "heard.mp4", sound=True)


def test_samples_are_those_that_were_written(heard):
    samples, rate = read_sound(heard)
    assert (rate, samples.dtype, samples.shape[1]) == (16000, np.float32, 1)
    assert abs(len(samples) - 16000) <= 2048  # a frame of AAC or two
    middle = samples[4000:12000, 0]
    assert abs(np.abs(middle).max() - 0.5) < 0.05
    assert np.abs(np.fft.rfft(middle)).argmax() * rate / len(middle) == 440


def test_all_ways_to_hold_a_file(heard, tmp_path):
    expected, _ = read_sound(heard)
    content = Path(heard).read_bytes()
    for source in (Path(heard), content, io.BytesIO(content), {"bytes": content, "path": None}):
        np.testing.assert_array_equal(read_sound(source)[0], expected)
    np.testing.assert_array_equal(read_sound("heard.mp4", root=tmp_path)[0], expected)


def test_what_has_no_sound(clip, tmp_path):
    with pytest.raises(UnreadableError, match="has no sound"):
        read_sound(clip)
    (tmp_path / "text.mp4").write_text("These are words. " * 100)
    with pytest.raises(UnreadableError, match="is no video, or of a format that FFmpeg cannot read"):
        read_sound(tmp_path / "text.mp4")
