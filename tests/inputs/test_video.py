"""`VideoInput`: columns of videos are found, and are told why."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mm import ModalityTransformer, MultimodalClassifier, VideoInput
from sklearn_mm.encoders import CNNEncoder, FrameEncoder
from sklearn_mm.inputs import detect_kinds
from sklearn_mm.preprocessing import VideoTransformer

HEADS = {
    "mp4": b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41",
    "mov": b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00",
    "old-mov": b"\x00\x00\x00\x08wide\x00\x01\x02\x03mdat",
    "matroska": b"\x1a\x45\xdf\xa3\x01\x00\x00\x00",
    "avi": b"RIFF\x10\x20\x00\x00AVI LIST",
    "flash": b"FLV\x01\x05\x00\x00\x00\x09",
    "mpeg": b"\x00\x00\x01\xba\x44\x00",
}
NO_VIDEOS = {
    "png": b"\x89PNG\r\n\x1a\n",
    "heif": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
    "avif": b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00",
    "m4a": b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00",
    "wave": b"RIFF\x24\x08\x00\x00WAVEfmt ",
    "webp": b"RIFF\x24\x08\x00\x00WEBPVP8 ",
    "gif": b"GIF89a\x10\x00\x10\x00",
    "text": b"These are words.",
}


def kind_of(cells):
    return detect_kinds(pd.DataFrame({"cell": pd.Series(cells, dtype=object)}))["cell"]


@pytest.mark.parametrize(
    "cell",
    [
        *("a/b.mp4", "B.MKV", "clip.webm", "x.avi", "x.mov", "x.m4v", "https://example.org/a.mp4?size=3"),
        *(Path("a.mp4"), "file:///tmp/a.mpg", {"bytes": None, "path": "a.mp4"}),
        *("data:video/mp4;base64,AAAA", "data:;base64,AAAAIGZ0eXBpc29tAAACAA=="),
    ],
    ids=str,
)
def test_endings_and_uris(cell):
    assert kind_of([cell, cell, None]) == ("video", "2 of 2 cells looked at are videos or paths of videos")


@pytest.mark.parametrize("name", HEADS)
def test_bytes_and_open_files(name):
    cells = [HEADS[name], io.BytesIO(HEADS[name]), {"bytes": HEADS[name]}, memoryview(HEADS[name])]
    assert kind_of(cells) == ("video", "4 of 4 cells looked at are videos or paths of videos")


@pytest.mark.parametrize("name", NO_VIDEOS)
def test_other_bytes_are_none(name):
    assert kind_of([NO_VIDEOS[name] + b"\x00" * 9, NO_VIDEOS[name]]).kind != "video"


@pytest.mark.parametrize("cells", [["a.gif", "b.gif"], ["a.ts", "b.ts"], ["mp4", "mov"], ["see a.mp4 for more", "no"]])
def test_other_strings_are_none(cells):
    assert kind_of(cells).kind != "video"


def test_stacks_stay_pictures():
    assert kind_of([np.zeros((4, 8, 8, 3), dtype=np.uint8)] * 3).kind == "image"


def clips(n_rows=12):
    """Return clips that become brighter or darker, and which they do."""
    y = np.arange(n_rows) % 2
    steps = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.full((6, 12, 12, 3), 40, dtype=np.uint8)
    return pd.Series([steps if up else steps[::-1] for up in y]), y


def test_a_named_column_is_read():
    column, _ = clips()
    reader = ModalityTransformer(video=VideoInput("clip", transformer=VideoTransformer(3, size=8)))
    blocks = reader.fit_transform(pd.DataFrame({"clip": column, "size": np.arange(12.0)}))
    assert list(blocks) == ["clip", "tabular"]
    assert blocks["clip"].shape == (12, 3, 8, 8, 3)
    assert blocks.specs["clip"].kind == "video"


def test_the_parameter_is_on_every_estimator():
    import sklearn_mm

    for name in ("Classifier", "Regressor", "Embedder", "Generator"):
        estimator = getattr(sklearn_mm, f"Multimodal{name}")(video=VideoInput("clip"))
        estimator.set_params(video__transformer__n_frames=4, video__encoder=FrameEncoder("cnn"))
        assert estimator.get_params()["video__encoder__encoder"] == "cnn"


def test_keys_reach_the_image_encoder():
    video = VideoInput(encoder=FrameEncoder(CNNEncoder()))
    classifier = MultimodalClassifier(video=video).set_params(video__encoder__encoder__channels=(4,))
    assert classifier.video.encoder.encoder.channels == (4,)


def test_an_encoder_of_pictures_is_refused():
    X = pd.DataFrame({"clip": clips()[0]})
    with pytest.raises(ValueError, match="CNNEncoder reads blocks of kind 'image', got one of kind 'video'"):
        ModalityTransformer(video=VideoInput("clip", encoder=CNNEncoder())).fit(X)
