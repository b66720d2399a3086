"""Augmentation of pictures and clips in the training loop, a batch at a time on the device."""

import copy
import math
from numbers import Real

import torch
import torch.nn as nn
from torch.nn.functional import grid_sample

from sklearn_mm.utils._component import Component
from sklearn_mm.utils._registry import Registry
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["AUGMENTATIONS", "ImageAugmentation", "register_augmentations", "resolve_augment"]

_LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look (ITU-R BT.601), as in Pillow's mode L


class ImageAugmentation(Component):
    """Take a batch of pictures and give each its own random crop, turn, tint and hole; the labels stay true.

    Each picture of the batch draws its own values; each clip does so for all its frames. All geometry is one resampling
    and all colour one multiplication and addition, so that a batch costs about as much as one of them. In ``eval`` mode
    pictures pass unchanged.

    Values come from torch's global generator of the pictures' device: seed that to repeat them. The defaults are the
    preset "light", so ``ImageAugmentation(flip=0.5)`` is light augmentation and mirror images.

    Parameters
    ----------
    shift : float or (float, float), default=1/16
        How far a picture moves along each axis, as a share of its height and width. A number ``a`` stands for
        ``(-a, a)``; positive is right and down. Larger teaches that the place of a thing does not matter. Without
        rotation and scale, pictures move by whole pixels and stay as sharp as they were.
    scale : float or (float, float), default=0.1
        Factor by which a picture is magnified. A number ``a`` stands for ``(1 - a, 1 + a)``. Above 1 a part of the
        picture fills the frame (a random crop, together with ``shift``), below 1 it shrinks.
    rotation : float or (float, float), default=10.0
        Turn in degrees, counter-clockwise. A number ``a`` stands for ``(-a, a)``.
    flip : float in [0, 1], default=0.0
        Probability that left and right are exchanged. 0.5 is right where the mirror image has the same label (animals,
        plants, most photographs) and harmful where it has not (digits, letters, arrows, hands).
    brightness : float or (float, float), default=0.1
        Factor on all values. A number ``a`` stands for ``(1 - a, 1 + a)``.
    contrast : float or (float, float), default=0.1
        Factor on the distance of all values from the picture's mean grey. A number ``a`` stands for ``(1 - a, 1 + a)``.
    saturation : float or (float, float), default=0.1
        Factor on the distance of each pixel from its own grey; 0 is grey. A number ``a`` stands for ``(1 - a, 1 + a)``.
        Does nothing to pictures of one channel.
    erase : float in [0, 1], default=0.0
        Probability that a rectangle of the picture is covered with the picture's mean colour, so that no single part
        may decide (random erasing).
    erase_area : (float, float), default=(0.02, 0.2)
        Smallest and largest share of the picture that the rectangle covers.
    padding : {"reflection", "border", "zeros"}, default="reflection"
        What comes into view at the edges: the mirrored picture, its outermost pixels, or black.

    See Also
    --------
    sklearn_mm.ImageInput : Its ``augment`` takes one of these, or the presets "light" and "strong".

    References
    ----------
    Zhong, Zheng, Kang, Li, Yang: Random Erasing Data Augmentation. AAAI 2020.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.training import ImageAugmentation
    >>> pictures = torch.rand(8, 3, 32, 32)
    >>> ImageAugmentation(rotation=20).train()(pictures).shape
    torch.Size([8, 3, 32, 32])
    """

    _parameter_constraints = {
        "shift": [Interval(Real, 0, 1, closed="both"), tuple, list],
        "scale": [Interval(Real, 0, 1, closed="left"), tuple, list],
        "rotation": [Interval(Real, 0, 180, closed="both"), tuple, list],
        "flip": [Interval(Real, 0, 1, closed="both")],
        "brightness": [Interval(Real, 0, 1, closed="both"), tuple, list],
        "contrast": [Interval(Real, 0, 1, closed="both"), tuple, list],
        "saturation": [Interval(Real, 0, 1, closed="both"), tuple, list],
        "erase": [Interval(Real, 0, 1, closed="both")],
        "erase_area": [tuple, list],
        "padding": [StrOptions({"reflection", "border", "zeros"})],
    }

    # the least and the greatest that a pair may hold
    _bounds = {
        "shift": (-1, 1),
        "scale": (0.01, 100),
        "rotation": (-360, 360),
        "brightness": (0, 100),
        "contrast": (0, 100),
        "saturation": (0, 100),
        "erase_area": (0, 1),
    }

    def __init__(
        self,
        shift: float | tuple[float, float] = 1 / 16,
        scale: float | tuple[float, float] = 0.1,
        rotation: float | tuple[float, float] = 10.0,
        flip: float = 0.0,
        brightness: float | tuple[float, float] = 0.1,
        contrast: float | tuple[float, float] = 0.1,
        saturation: float | tuple[float, float] = 0.1,
        erase: float = 0.0,
        erase_area: tuple[float, float] = (0.02, 0.2),
        padding: str = "reflection",
    ):
        self.shift = shift
        self.scale = scale
        self.rotation = rotation
        self.flip = flip
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.erase = erase
        self.erase_area = erase_area
        self.padding = padding

    def _validate_params(self):
        super()._validate_params()
        for name, (least, greatest) in self._bounds.items():
            value = getattr(self, name)
            if isinstance(value, Real):
                continue
            if len(value) != 2 or not all(isinstance(v, Real) for v in value):
                raise ValueError(
                    f"`{name}` of ImageAugmentation must be a number or a pair (low, high), got {value!r}."
                )
            if not least <= value[0] <= value[1] <= greatest:
                raise ValueError(
                    f"`{name}` of ImageAugmentation must be a pair (low, high) with "
                    f"{least} <= low <= high <= {greatest}, got {value!r}."
                )

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Change float32 pictures (batch, channels, height, width) in [0, 1]; the result is of the same kind.

        Clips are (batch, n_frames, channels, height, width).
        """
        if not self.training:
            return x
        return self._cover(self._tint(self._move(x.contiguous())))

    def _range(self, name, centre):
        value = getattr(self, name)
        return (centre - value, centre + value) if isinstance(value, Real) else tuple(value)

    def _draw(self, name, centre, x, n=1):
        """Uniform values (n, batch) from the range of the parameter ``name``, which is around ``centre``."""
        low, high = self._range(name, centre)
        return torch.rand(n, len(x), device=x.device).mul_(high - low).add_(low)

    def _acts(self, name, centre):
        return self._range(name, centre) != (centre, centre)

    def _move(self, x):
        """Shift, magnify, turn and mirror by one look-up of where each pixel comes from."""
        height, width = x.shape[-2:]
        is_resampled = self._acts("scale", 1) or self._acts("rotation", 0)
        if not (is_resampled or self._acts("shift", 0) or self.flip):
            return x
        shift_x, shift_y = self._draw("shift", 0, x, n=2)
        shift_x, shift_y = shift_x * width, shift_y * height
        if not is_resampled:
            shift_x, shift_y = shift_x.round(), shift_y.round()
        angle = self._draw("rotation", 0, x)[0].mul(math.pi / 180)
        zoom = self._draw("scale", 1, x)[0]
        mirror = 1 - 2 * (torch.rand_like(zoom) < self.flip).float()
        cos, sin = angle.cos() / zoom, angle.sin() / zoom

        # The place that the pixel at (u, v), counted from the centre, comes from; first in pixels, then in half sides,
        # the unit of grid_sample.
        u = torch.arange(width, device=x.device).add(0.5 - width / 2) - shift_x[:, None]  # (batch, width)
        v = torch.arange(height, device=x.device).add(0.5 - height / 2) - shift_y[:, None]  # (batch, height)
        grid = x.new_empty(len(x), height, width, 2)
        in_x, in_y = (mirror * 2 / width)[:, None], 2 / height
        torch.sub((u * cos[:, None] * in_x)[:, None, :], (v * sin[:, None] * in_x)[:, :, None], out=grid[..., 0])
        torch.add((u * sin[:, None] * in_y)[:, None, :], (v * cos[:, None] * in_y)[:, :, None], out=grid[..., 1])
        planes = x.flatten(1, -3)  # of all frames of a clip
        return grid_sample(planes, grid, mode="bilinear", padding_mode=self.padding, align_corners=False).view_as(x)

    def _tint(self, x):
        """Brightness, contrast and saturation: each channel becomes ``x * a + grey * b + c``."""
        if not any(self._acts(name, 1) for name in ("brightness", "contrast", "saturation")):
            return x.clamp(0, 1)
        of_row = -1, *(1,) * (x.ndim - 1)
        gain = self._draw("brightness", 1, x).view(of_row)
        contrast = self._draw("contrast", 1, x).view(of_row)
        saturation = self._draw("saturation", 1, x).view(of_row)
        n_channels = x.shape[-3]
        luma = x.new_tensor(_LUMA if n_channels == 3 else (1 / n_channels,) * n_channels)
        grey = (x * luma.view(-1, 1, 1)).sum(-3, keepdim=True)  # (batch, 1, height, width)
        offset = gain * (1 - contrast) * grey.mean((-2, -1), keepdim=True)  # (batch, 1, 1, 1)
        gain = gain * contrast
        return torch.addcmul(grey.mul_(gain * (1 - saturation)).add_(offset), x, gain * saturation).clamp_(0, 1)

    def _cover(self, x):
        """Cover a rectangle of some pictures with their mean colour."""
        if not self.erase:
            return x
        height, width = x.shape[-2:]
        of_row = len(x), *(1,) * (x.ndim - 1)
        area = self._draw("erase_area", 0, x).view(of_row)
        chance, aspect, top, left = torch.rand(4, *of_row, device=x.device)
        # Share of the height: that of the width is between half and twice as much, and neither goes beyond 1.
        share = torch.maximum((area * 2 ** (2 * aspect - 1)).sqrt(), area).clamp(max=1)
        rows, columns = (share * height).round(), (area / share * width).round()
        top, left = (top * (height - rows + 1)).floor(), (left * (width - columns + 1)).floor()
        row = torch.arange(height, device=x.device).unsqueeze(1)
        column = torch.arange(width, device=x.device)
        is_row = (row >= top) & (row < top + rows) & (chance < self.erase)
        is_column = (column >= left) & (column < left + columns)
        return torch.lerp(x, x.mean((-2, -1), keepdim=True), is_row.to(x.dtype) * is_column)


def _strong():
    return ImageAugmentation(
        shift=0.125, scale=(0.7, 1.3), rotation=20.0, brightness=0.3, contrast=0.3, saturation=0.4, erase=0.5
    )


AUGMENTATIONS = {}  # by kind of blocks, filled by the files of the augmentations
_ANY = Registry("augmentation", nn.Module)  # for kinds without presets


def register_augmentations(kind, light, strong):
    """Say what "light", which "auto" stands for too, and "strong" make for blocks of a kind: functions or classes."""
    names = AUGMENTATIONS.setdefault(kind, Registry("augmentation", nn.Module))
    for name, factory in (("auto", light), ("light", light), ("strong", strong)):
        names.register(name, factory)


def resolve_augment(augment, encoder_is_frozen=False, kind="image"):
    """Turn what a user says about augmentation into a module to train with, or None.

    No preset mirrors pictures: whether the mirror image has the same label is known to the user alone. Write
    ``ImageAugmentation(flip=0.5)`` where it has.

    Parameters
    ----------
    augment : {"auto", "light", "strong"}, torch.nn.Module or None
        "light" moves pictures by up to a sixteenth, magnifies by up to a tenth, turns by up to 10 degrees and changes
        brightness, contrast and saturation by up to a tenth. "strong" does two to four times as much of it and covers
        a rectangle in half of the pictures; it asks for more epochs. Of sound, `AudioAugmentation` says what they do.
        "auto" is None before a frozen encoder and "light" before any other. A module gets what the encoder's
        ``prepare`` returns, of pictures float32 (batch, channels, height, width) in [0, 1], and returns the same; it is
        copied. None leaves rows as they are.
    encoder_is_frozen : bool, default=False
        Whether the encoder has a frozen part. What this says about a picture is computed once, and an augmentation
        could not act: naming one is an error.
    kind : str, default="image"
        That of the block.

    Returns
    -------
    module : torch.nn.Module or None
        What the training loop calls on each batch, in ``train`` mode.

    Examples
    --------
    >>> from sklearn_mm.training._augment import resolve_augment
    >>> resolve_augment("strong").rotation
    20.0
    >>> resolve_augment("auto", encoder_is_frozen=True) is None
    True
    """
    if augment is None or (encoder_is_frozen and isinstance(augment, str) and augment == "auto"):
        return None
    module = copy.deepcopy(AUGMENTATIONS.get(kind, _ANY).resolve(augment))
    if encoder_is_frozen:
        got = repr(augment) if isinstance(augment, str) else type(augment).__name__
        raise ValueError(
            f"An augmentation cannot act before a frozen encoder, whose features are computed once per picture; got "
            f'augment={got}. Pass augment=None or "auto", or train the encoder.'
        )
    if isinstance(module, Component):
        module._validate_params()
    return module


register_augmentations("image", ImageAugmentation, _strong)
register_augmentations("video", ImageAugmentation, _strong)
