"""The sound of video files."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import AudioInput, ModalityTransformer, VideoInput
from sklearn_mm.preprocessing import AudioTransformer, UnreadableError, VideoTransformer
from sklearn_mm.preprocessing.video._sound import read_sound

from .conftest import write_clip

av = pytest.importorskip("av", reason="PyAV is not installed (the extra video)")


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


def test_no_more_is_decoded_than_is_needed(heard):
    samples, _ = read_sound(heard)
    some, rate = read_sound(heard, max_seconds=0.25)
    assert 4000 <= len(some) <= 4000 + 2048
    np.testing.assert_array_equal(some, samples[: len(some)])
    row = AudioTransformer(rate, offset=0.1, max_seconds=0.2).fit_transform([heard])[0]
    np.testing.assert_array_equal(row, AudioTransformer(rate).fit_transform([(samples, rate)])[0][1600:4800])


@pytest.mark.parametrize(("ending", "kind"), [("m4a", "ipod"), ("aac", "adts")])
def test_sound_that_libsndfile_does_not_read(ending, kind, tmp_path):
    tone = (np.sin(np.arange(16000) * 0.2) / 2).astype(np.float32)
    path = tmp_path / f"memo.{ending}"
    with av.open(str(path), "w", format=kind) as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    for cell in (path, path.read_bytes()):
        row = AudioTransformer().fit_transform([cell])[0]
        assert abs(len(row) - 16000) <= 3072  # three frames of AAC, of which the first and the last are filled up
        assert abs(np.abs(row[4000:12000]).max() / 2**15 - 0.5) < 0.05
    X = pd.DataFrame({"memo": [path.read_bytes()] * 3})
    assert ModalityTransformer().fit(X).specs_["memo"].kind == "audio"
    X.loc[1, "memo"] = path.read_bytes()[:40]
    with pytest.raises(ValueError, match=r"cannot read 1 of 3 cells of column 'memo' \(row 1\)"):
        AudioTransformer().fit(X["memo"])


def test_what_has_no_sound(clip, tmp_path):
    with pytest.raises(UnreadableError, match="has no sound"):
        read_sound(clip)
    (tmp_path / "text.mp4").write_text("These are words. " * 100)
    with pytest.raises(UnreadableError, match="is no video, or of a format that FFmpeg cannot read"):
        read_sound(tmp_path / "text.mp4")


def test_the_sound_of_a_video_is_a_block_of_its_own(tmp_path):
    paths = [write_clip(tmp_path / f"{number}.mp4", sound=True) for number in range(3)]
    X = pd.DataFrame({"clip": paths})
    transformer = ModalityTransformer(
        inputs=[
            ("seen", VideoInput("clip", transformer=VideoTransformer(size=16, n_frames=4))),
            ("heard", AudioInput("clip", transformer=AudioTransformer(8000, features="wave"))),
        ]
    )
    blocks = transformer.fit_transform(X)
    assert list(blocks) == ["seen", "heard"]
    samples, rate = read_sound(paths[0])
    of_array = AudioTransformer(8000, features="wave").fit_transform([(samples, rate)])
    np.testing.assert_array_equal(blocks["heard"][:1], of_array[:1])
    of_bytes = AudioTransformer(8000, features="wave").fit_transform([Path(paths[0]).read_bytes()])
    np.testing.assert_array_equal(of_bytes[:1], of_array[:1])


def test_blocks_of_one_column_have_the_names_of_their_inputs(tmp_path, capsys):
    X = pd.DataFrame({"clip": [write_clip(tmp_path / f"{number}.mp4", sound=True) for number in range(2)]})
    video = VideoInput("clip", transformer=VideoTransformer(size=16, n_frames=2))
    transformer = ModalityTransformer(video=video, audio="clip", verbose=1).fit(X)
    assert list(transformer.specs_) == ["audio", "video"]
    assert list(transformer.transform(X)) == ["audio", "video"]
    assert "into 2 block(s)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="'clip' is claimed by `audio` and `text`"):
        ModalityTransformer(text="clip", audio="clip").fit(X)


def test_several_columns_may_be_seen_and_heard(tmp_path):
    paths = [write_clip(tmp_path / f"{number}.mp4", sound=True) for number in range(2)]
    X = pd.DataFrame({"front": paths, "back": paths})
    video = VideoInput(["front", "back"], transformer=VideoTransformer(size=16, n_frames=2))
    transformer = ModalityTransformer(video=video, audio=["front", "back"]).fit(X)
    assert list(transformer.transform(X)) == ["audio_front", "audio_back", "video_front", "video_back"]


def test_a_video_without_sound_has_none_to_read(tmp_path):
    silent = write_clip(tmp_path / "silent.mp4")
    with pytest.raises(ValueError, match="has no sound"):
        AudioTransformer().fit_transform([silent])
