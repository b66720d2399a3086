import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, JpegImagePlugin

from sklearn_mm.preprocessing.cells._paths import file_path
from sklearn_mm.preprocessing.image._decode import decode
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.image._picture_decoder import PictureDecoder
from sklearn_mm.preprocessing.media._unreadable import UnreadableError

RED, GREEN, BLUE, WHITE, BLACK, VIOLET = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (90, 0, 90)
BOMB_WARNING = "ignore::PIL.Image.DecompressionBombWarning"


def framing(size=(8, 8), *, resize="stretch", crop=None, rotate=0, color="RGB", background=VIOLET):
    return Framing(size=size, resize=resize, crop=crop, rotate=rotate, color=color, background=background)


def encoded(image, format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def quarters(size=(16, 16)):
    """A picture that is red and green above, blue and white below."""
    image = Image.new("RGB", (2, 2))
    for place, color in zip([(0, 0), (1, 0), (0, 1), (1, 1)], [RED, GREEN, BLUE, WHITE], strict=True):
        image.putpixel(place, color)
    return image.resize(size, Image.Resampling.NEAREST)


def waves(width, height):
    """A smooth picture without symmetry."""
    x, y = np.meshgrid(np.linspace(0, 7, width), np.linspace(0, 5, height))
    channels = np.stack([np.sin(x + y), np.cos(x * 0.7 - y), np.sin(0.3 * x * y)], axis=-1)
    return Image.fromarray((channels * 127 + 128).astype(np.uint8))


def assert_close(actual, expected, atol):
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= atol


def assert_all(array, color, atol=0):
    assert_close(array, np.broadcast_to(np.uint8(color), array.shape), atol)


def corners(array):
    return [tuple(array[row, column].tolist()) for row in (0, -1) for column in (0, -1)]


class TestKinds:
    def test_all_kinds_give_the_same_picture(self, tmp_path):
        image = waves(40, 30)
        content = encoded(image)
        path = tmp_path / "a picture ü.png"
        path.write_bytes(content)
        padded = memoryview(content + b"\0").toreadonly()[:-1]
        cells = [str(path), path, content, bytearray(content), padded, image, np.asarray(image)]
        pictures = [decode(cell, framing((9, 7))) for cell in cells]
        assert pictures[0].shape == (9, 7, 3)
        assert pictures[0].dtype == np.uint8
        for picture in pictures[1:]:
            np.testing.assert_array_equal(picture, pictures[0])

    @pytest.mark.parametrize("color", ["RGB", "L"])
    @pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3), (5, 6, 4)], ids=str)
    def test_shapes_of_arrays(self, shape, color):
        picture = decode(np.full(shape, 255, np.uint8), framing(color=color))
        assert picture.shape == (8, 8, len(color))
        assert_all(picture, 255)

    @pytest.mark.parametrize(
        ("array", "level"),
        [
            (np.full((3, 4), 100, np.uint8), 100),
            (np.full((3, 4), True), 255),
            (np.full((3, 4), False), 0),
            (np.full((3, 4), 100 * 257, np.uint16), 100),
            (np.full((3, 4), 65535, ">u2"), 255),
            (np.full((3, 4), 128, np.uint16), 0),
            (np.full((3, 4), 129, np.uint16), 1),
            (np.full((3, 4), 100 / 255, np.float64), 100),
            (np.full((3, 4), 100 / 255, np.float32), 100),
            (np.full((3, 4), 1, np.float16), 255),
            (np.full((3, 4), 0.0), 0),
            (np.full((3, 4), np.nextafter(np.float32(1), np.float32(2))), 255),
            (np.full((3, 4), -1e-9), 0),
        ],
        ids=lambda value: str(getattr(value, "dtype", value)),
    )
    def test_values_of_arrays(self, array, level):
        assert_all(decode(array, framing()), level)

    def test_arrays_need_not_be_contiguous_and_stay_as_they_are(self):
        array = np.asarray(waves(40, 30)).astype(np.float32) / 255
        array.setflags(write=False)
        before = array.copy()
        flipped = decode(array[::-1, ::2], framing())
        np.testing.assert_array_equal(flipped, decode(np.ascontiguousarray(array[::-1, ::2]), framing()))
        np.testing.assert_array_equal(array, before)

    @pytest.mark.parametrize(
        ("array", "cause"),
        [
            (np.full((3, 4), 255.0), r"\[0, 1\], got values from 255 to 255; divide"),
            (np.full((3, 4), 1.01), r"\[0, 1\], got values from 1.01 to 1.01"),
            (np.full((3, 4), -0.1), r"\[0, 1\], got values from -0.1"),
            (np.array([[0.5, np.nan]]), r"\[0, 1\]"),
            (np.full((3, 4), 100), r"integers from 100 to 100 \(int64\).*convert it.*astype\(np.uint8\)"),
            (np.full((3, 4), 1j), "complex128"),
            (np.full((3, 4), "a"), "integers, floats or bool, got <U1"),
            (np.full((3, 4), None), "object"),
            (np.zeros((2, 20, 20), np.uint8), r"\(H, W, 3\).*channels first, got \(2, 20, 20\)"),
            (np.zeros((20, 20, 2), np.uint8), r"\(H, W, 3\)"),
            (np.zeros(20, np.uint8), r"\(H, W\)"),
            (np.zeros((1, 2, 3, 4), np.uint8), r"\(H, W\)"),
            (np.zeros((0, 20, 3), np.uint8), "no pixels"),
        ],
    )
    def test_arrays_that_are_no_pictures(self, array, cause):
        with pytest.raises(UnreadableError, match=cause):
            decode(array, framing())

    def test_pil_image_is_left_as_it_is(self):
        image = Image.open(io.BytesIO(encoded(waves(640, 480), "JPEG", quality=95)))
        decode(image, framing(crop=(3, 4, 400, 300), rotate=30, color="L"))
        assert image.size == (640, 480)
        assert image.mode == "RGB"

    def test_closed_pil_image(self):
        image = Image.open(io.BytesIO(encoded(waves(40, 30))))
        image.close()
        with pytest.raises(UnreadableError, match="closed"):
            decode(image, framing())


def with_alpha(mode, color, alpha):
    image = Image.new(mode, (6, 6), color)
    image.putalpha(alpha)
    return image


def palette_picture(format, **options):
    image = Image.new("P", (6, 6), 1)
    image.putpalette([*GREEN, *RED, *BLUE])
    return encoded(image, format, **options)


class TestModes:
    @pytest.mark.parametrize(
        ("cell", "color"),
        [
            (Image.new("L", (6, 6), 77), 77),
            (encoded(Image.new("L", (6, 6), 77)), 77),
            (Image.new("1", (6, 6), 1), 255),
            (encoded(Image.new("1", (6, 6), 1)), 255),
            (encoded(Image.new("1", (6, 6), 0), "TIFF"), 0),
            (with_alpha("L", 77, 255), 77),
            (with_alpha("L", 77, 0), VIOLET),
            (encoded(with_alpha("L", 77, 0)), VIOLET),
            (with_alpha("RGB", RED, 255), RED),
            (with_alpha("RGB", RED, 0), VIOLET),
            (encoded(with_alpha("RGB", RED, 0)), VIOLET),
            (np.full((6, 6, 4), 0, np.uint8), VIOLET),
            (with_alpha("RGB", (0, 0, 0), 51), (72, 0, 72)),
            (palette_picture("PNG"), RED),
            (palette_picture("GIF"), RED),
            (palette_picture("PNG", transparency=1), VIOLET),
            (palette_picture("PNG", transparency=0), RED),
            (palette_picture("PNG", transparency=b"\xff\x00\xff"), VIOLET),
            (palette_picture("GIF", transparency=1), VIOLET),
            (encoded(Image.new("RGB", (6, 6), RED), transparency=RED), VIOLET),
            (encoded(Image.new("RGB", (6, 6), RED), transparency=BLUE), RED),
            (encoded(Image.new("L", (6, 6), 7), transparency=7), VIOLET),
            (Image.new("CMYK", (6, 6), (0, 255, 255, 0)), RED),
            (encoded(Image.new("CMYK", (6, 6), (0, 0, 0, 255)), "JPEG"), BLACK),
            (encoded(Image.new("CMYK", (6, 6), (0, 0, 0, 0)), "TIFF"), WHITE),
            (Image.new("YCbCr", (6, 6), (77, 128, 128)), 77),
            (Image.new("HSV", (6, 6), (0, 0, 77)), 77),
            (Image.fromarray(np.full((6, 6), 77 * 257, np.uint16)), 77),
            (encoded(Image.fromarray(np.full((6, 6), 77 * 257, np.uint16))), 77),
            (encoded(Image.fromarray(np.full((6, 6), 65535, np.uint16)), "TIFF"), 255),
            (Image.new("I;16B", (6, 6), 77 * 257), 77),
            (Image.new("I", (6, 6), 77 * 257), 77),
            (Image.new("F", (6, 6), 0.2), 51),
        ],
    )
    def test_mode(self, cell, color):
        assert_all(decode(cell, framing()), color)
        grey = Image.new("RGB", (1, 1), color if isinstance(color, tuple) else (color,) * 3).convert("L")
        assert_all(decode(cell, framing(color="L")), grey.getpixel((0, 0)))

    @pytest.mark.parametrize("level", [-1, 65536])
    def test_integers_of_unknown_range(self, level):
        with pytest.raises(UnreadableError, match=f"{level} to {level}.*range"):
            decode(Image.new("I", (6, 6), level), framing())

    def test_transparency_is_laid_on_the_background_before_scaling(self):
        image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))  # black, but invisible
        image.paste((*WHITE, 255), (0, 0, 8, 16))
        assert decode(image, framing(background=WHITE)).min() == 255

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_first_frame_of_animations(self, format):
        frames = [Image.new("RGB", (16, 16), color) for color in (RED, GREEN, BLUE)]
        content = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert getattr(Image.open(io.BytesIO(content)), "n_frames", 1) == 3
        assert_all(decode(content, framing()), RED, atol=3)


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(image, orientation, format="JPEG", **options):
    """Encode ``image`` lying as a camera would store it that was held in this orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED[orientation]
    return encoded(image if turn is None else image.transpose(turn), format, exif=exif, **options)


class TestOrientation:
    @pytest.mark.parametrize("orientation", STORED)
    @pytest.mark.parametrize("format", ["PNG", "WEBP"])
    def test_upright(self, orientation, format):
        image = waves(40, 30)
        content = stored(image, orientation, format, lossless=True)
        np.testing.assert_array_equal(decode(content, framing((6, 8))), decode(image, framing((6, 8))))
        opened = Image.open(io.BytesIO(content))
        np.testing.assert_array_equal(decode(opened, framing((6, 8))), decode(image, framing((6, 8))))

    @pytest.mark.parametrize("orientation", STORED)
    @pytest.mark.parametrize("crop", [None, (0, 0, 800, 600), (400, 0, 800, 300), (111, 222, 777, 555)])
    def test_upright_jpeg_with_draft_and_crop(self, orientation, crop):
        image = waves(800, 600)
        content = stored(image, orientation, quality=95)
        whole = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        box = crop or (0, 0, 800, 600)
        expected = np.asarray(whole.crop(box).resize((20, 15), Image.Resampling.BICUBIC))
        assert_close(decode(content, framing((15, 20), crop=crop)), expected, atol=6)

    @pytest.mark.filterwarnings("ignore:Corrupt EXIF")
    @pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0garbage", b"Exif\0\0", b"\0" * 40])
    def test_damaged_exif_is_ignored(self, exif):
        content = encoded(Image.new("RGB", (16, 16), WHITE), "JPEG", exif=exif)
        assert_all(decode(content, framing()), WHITE)

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_unknown_orientation_is_ignored(self, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(quarters(), exif=exif)
        assert corners(decode(content, framing())) == [RED, GREEN, BLUE, WHITE]


class TestDraft:
    @pytest.fixture
    def decoded_sizes(self, monkeypatch):
        sizes = []
        load = JpegImagePlugin.JpegImageFile.load

        def spy(image):
            sizes.append(image.size)
            return load(image)

        monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", spy)
        return sizes

    @pytest.mark.parametrize(
        ("options", "size"),
        [
            ({"size": (50, 50)}, (200, 150)),
            ({"size": (75, 100)}, (200, 150)),
            ({"size": (76, 100)}, (400, 300)),
            ({"size": (76, 100), "resize": "pad"}, (200, 150)),
            ({"size": (50, 50), "crop": (0, 0, 200, 200)}, (400, 300)),
            ({"size": (50, 50), "crop": (0, 0, 60, 60)}, (800, 600)),
            ({"size": (600, 800)}, (800, 600)),
            ({"size": (2000, 2000)}, (800, 600)),
            ({"size": (50, 50), "rotate": 45}, (100, 75)),
        ],
    )
    def test_scale(self, decoded_sizes, options, size):
        decode(encoded(waves(800, 600), "JPEG"), framing(**options))
        assert set(decoded_sizes) == {size}

    @pytest.mark.parametrize("color", ["RGB", "L"])
    @pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
    @pytest.mark.parametrize("rotate", [0, 90, 30])
    @pytest.mark.parametrize("image_size", [(801, 603), (97, 1203)], ids=str)
    def test_result_is_that_of_the_whole_picture(self, color, resize, rotate, image_size):
        content = encoded(waves(*image_size), "JPEG", quality=95)
        whole = np.asarray(Image.open(io.BytesIO(content)))
        settings = framing((20, 24), resize=resize, rotate=rotate, color=color, background=(128, 128, 128))
        difference = decode(content, settings).astype(int) - decode(whole, settings)
        assert np.abs(difference).mean() < 5  # of reduced JPEGs the last pixel is a part of one

    def test_grey_jpeg_stays_grey(self):
        assert_all(decode(encoded(Image.new("L", (300, 300), 77), "JPEG"), framing()), 77, atol=1)


class TestUnreadable:
    @pytest.mark.parametrize(
        ("content", "cause"),
        [
            (b"", "empty"),
            (b"Dear reader, this is a letter.\n" * 20, "no picture"),
            (b"<!DOCTYPE html><html></html>", "no picture"),
            (b"\x89PNG\r\n\x1a\n", "no picture|OSError|truncated"),
            (encoded(waves(64, 64))[:2000], "truncated"),
            (encoded(waves(64, 64), "JPEG")[:-200], "truncated"),
            (encoded(waves(64, 64), "GIF")[:-200], "truncated"),
        ],
    )
    def test_content(self, content, cause, tmp_path):
        path = tmp_path / "photo.jpg"
        path.write_bytes(content)
        for cell in (path, str(path), content):
            with pytest.raises(UnreadableError, match=cause):
                decode(cell, framing())

    def test_no_such_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(UnreadableError, match=r"^no such file$"):
            decode(tmp_path / "nowhere.png", framing())
        with pytest.raises(UnreadableError, match=r"^no such file \(.*nowhere\.png"):
            decode("nowhere.png", framing())
        with pytest.raises(UnreadableError, match=r"^no such file \(.*below.*nowhere\.png"):
            decode("nowhere.png", framing(), root="below")

    @pytest.mark.skipif(os.sep != "/", reason="backslashes separate folders here")
    def test_backslashes_are_pointed_out(self):
        with pytest.raises(UnreadableError, match="does not separate folders"):
            decode("img\\0001.jpg", framing())

    def test_file_in_place_of_a_folder(self, tmp_path):
        (tmp_path / "file").write_bytes(b"1")
        with pytest.raises(UnreadableError, match="no such file"):
            decode(tmp_path / "file" / "a.png", framing())

    def test_directory(self, tmp_path):
        with pytest.raises(UnreadableError, match="is a directory"):
            decode(tmp_path, framing())

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
    def test_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(UnreadableError, match="not a regular file"):
            decode(tmp_path / "pipe.png", framing())

    @pytest.mark.parametrize("cell", ["a\0b.png", "x" * 5000, "\ud800.png"], ids=["null", "long", "surrogate"])
    def test_impossible_names(self, cell):
        with pytest.raises(UnreadableError):
            decode(cell, framing())

    @pytest.mark.parametrize("cell", ["https://a.b/c.png", "HTTP://a.b/c.png", "s3://a/b.png"])
    def test_urls_are_refused(self, cell):
        with pytest.raises(UnreadableError, match=r"URL, and nothing is fetched; pass loader="):
            decode(cell, framing())

    @pytest.mark.filterwarnings(BOMB_WARNING)
    @pytest.mark.parametrize("limit", [3999, 1500])  # above the one Pillow warns, above twice the one it raises
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF"])
    def test_decompression_bomb(self, limit, format, monkeypatch):
        content = encoded(waves(80, 50), format)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(UnreadableError, match=f"more than {limit} pixels.*bomb"):
            decode(content, framing())

    @pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
    def test_decompression_bomb_where_warnings_are_errors(self, monkeypatch):
        content = encoded(waves(80, 50))
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3999)
        with pytest.raises(UnreadableError, match="bomb"):
            decode(content, framing())

    @pytest.mark.parametrize("limit", [None, 4000])
    def test_limit_is_pillows(self, limit, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert decode(encoded(waves(80, 50)), framing()).shape == (8, 8, 3)

    @pytest.mark.filterwarnings("ignore::UserWarning", BOMB_WARNING)
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO", "TGA", "PPM", "SGI"])
    def test_damaged_files_are_pictures_or_unreadable_and_nothing_else(self, format):
        whole = encoded(waves(24, 18), format)
        rng = np.random.default_rng(0)
        n_unreadable = 0
        for trial in range(120):
            content = bytearray(whole)
            for place in rng.integers(min(len(content), 300), size=3):
                content[place] = rng.integers(256)
            if trial % 3 == 0:
                content = content[: rng.integers(len(content))]
            try:
                assert decode(content, framing(color="L", rotate=10)).shape == (8, 8, 1)
            except UnreadableError:
                n_unreadable += 1
        assert n_unreadable


def test_file_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert file_path("a.png") == "a.png"
    assert file_path(Path("a") / "b.png", "root") == os.path.join("root", "a", "b.png")
    assert file_path(str(tmp_path / "a.png"), "root") == str(tmp_path / "a.png")
    assert file_path("~/a.png", "root") == f"{tmp_path}/a.png"
    assert file_path("a.png", Path("~")) == os.path.join(tmp_path, "a.png")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("a\n.png", r"'a\n.png'"),
        (Path("a.png"), "'a.png'"),
        (b"abc", "bytes of length 3"),
        (Image.new("L", (2, 3)), "PIL image of mode L and size (2, 3)"),
        (np.zeros((2, 3), bool), "array of shape (2, 3) and dtype bool"),
        ({"a": 1}, "object of type dict"),
    ],
)
def test_describe(cell, text):
    assert PictureDecoder().describe(cell) == text


def test_describe_cell_is_short():
    assert len(PictureDecoder().describe("data:" + "A" * 10**6)) < 130
