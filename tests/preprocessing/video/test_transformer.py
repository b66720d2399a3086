"""`VideoTransformer`: the ways in which cells hold clips, which frames are read, and what cannot be."""

import io
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sklearn_mm.preprocessing import VideoTransformer
from sklearn_mm.preprocessing.video._recording import Recording
from sklearn_mm.utils.estimator_checks import check_transformer

from .conftest import av, mux_tone, write_clip

FORMATS = [
    ("clip.mp4", "libx264"),
    ("clip.mov", "mjpeg"),
    ("clip.mkv", "libx264"),
    ("clip.webm", "libvpx-vp9"),
    ("clip.webm", "libvpx"),
    ("clip.avi", "mpeg4"),
    ("clip.mp4", "libx265"),
    ("clip.ts", "libx264"),
    ("clip.mpg", "mpeg2video"),
]


def greys(clips):
    """Return the middle grey of each frame."""
    return clips[..., clips.shape[2] // 2, clips.shape[3] // 2, 0].astype(int)


@pytest.mark.parametrize(("name", "codec"), FORMATS, ids=[f"{name}-{codec}" for name, codec in FORMATS])
def test_frames_are_those_at_even_distances(tmp_path, name, codec):
    path = write_clip(tmp_path / name, codec)
    clips = VideoTransformer(6, size=16).fit_transform([path])
    assert clips.shape == (1, 6, 16, 16, 3)
    # a frame more or less is 4: MPEG's program streams leave a gap
    np.testing.assert_allclose(greys(clips)[0], [20, 60, 100, 140, 180, 220], atol=6)


def test_all_frames_are_those_of_a_loop(clip):
    with av.open(clip) as container:
        expected = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    read = VideoTransformer(60, size=(48, 64), resize="stretch").fit_transform([clip])[0]
    np.testing.assert_array_equal(read, expected)


def test_few_frames_decode_no_more_than_leads_to_them(tmp_path, monkeypatch):
    path = write_clip(tmp_path / "long.mp4", greys=np.arange(600) % 200, gop=20)
    decoded, read_from = [], Recording._decoded_from

    def count(self, *arguments):
        for frame in read_from(self, *arguments):
            decoded.append(frame.pts)
            yield frame

    monkeypatch.setattr(Recording, "_decoded_from", count)
    clips = VideoTransformer(4, size=16).fit_transform([path])
    np.testing.assert_allclose(greys(clips)[0], [75, 25, 175, 125], atol=4)
    assert len(decoded) <= 4 * 20


def test_a_variable_rate_is_sampled_by_time(tmp_path):
    ticks = [*range(0, 800, 80), *range(1000, 10_000, 1000)]  # ten frames in the first second, then one in each
    path = write_clip(tmp_path / "clip.mkv", greys=range(0, 190, 10), ticks=ticks)
    clips = VideoTransformer(5, size=16).fit_transform([path])
    np.testing.assert_allclose(greys(clips)[0], [90, 110, 130, 150, 170], atol=4)


def test_fps_and_max_seconds(clip):
    second = VideoTransformer(5, fps=5, size=16).fit_transform([clip])  # frames 0, 5, 10 …
    np.testing.assert_allclose(greys(second)[0], [0, 20, 40, 60, 80], atol=4)
    stands_still = VideoTransformer(5, fps=1, size=16).fit_transform([clip])  # the clip has 2.4 seconds
    np.testing.assert_allclose(greys(stands_still)[0], [0, 100, 200, 236, 236], atol=4)
    begin = VideoTransformer(2, max_seconds=0.8, size=16).fit_transform([clip])
    np.testing.assert_allclose(greys(begin)[0], [20, 60], atol=4)


def test_short_clips_repeat_frames(tmp_path):
    path = write_clip(tmp_path / "short.mp4", greys=[0, 100, 200])
    np.testing.assert_allclose(
        greys(VideoTransformer(6, size=16).fit_transform([path]))[0], [0, 0, 100, 100, 200, 200], atol=4
    )


def test_cells_of_all_kinds_hold_the_same(clip, tmp_path):
    content = Path(clip).read_bytes()
    with open(clip, "rb") as file:
        file.seek(7)
        cells = [clip, Path(clip), Path(clip).as_uri(), content, io.BytesIO(content), file]
        cells += [{"bytes": content, "path": None}, {"bytes": None, "path": clip}]
        clips = VideoTransformer(3, size=16).fit_transform(pd.Series(cells, dtype=object))
        assert file.tell() == 7
    assert (clips == clips[0]).all()
    assert greys(clips)[0].tolist() != [0, 0, 0]
    relative = VideoTransformer(3, size=16, root=tmp_path).fit_transform(["clip.mp4"])
    np.testing.assert_array_equal(relative[0], clips[0])


def test_frames_that_come_one_by_one(tmp_path):
    frames = np.arange(12, dtype=np.uint8)[:, None, None, None] * np.full((12, 8, 10, 3), 20, dtype=np.uint8)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / f"frame {number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    images = [Image.fromarray(frame) for frame in frames]
    cells = [frames, list(frames), images, str(tmp_path), [str(tmp_path / f"frame {n}.png") for n in range(12)]]
    cells += [torch.from_numpy(frames.transpose(0, 3, 1, 2)), frames[..., 0], [*images, None]]
    clips = VideoTransformer(4, size=8).fit_transform(pd.Series(cells, dtype=object))
    for number in range(len(cells)):
        assert greys(clips[[number]])[0].tolist() == [20, 80, 140, 200]


@pytest.mark.parametrize(("ending", "options"), [("gif", {}), ("webp", {"lossless": True}), ("png", {})])
def test_animated_pictures_are_sampled_by_time(tmp_path, ending, options):
    frames = [Image.new("RGB", (20, 16), (20 * number,) * 3) for number in range(10)]
    path = tmp_path / f"clip.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100] * 9 + [900], **options)
    with Image.open(path) as image:
        image.seek(3)
        clips = VideoTransformer(6, size=16).fit_transform(pd.Series([str(path), image, path.read_bytes()]))
        assert image.tell() == 3
    for number in range(3):
        assert greys(clips[[number]])[0].tolist() == [20, 80, 140, 180, 180, 180]


def test_frames_are_set_upright(tmp_path):
    picture = np.zeros((48, 64, 3), dtype=np.uint8)
    picture[:, :32] = 200  # bright on the left
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    content = path.read_bytes()
    lying = (1).to_bytes(2, "big") + bytes(14) + (1).to_bytes(2, "big") + bytes(14) + (0x4000).to_bytes(2, "big")
    # as telephones write it: to be turned clockwise by a quarter
    quarter = [0, 1 << 16, 0, -(1 << 16) & 0xFFFFFFFF, 0, 0, 0, 0, 0x40000000]
    quarter = b"".join(number.to_bytes(4, "big") for number in quarter)
    start = content.index(lying, content.index(b"tkhd"))
    path.write_bytes(content[:start] + quarter + content[start + 36 :])
    transformer = VideoTransformer(2)
    clips = transformer.fit_transform([str(path)])
    assert transformer.size_ == (72, 56)
    assert clips[0, 0, :30].mean() > 180  # bright above
    assert clips[0, 0, 42:].mean() < 20


def test_pixels_that_are_not_square_are_stretched(tmp_path):
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 48, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        frame = av.VideoFrame.from_ndarray(np.full((48, 48, 3), 90, dtype=np.uint8))
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert VideoTransformer(1).fit([str(path)]).size_ == (48, 88)


def test_grey_and_framing_are_as_of_pictures(clip):
    clips = VideoTransformer(3, size=(20, 24), color="L", resize="pad").fit_transform([clip])
    assert clips.shape == (1, 3, 20, 24, 1)
    assert (clips[0, :, 0] == 255).all()  # padding
    np.testing.assert_allclose(greys(clips)[0], [40, 120, 200], atol=4)


def test_statistics_of_the_data(clip):
    transformer = VideoTransformer(60, size=16, mean="dataset", std="dataset").fit([clip])
    np.testing.assert_allclose(transformer.mean_, np.arange(0, 240, 4).mean() / 255, atol=0.01)
    assert transformer.spec_.kind == "video"
    assert transformer.spec_.shape == (60, 16, 16, 3)


def broken(tmp_path, clip):
    """Return cells that hold no clip, and what is said of each."""
    content = Path(clip).read_bytes()
    matroska = Path(write_clip(tmp_path / "whole.mkv")).read_bytes()
    (tmp_path / "text.mp4").write_text("These are words. " * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        mux_tone(container, container.add_stream("aac", rate=16000, layout="mono"))
    return [
        (content[: len(content) // 2], "is damaged, or truncated before what it holds is told"),
        (matroska[: len(matroska) // 2], "is truncated: it ends after"),
        (str(tmp_path / "text.mp4"), "is no video, or of a format that FFmpeg cannot read"),
        (str(tmp_path / "empty.mp4"), "is empty"),
        (str(tmp_path / "sound.mp4"), r"has no video, only sound \(aac\)"),
        (str(tmp_path / "lost.mp4"), "no such file"),
        (str(tmp_path / "folder"), "has no frames"),
        ("https://example.org/clip.mp4", "is a URL, and nothing is fetched"),
        ([], "has no frames"),
        (np.zeros((0, 4, 4, 3), dtype=np.uint8), "has no frames"),
        (np.zeros((9, 9, 3), dtype=np.uint8), r"an array must have the shape \(T, H, W, C\)"),
        (torch.zeros((9, 9, 3), dtype=torch.uint8), r"an array must have the shape \(T, H, W, C\)"),
        ([str(tmp_path / "lost.png")], "frame 0: no such file"),
        ([clip, clip], "frame 0: is no picture, .*; where lists hold clips, say lists=True"),
        ([np.zeros((2, 8, 8, 3))], "frame 0: an array must have the shape .*; where lists hold clips, say lists=True"),
    ]


@pytest.mark.parametrize("number", range(15))
def test_what_cannot_be_read_says_why(tmp_path, clip, number):
    cell, cause = broken(tmp_path, clip)[number]
    column = pd.Series([clip, cell], dtype=object)
    with pytest.raises(ValueError, match=rf"VideoTransformer cannot read 1 of 2 cells .*\(row 1\):\n.*{cause}"):
        VideoTransformer(2, size=16).fit(column)
    transformer = VideoTransformer(2, size=16, on_error="ignore")
    clips, present = transformer.fit_read(column)
    assert present.tolist() == [True, False]
    assert not clips[1].any()


def test_playlists_fetch_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/part.ts"
        playlist = tmp_path / "list.m3u8"
        playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n")
        with pytest.raises(ValueError, match="VideoTransformer cannot read 1 of 1 cells"):
            VideoTransformer(2).fit([str(playlist)])
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_frames_have_no_times(clip):
    frames = np.zeros((4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="single frames, of which no times are known"):
        VideoTransformer(2, fps=2, size=8).fit([frames])


def test_cells_of_other_types_are_refused(clip):
    with pytest.raises(TypeError, match=r"VideoTransformer reads paths .*; got float in row 1"):
        VideoTransformer(2, size=16).fit(pd.Series([clip, 3.5], dtype=object))


def test_lists_of_clips(clip, gif):
    clips = VideoTransformer(2, size=16, lists=True).fit_transform(pd.Series([[clip, gif], [clip], []], dtype=object))
    assert clips.counts.tolist() == [2, 1, 0]
    np.testing.assert_array_equal(clips.items[0], clips.items[2])


def test_stored_clips_are_decoded_once(tmp_path, clip, gif, monkeypatch):
    column = pd.Series([clip, gif, [np.full((8, 8), 9, dtype=np.uint8)]], dtype=object)
    transformer = VideoTransformer(2, size=16, memory=tmp_path / "memory")
    first = np.asarray(transformer.fit_transform(column)[:])
    np.testing.assert_array_equal(first, VideoTransformer(2, size=16).fit_transform(column))
    monkeypatch.setattr("sklearn_mm.preprocessing.video._video_decoder.choose_frames", None)
    np.testing.assert_array_equal(np.asarray(transformer.fit_transform(column)[:]), first)
    with pytest.raises(TypeError):
        VideoTransformer(3, size=16, memory=tmp_path / "memory").fit(column)


def test_a_store_tells_where_channels_are(tmp_path):
    open_ = np.random.default_rng(0).integers(255, size=(2, 3, 8, 3)).astype(np.uint8)
    for sure in (np.zeros((2, 3, 8, 8), dtype=np.uint8), np.zeros((2, 8, 8, 3), dtype=np.uint8)):
        stored = VideoTransformer(2, size=8, memory=tmp_path).fit_transform([open_, sure])
        np.testing.assert_array_equal(np.asarray(stored), VideoTransformer(2, size=8).fit_transform([open_, sure]))


def test_content_keys_tell_clips_apart(clip, gif, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "0.png")
    with Image.open(gif) as image:
        column = pd.Series([clip, gif, image, str(tmp_path), np.zeros((2, 8, 8, 3)), None, clip], dtype=object)
        transformer = VideoTransformer(2, size=16)
        keys = transformer.content_keys(column)
        image.seek(4)
        assert (transformer.content_keys(column) == keys).all()
    assert len(set(keys.tolist())) == 6
    assert keys[0] == keys[6]


def test_it_passes_the_shared_checks(clip, gif, tmp_path):
    other = write_clip(tmp_path / "other.webm", "libvpx-vp9", greys=range(200, 0, -5))
    third = write_clip(tmp_path / "third.avi", "mpeg4", greys=range(0, 200, 10))
    check_transformer(VideoTransformer(2, size=16), pd.Series([clip, gif, other, third], name="clip"))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"n_frames": 0}, "n_frames"), ({"fps": 0}, "fps"), ({"max_seconds": -1}, "max_seconds"), ({"size": ()}, "size")],
    ids=str,
)
def test_parameters_are_checked(clip, parameters, message):
    with pytest.raises(ValueError, match=f"The '{message}' parameter of VideoTransformer must be"):
        VideoTransformer(**parameters).fit([clip])
