"""What counts as an unreadable cell, and what does not: mistakes of the package itself."""

import inspect
import io

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.image import _decode
from sklearn_mm.preprocessing.image._pillow_errors import READ_ERRORS, pillow_reads
from sklearn_mm.preprocessing.media._unreadable import UnreadableError


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.fixture
def cells(tmp_path):
    """Cells of all kinds, good and bad, so that each function of the module is called."""
    image = Image.new("RGB", (400, 300), "red")
    image.save(tmp_path / "ä.png")
    (tmp_path / "letter.png").write_text("Dear reader")
    deep = Image.fromarray(np.full((300, 400), 700, np.uint16))
    return [
        str(tmp_path / "ä.png"),
        encoded(image, "JPEG"),
        encoded(image, "TIFF"),
        image,
        image.convert("RGBA"),
        np.asarray(image) / 255,
        deep,
        deep.convert("I"),
        str(tmp_path / "letter.png"),
        "gone.png",
    ]


OWN = [
    name
    for name, function in vars(_decode).items()
    if inspect.isfunction(function) and function.__module__ == _decode.__name__
]
CALLED = ["as_spelt_on_disk", "is_camera_raw", "plain_cell"]


@pytest.mark.parametrize("name", [*OWN, *CALLED])
@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError, KeyError, OSError, ZeroDivisionError])
def test_a_mistake_of_the_package_is_neither_unreadable_nor_swallowed(name, error, cells, monkeypatch):
    def mistaken(*args, **kwargs):
        raise error("a mistake")

    monkeypatch.setattr(_decode, name, mistaken)
    for module in ("_picture_decoder", "_framing"):
        monkeypatch.setattr(f"sklearn_mm.preprocessing.image.{module}.{name}", mistaken, raising=False)
    transformer = ImageTransformer(8, crop=(0, 0, 300, 300), rotate=10, on_error="ignore", n_jobs=1)
    with pytest.raises(error, match="a mistake"):
        transformer.fit(cells)


@pytest.mark.parametrize("error", READ_ERRORS)
@pytest.mark.parametrize("call", ["open", "load", "convert"])
def test_what_pillow_raises_is_unreadable(call, error, monkeypatch):
    def fail(*args, **kwargs):
        raise error("a damaged file")

    good, content = Image.new("RGB", (8, 8)), encoded(Image.new("RGBA", (8, 8)))
    kind = {"open": Image, "load": ImageFile.ImageFile, "convert": PngImagePlugin.PngImageFile}[call]
    monkeypatch.setattr(kind, call, fail, raising=False)
    transformer = ImageTransformer(8, on_error="ignore").fit([np.asarray(good), content])
    assert transformer.unreadable_rows_.tolist() == [1]
    with pytest.raises(ValueError, match=r"(?s)cannot read 1 of 1 .*a damaged file"):
        transformer.set_params(on_error="raise").transform([content])


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_stops_the_process_passes_through(error):
    with pytest.raises(error), pillow_reads(str):
        raise error


def test_the_cause_is_kept():
    with pytest.raises(UnreadableError, match="damaged") as caught, pillow_reads("cause: {}".format):
        raise OSError("damaged")
    assert isinstance(caught.value.__cause__, OSError)


def test_pictures_without_pixels_are_unreadable():
    with pytest.raises(ValueError, match="has no pixels"):
        ImageTransformer(8).fit([Image.new("RGB", (0, 5))])


def test_a_truncated_picture_says_what_reads_it(monkeypatch):
    pixels = np.random.default_rng(0).integers(256, size=(40, 40, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(pixels))[:-900]
    with pytest.raises(ValueError, match=r"truncated.*PIL\.ImageFile\.LOAD_TRUNCATED_IMAGES = True"):
        ImageTransformer(8).fit([content])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    assert ImageTransformer(8).fit_transform([content]).any()
