"""The part, size and proportions that are made of pictures: cut, turn and scale them."""

import math
from dataclasses import dataclass

from PIL import Image

from sklearn_mm.preprocessing.media._unreadable import UnreadableError

__all__ = ["INTERPOLATIONS", "Framing", "frame", "leaves_alone", "needed_scale", "turned_size"]

_MOST_SCALED = 16  # times the pixels of the result that are made before it is cut out; of a long strip, only the part

INTERPOLATIONS = {resampling.name.lower() for resampling in Image.Resampling}


@dataclass(frozen=True)
class Framing:
    """How pictures of all sizes and modes become arrays of one shape.

    Parameters
    ----------
    size : tuple of int
        Height and width of the result, in pixels.
    resize : {"crop", "pad", "stretch"}
        Whether a picture of other proportions is cut, padded with ``background`` or distorted.
    crop : tuple of int or None
        Left, upper, right and lower edge of the part to read, in pixels of the upright picture.
    rotate : float
        Degrees to turn counter-clockwise.
    color : {"RGB", "L"}
        Pillow's mode of the result.
    background : tuple of int
        The red, green and blue, 0 to 255, below transparent pixels and in padding.
    interpolation : str, default="bicubic"
        Name of the filter that pixels are scaled by, of Pillow's.
    crop_fraction : float, default=1.0
        Share of the sides of the resized picture that the result shows, from its centre, unless it is padded.
    reducing_gap : float or None, default=2.0
        Pictures are first reduced, cheaply, to no less than this multiple of the result. None scales each as a whole,
        to a size in whole pixels, and cuts after that.
    least_kept : float, default=0.0
        Pictures of which "crop" would keep less than this share of the area are padded all the same.
    integers, floats : tuple of two numbers, or None, default=None
        The values of deep pictures that become black and white; None stands for what is assumed without them.
    """

    size: tuple
    resize: str
    crop: tuple | None
    rotate: float
    color: str
    background: tuple
    interpolation: str = "bicubic"
    crop_fraction: float = 1.0
    reducing_gap: float | None = 2.0
    least_kept: float = 0.0
    integers: tuple | None = None
    floats: tuple | None = None

    @property
    def fill(self):
        """The background in the result's own colours."""
        return Image.new("RGB", (1, 1), self.background).convert(self.color).getpixel((0, 0))

    @property
    def filter(self):
        """Pillow's filter."""
        return Image.Resampling[self.interpolation.upper()]


def turned_size(width, height, degrees):
    """Return width and height of what holds a picture of this size that has been turned."""
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    return width * cos + height * sin, width * sin + height * cos


def needed_scale(size, framing):
    """Return to what scale a picture of this size (width, height) may be reduced before it is framed."""
    if framing.reducing_gap is None:
        return 1.0
    return framing.reducing_gap * _scale(_size_of_part(size, framing), framing, _resize_of(size, framing))


def _scale(size, framing, resize):
    """Return how many pixels of the result one pixel of a part of this size becomes."""
    width, height = turned_size(*size, framing.rotate)
    ratios = framing.size[1] / width, framing.size[0] / height
    return min(ratios) if resize == "pad" else max(ratios) / framing.crop_fraction


def _resize_of(size, framing):
    """Return how a picture of this size is fitted."""
    if framing.resize == "crop" and framing.least_kept:
        width, height = turned_size(*_size_of_part(size, framing), framing.rotate)
        ratios = framing.size[1] / width, framing.size[0] / height
        if min(ratios) < framing.least_kept * max(ratios):
            return "pad"
    return framing.resize


def _size_of_part(size, framing):
    left, upper, right, lower = _part(size, framing)
    return right - left, lower - upper


def _part(size, framing):
    """Return the box that is read of an upright picture of this size (width, height)."""
    if framing.crop is None:
        return (0, 0, *size)
    if framing.crop[2] > size[0] or framing.crop[3] > size[1]:
        raise UnreadableError(
            f"the crop box {framing.crop} reaches outside of the picture, which is {size[0]} x {size[1]} pixels"
        )
    return framing.crop


def leaves_alone(size, framing):
    """Return whether pictures of this size (width, height) are as they are to be, so that there is nothing to frame."""
    return (
        tuple(size) == framing.size[::-1]
        and framing.crop is None
        and not framing.rotate % 360
        and (framing.crop_fraction == 1 or framing.resize == "pad")
    )


def frame(image, full_size, framing):
    """Cut, turn and scale a picture that in full would have the size ``full_size``."""
    resize = _resize_of(full_size, framing)
    if framing.crop is not None:
        image = _cut(image, full_size, framing)
    if framing.rotate % 360:
        image = _rotate(image, framing, resize)
    return _resize(image, framing, resize)


def _cut(image, full_size, framing):
    # Not by the `box` of `resize`, whose filter would also look at the pixels around it.
    left, upper, right, lower = _part(full_size, framing)
    x, y = image.width / full_size[0], image.height / full_size[1]
    left, upper = min(round(left * x), image.width - 1), min(round(upper * y), image.height - 1)
    return image.crop((left, upper, max(round(right * x), left + 1), max(round(lower * y), upper + 1)))


def _rotate(image, framing, resize):
    if framing.reducing_gap is not None:
        shrink = 1 / (framing.reducing_gap * _scale(image.size, framing, resize))
        if shrink >= 2:
            image = image.reduce(int(shrink))
    turns = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    resample = framing.filter if framing.filter in turns else Image.Resampling.BICUBIC
    return image.rotate(framing.rotate, resample, expand=True, fillcolor=framing.fill)


def _resize(image, framing, resize):
    if resize == "pad":
        return _pad(image, framing)
    height, width = framing.size
    whole_size = _whole_size(image.size, framing, resize)
    if framing.reducing_gap is None and math.prod(whole_size) <= _MOST_SCALED * width * height:
        image = image.resize(whole_size, framing.filter)
        left, upper = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, upper, left + width, upper + height))
    shown_width, shown_height = (length * framing.crop_fraction for length in image.size)
    if resize == "crop":
        ratio = max(width / shown_width, height / shown_height)
        shown_width, shown_height = width / ratio, height / ratio
    left, upper = max(0, (image.width - shown_width) / 2), max(0, (image.height - shown_height) / 2)
    box = (left, upper, image.width - left, image.height - upper)
    return image.resize((width, height), framing.filter, box=box, reducing_gap=framing.reducing_gap)


def _whole_size(size, framing, resize):
    """Return width and height to which the whole of a picture of this size is scaled before its centre is cut out."""
    needed = [round(length / framing.crop_fraction) for length in framing.size[::-1]]
    if resize == "crop":
        # Rounded down, as transformers and torchvision do: weights were trained with these pixels.
        tight = max((0, 1), key=lambda axis: needed[axis] / size[axis])
        needed[1 - tight] = max(needed[1 - tight], int(needed[tight] * size[1 - tight] / size[tight]))
    return tuple(needed)


def _pad(image, framing):
    height, width = framing.size
    ratio = min(width / image.width, height / image.height)
    size = [min(max(1, round(part * ratio)), whole) for part, whole in zip(image.size, (width, height), strict=True)]
    image = image.resize(size, framing.filter, reducing_gap=framing.reducing_gap)
    if image.size == (width, height):
        return image
    padded = Image.new(framing.color, (width, height), framing.fill)
    padded.paste(image, ((width - size[0]) // 2, (height - size[1]) // 2))
    return padded
