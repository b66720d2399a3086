"""How decode cuts, turns and scales."""

import io

import numpy as np
import pytest
from PIL import Image

from sklearn_mm.preprocessing.image._decode import decode
from sklearn_mm.preprocessing.image._framing import Framing
from sklearn_mm.preprocessing.media._unreadable import UnreadableError

RED, GREEN, BLUE, WHITE, VIOLET = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (90, 0, 90)


def framing(size=(8, 8), *, resize="stretch", crop=None, rotate=0, color="RGB", background=VIOLET, **others):
    return Framing(size=size, resize=resize, crop=crop, rotate=rotate, color=color, background=background, **others)


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


def assert_close(actual, expected, atol):
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= atol


def assert_all(array, color, atol=0):
    assert_close(array, np.broadcast_to(np.uint8(color), array.shape), atol)


def corners(array):
    return [tuple(array[row, column].tolist()) for row in (0, -1) for column in (0, -1)]


class TestFraming:
    def test_stretch(self):
        picture = decode(quarters((30, 10)), framing((6, 6), resize="stretch"))
        assert corners(picture) == [RED, GREEN, BLUE, WHITE]

    def test_crop_cuts_both_sides_alike(self):
        image = Image.new("RGB", (30, 10), RED)
        image.paste(GREEN, (10, 0, 20, 10))
        assert_all(decode(image, framing((10, 10), resize="crop")), GREEN)
        assert_all(decode(image.transpose(Image.Transpose.ROTATE_90), framing((10, 10), resize="crop")), GREEN)

    @pytest.mark.parametrize(("size", "rows"), [((18, 18), (4, 13)), ((10, 9), (3, 7))])
    def test_pad_keeps_all(self, size, rows):
        picture = decode(quarters((36, 18)), framing(size, resize="pad"))
        assert_all(picture[: rows[0]], VIOLET)
        assert_all(picture[rows[1] :], VIOLET)
        assert corners(picture[rows[0] : rows[1]]) == [RED, GREEN, BLUE, WHITE]

    def test_pad_where_nothing_is_missing(self):
        assert corners(decode(quarters((36, 18)), framing((9, 18), resize="pad"))) == [RED, GREEN, BLUE, WHITE]

    def test_pad_in_grey(self):
        picture = decode(quarters((36, 18)), framing((18, 18), resize="pad", color="L", background=RED))
        assert picture.shape == (18, 18, 1)
        assert picture[0, 0, 0] == 76  # the luma of red

    def test_crop_box(self):
        settings = framing((4, 4), crop=(8, 0, 16, 8))
        assert_all(decode(quarters((16, 16)), settings), GREEN)
        assert_all(decode(encoded(quarters((16, 16))), settings), GREEN)

    def test_crop_box_lets_nothing_in_from_outside(self):
        image = Image.new("RGB", (1600, 1600), RED)
        image.paste(GREEN, (400, 400, 1200, 1200))
        settings = framing((10, 10), crop=(400, 400, 1200, 1200))
        assert_all(decode(image, settings), GREEN)
        assert_all(decode(encoded(image, "JPEG", quality=100, subsampling=0), settings), GREEN, atol=3)

    @pytest.mark.parametrize("box", [(0, 0, 17, 16), (0, 0, 16, 17), (100, 100, 110, 110)], ids=str)
    def test_crop_box_outside_of_the_picture(self, box):
        for cell in (quarters((16, 16)), encoded(quarters((16, 16)), "JPEG")):
            with pytest.raises(UnreadableError, match=r"crop box .* outside .* 16 x 16 pixels"):
                decode(cell, framing(crop=box))

    @pytest.mark.parametrize(
        ("degrees", "expected"),
        [
            (0, [RED, GREEN, BLUE, WHITE]),
            (360, [RED, GREEN, BLUE, WHITE]),
            (90, [GREEN, WHITE, RED, BLUE]),
            (180, [WHITE, BLUE, GREEN, RED]),
            (-90, [BLUE, RED, WHITE, GREEN]),
            (630, [BLUE, RED, WHITE, GREEN]),
        ],
    )
    def test_rotate_is_counter_clockwise(self, degrees, expected):
        assert corners(decode(quarters((64, 48)), framing(rotate=degrees))) == expected

    @pytest.mark.parametrize("color", ["RGB", "L"])
    def test_rotate_fills_corners_with_background(self, color):
        picture = decode(Image.new("RGB", (400, 400), GREEN), framing((40, 40), rotate=45, color=color))
        expected = decode(Image.new("RGB", (4, 4), VIOLET), framing(color=color))[0, 0]
        assert corners(picture) == [tuple(expected.tolist())] * 4
        assert_all(picture[15:25, 15:25], GREEN if color == "RGB" else 150, atol=1)

    def test_crop_comes_before_rotate(self):
        assert_all(decode(quarters((64, 64)), framing(crop=(0, 0, 32, 32), rotate=90)), RED)

    @pytest.mark.parametrize("image_size", [(1, 1), (1, 10000), (10000, 1), (3, 5)], ids=str)
    @pytest.mark.parametrize("size", [(1, 1), (64, 64), (64, 1), (1, 64), (5, 300)], ids=str)
    @pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
    def test_extreme_proportions(self, image_size, size, resize):
        image = Image.new("RGB", image_size, GREEN)
        for cell in (image, encoded(image, "JPEG", quality=100, subsampling=0)):
            picture = decode(cell, framing(size, resize=resize))
            assert picture.shape == (*size, 3)
            if resize == "pad":
                assert (np.abs(picture.astype(int) - GREEN) <= 3).all(axis=-1).any()
            else:
                assert_all(picture, GREEN, atol=3)

    @pytest.mark.parametrize("image_size", [(1, 1), (1, 10000), (10000, 1)], ids=str)
    @pytest.mark.parametrize("rotate", [90, 45, 0.1])
    def test_extreme_proportions_turned(self, image_size, rotate):
        image = Image.new("RGB", image_size, GREEN)
        for cell in (image, encoded(image, "JPEG")):
            for resize in ("crop", "pad", "stretch"):
                assert decode(cell, framing((8, 5), resize=resize, rotate=rotate)).shape == (8, 5, 3)

    def test_part_of_extreme_picture(self):
        image = Image.new("RGB", (4000, 3), RED)
        image.paste(GREEN, (3990, 0, 4000, 3))
        for cell in (image, encoded(image, "JPEG", quality=100, subsampling=0)):
            assert_all(decode(cell, framing((2, 2), crop=(3992, 1, 4000, 2))), GREEN, atol=3)

    @pytest.mark.parametrize("rotate", [0, 90])
    @pytest.mark.parametrize(("length", "is_padded"), [(799, False), (800, False), (801, True), (2001, True)])
    def test_no_crop_that_keeps_less_than_it_must(self, length, is_padded, rotate):
        """Whether a picture is cut depends on its full size, and not on the one that a JPEG comes in."""
        image = Image.new("RGB", (length, 400), GREEN)
        settings = framing((20, 20), resize="crop", rotate=rotate, least_kept=0.5)
        for cell in (image, encoded(image, "JPEG", quality=100, subsampling=0), np.asarray(image)):
            picture = decode(cell, settings)
            assert (picture == VIOLET).all(axis=-1).any() == is_padded
