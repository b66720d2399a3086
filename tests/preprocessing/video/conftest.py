"""Clips that are made for the tests: the grey of frame i is 4 i, so that a frame tells its number."""

from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")


def write_clip(path, codec="libx264", *, greys=range(0, 240, 4), size=(64, 48), ticks=None, gop=12, sound=False):
    """Write a file with frames of these greys, at 25 per second or at these milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = gop
        track = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for number, grey in enumerate(greys):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), grey, dtype=np.uint8))
            frame.pts = number if ticks is None else ticks[number]
            if ticks is not None:
                frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound:
            mux_tone(container, track)
    return str(path)


def mux_tone(container, track, rate=16000):
    """Put a second of a tone of 440 Hz into a track."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    container.mux(track.encode(frame))
    container.mux(track.encode())


@pytest.fixture
def clip(tmp_path):
    """An MP4 file of 60 frames, five of which are key frames."""
    return write_clip(tmp_path / "clip.mp4")


@pytest.fixture
def gif(tmp_path):
    """A GIF of 10 frames, of which the last is shown as long as all others."""
    frames = [Image.new("L", (20, 16), 20 * number) for number in range(10)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:], duration=[100] * 9 + [900])
    return str(tmp_path / "clip.gif")
