"""Pictures that lie: every format, every orientation, every way of handing them in, against Pillow's own turning."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.image import _picture_decoder
from sklearn_mm.preprocessing.image._decode import decode, read_header
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.media._cell_keys import hash_cells

ORIENTATION_TAG = 0x0112
FORMATS = {
    "PNG": ("PNG", {}),
    "TIFF": ("TIFF", {}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF, JPEG": ("TIFF", {"compression": "jpeg", "quality": 95}),
    "JPEG": ("JPEG", {"quality": 95}),
    "MPO": ("MPO", {"quality": 95}),
    "WEBP": ("WEBP", {"lossless": True}),
    "AVIF": ("AVIF", {}),
}


def waves(width, height):
    """A smooth picture without symmetry."""
    x, y = np.meshgrid(np.linspace(0, 7, width), np.linspace(0, 5, height))
    channels = np.stack([np.sin(x + y), np.cos(x * 0.7 - y), np.sin(0.3 * x * y)], axis=-1)
    return Image.fromarray((channels * 127 + 128).astype(np.uint8))


Image.init()


def lying(image, name, orientation):
    format, options = FORMATS[name]
    if format == "AVIF" and "AVIF" not in Image.SAVE:
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    buffer = io.BytesIO()
    image.save(buffer, format, exif=exif, **options)
    return buffer.getvalue()


def as_path(content, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(content)
    return path


def as_loaded(content, tmp_path):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


WAYS = {
    "path": as_path,
    "string": lambda content, tmp_path: str(as_path(content, tmp_path)),
    "bytes": lambda content, tmp_path: content,
    "memoryview": lambda content, tmp_path: memoryview(content),
    "opened": lambda content, tmp_path: Image.open(io.BytesIO(content)),
    "loaded": as_loaded,
    "turned by Pillow": lambda content, tmp_path: ImageOps.exif_transpose(Image.open(io.BytesIO(content))),
}


def framing(size, crop=None):
    return Framing(size=size, resize="stretch", crop=crop, rotate=0, color="RGB", background=(90, 0, 90))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", FORMATS)
def test_upright(name, orientation, tmp_path):
    content = lying(waves(40, 30), name, orientation)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))
    for crop in (None, (3, 2, 25, 21)):
        settings = framing((28, 26), crop)  # too large for JPEGs to come reduced
        expected = decode(np.ascontiguousarray(upright), settings)
        for way, hand_in in WAYS.items():
            picture = decode(hand_in(content, tmp_path), settings)
            np.testing.assert_array_equal(picture, expected, err_msg=f"{way}, crop={crop}")
    for way, hand_in in WAYS.items():
        assert read_header(hand_in(content, tmp_path)) == (*upright.shape[1::-1], 0), way


@pytest.mark.parametrize("orientation", range(1, 9))
def test_crop_boxes_that_fit_only_the_upright_picture(orientation):
    """Of 40 by 30 pixels, lying or not, the boxes tell which way the edges were counted."""
    content = lying(waves(40, 30), "TIFF", orientation)
    width, height = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).size
    decode(content, framing((8, 8), crop=(0, 0, width, height)))
    with pytest.raises(ValueError, match=f"outside of the picture, which is {width} x {height}"):
        decode(content, framing((8, 8), crop=(0, 0, height, width)))


def test_pictures_that_an_earlier_version_stored_are_not_served(tmp_path, monkeypatch):
    content, memory = lying(waves(40, 30), "TIFF", 6), tmp_path / "store"
    with monkeypatch.context() as earlier:
        earlier.setattr(_picture_decoder, "_VERSION", 1)
        earlier.setattr(_picture_decoder, "decode", lambda cell, framing, *_: np.full((*framing.size, 3), 7, np.uint8))
        assert (np.asarray(ImageTransformer(8, memory=memory).fit_transform([content])) == 7).all()
    fresh = ImageTransformer(8, memory=memory).fit_transform([content])
    np.testing.assert_array_equal(fresh, ImageTransformer(8).fit_transform([content]))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_keys_of_pictures_with_damaged_exif_tell_them_apart():
    cells = np.empty(2, dtype=object)
    for row, shade in enumerate((10, 200)):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8), (shade,) * 3).save(buffer, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
        cells[row] = Image.open(buffer)
    first, second = hash_cells(cells, _picture_decoder.PictureDecoder())
    assert first != second


@pytest.mark.parametrize("name", FORMATS)
def test_keys_of_opened_and_loaded_pictures_tell_what_they_show(name):
    content = lying(waves(40, 30), name, 6)
    opened, loaded = Image.open(io.BytesIO(content)), as_loaded(content, None)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    flat = upright.copy()
    flat.getexif()[ORIENTATION_TAG] = 6  # the same pixels, yet to be turned
    cells = np.empty(3, dtype=object)
    cells[:] = [opened, loaded, flat]
    first, second, third = hash_cells(cells, _picture_decoder.PictureDecoder())
    assert first == second
    assert third not in (first, second)
