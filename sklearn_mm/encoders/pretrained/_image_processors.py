"""Image processors of transformers, as their JSON describes them: how a checkpoint wants pictures to be read."""

from dataclasses import dataclass
from numbers import Real

from PIL import Image

__all__ = ["UnsupportedReadingError", "default_reading", "processor_reading", "shared_fraction", "statistics_of"]

_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_BILINEAR, _BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC


class UnsupportedReadingError(ValueError):
    """A checkpoint asks for what an `ImageTransformer` cannot do; the message is what it asks for."""


@dataclass(frozen=True)
class _Defaults:
    """What an image processor does where its JSON says nothing.

    Parameters
    ----------
    size : int
        Side in pixels: of a square, or the shorter one.
    square : bool
        Whether one number is the side of a square that pictures are distorted to.
    crop_size : int or None
        Side of the centre that is cut out; None if there is no such step.
    resample : int
        Number of Pillow's filter.
    statistics : tuple of two tuples
        Mean and standard deviation.
    does_crop : bool, default=True
        Whether the centre is cut out, if ``crop_size`` is not None.
    crop_pct : float or None, default=None
        Share of the shorter side that the crop keeps, by which ``size`` is divided first.
    include_top : bool, default=False
        Whether values are divided by the standard deviation twice.
    """

    size: int
    square: bool
    crop_size: int | None
    resample: int
    statistics: tuple
    does_crop: bool = True
    crop_pct: float | None = None
    include_top: bool = False

    @property
    def crops(self):
        return self.does_crop and self.crop_size is not None


# Those that make pictures of one size by scaling and a centre crop.
_PROCESSORS = {
    "BeitImageProcessor": _Defaults(224, True, 224, _BICUBIC, _HALF, does_crop=False),
    "BitImageProcessor": _Defaults(224, False, 224, _BICUBIC, _CLIP),
    "BlipImageProcessor": _Defaults(384, True, None, _BICUBIC, _CLIP),
    "CLIPImageProcessor": _Defaults(224, False, 224, _BICUBIC, _CLIP),
    "ChineseCLIPImageProcessor": _Defaults(224, False, 224, _BICUBIC, _CLIP),
    "ConvNextImageProcessor": _Defaults(384, False, None, _BICUBIC, _HALF, crop_pct=224 / 256),
    "DINOv3ViTImageProcessor": _Defaults(224, True, None, _BILINEAR, _IMAGENET),
    "DeiTImageProcessor": _Defaults(256, True, 224, _BICUBIC, _HALF),
    "EfficientNetImageProcessor": _Defaults(346, True, 289, _BICUBIC, _HALF, does_crop=False, include_top=True),
    "FlavaImageProcessor": _Defaults(224, True, 224, _BICUBIC, _CLIP),
    "LevitImageProcessor": _Defaults(224, False, 224, _BICUBIC, _IMAGENET, crop_pct=224 / 256),
    "MobileNetV1ImageProcessor": _Defaults(256, False, 224, _BILINEAR, _HALF),
    "MobileNetV2ImageProcessor": _Defaults(256, False, 224, _BILINEAR, _HALF),
    "OwlViTImageProcessor": _Defaults(768, True, 768, _BICUBIC, _CLIP, does_crop=False),
    "PoolFormerImageProcessor": _Defaults(224, False, 224, _BICUBIC, _IMAGENET, crop_pct=0.9),
    "PvtImageProcessor": _Defaults(224, True, None, _BICUBIC, _IMAGENET),
    "SiglipImageProcessor": _Defaults(224, True, None, _BICUBIC, _HALF),
    "ViTImageProcessor": _Defaults(224, True, None, _BILINEAR, _HALF),
}

# By the ``model_type`` of config.json, which decides where a file names no processor.
_MODELS = {
    "BeitImageProcessor": ("beit", "data2vec-vision"),
    "BitImageProcessor": ("bit", "dinov2", "dinov2_with_registers", "focalnet", "hiera", "pixio"),
    "BlipImageProcessor": ("blip", "blip-2", "instructblip"),
    "CLIPImageProcessor": ("clip", "clip_vision_model", "aimv2", "aimv2_vision_model", "altclip", "git", "groupvit",
                           "metaclip_2", "mlcd", "xclip"),
    "ChineseCLIPImageProcessor": ("chinese_clip",),
    "ConvNextImageProcessor": ("convnext", "convnextv2", "cvt", "regnet", "resnet"),
    "DINOv3ViTImageProcessor": ("dinov3_vit", "dinov3_convnext"),
    "DeiTImageProcessor": ("deit",),
    "EfficientNetImageProcessor": ("efficientnet", "align"),
    "FlavaImageProcessor": ("flava",),
    "LevitImageProcessor": ("levit",),
    "MobileNetV1ImageProcessor": ("mobilenet_v1",),
    "MobileNetV2ImageProcessor": ("mobilenet_v2",),
    "OwlViTImageProcessor": ("owlvit",),
    "PoolFormerImageProcessor": ("poolformer",),
    "PvtImageProcessor": ("pvt", "pvt_v2"),
    "SiglipImageProcessor": ("siglip", "siglip_vision_model"),
    "ViTImageProcessor": ("vit", "clipseg", "dinat", "ijepa", "swiftformer", "swin", "swinv2", "vit_mae", "vit_msn"),
}  # fmt: skip
_PROCESSOR_OF_MODEL = {model: name for name, models in _MODELS.items() for model in models}


def processor_reading(settings, model_type=None, n_channels=3):
    """Return the parameters of an `ImageTransformer` that does what an image processor of transformers does.

    Parameters
    ----------
    settings : dict
        What preprocessor_config.json holds. What it leaves out or null is as by default of its class.
    model_type : str, default=None
        The architecture, which tells the class where the settings do not.
    n_channels : int, default=3
        How many channels the model reads.

    Returns
    -------
    reading : dict
        Values by name of the parameter.

    Raises
    ------
    UnsupportedReadingError
        Where pictures are not brought to one size by scaling and a centre crop.
    """
    defaults = _defaults_of(settings, model_type)
    told = {key: value for key, value in settings.items() if value is not None}
    if told.get("do_flip_channel_order", False):
        raise UnsupportedReadingError("colours in the order blue, green, red (do_flip_channel_order)")
    return {
        **_geometry(told, defaults),
        "interpolation": _filter(told.get("resample", defaults.resample)),
        **_statistics(told, defaults, n_channels),
    }


def default_reading(model_type, image_size, n_channels=3):
    """Return what the image processor of an architecture does with pictures of a size, where no file says so.

    Parameters
    ----------
    model_type : str or None
        The architecture.
    image_size : int or sequence of two ints (height, width)
        The size that the model reads.
    n_channels : int, default=3
        How many channels it reads.

    Returns
    -------
    reading : dict
        As of `processor_reading`.
    """
    defaults = _defaults_of({}, model_type)
    if defaults.square and not defaults.crops:
        return processor_reading({"size": image_size}, model_type, n_channels)
    sides = {image_size} if isinstance(image_size, int) else set(image_size)
    if len(sides) > 1:
        raise UnsupportedReadingError(f"pictures of {image_size} pixels, where the processor of its kind makes squares")
    (side,) = sides
    size = round(side * defaults.size / defaults.crop_size) if defaults.crops else side
    return processor_reading({"size": size, "crop_size": side}, model_type, n_channels)


def _defaults_of(settings, model_type):
    name = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    if name is None:
        name = _PROCESSOR_OF_MODEL.get(model_type)
        if name is None:
            raise UnsupportedReadingError(f"the image processor of models of type {model_type!r}, which is not known")
    plain = name.removesuffix("Fast").removesuffix("Pil").replace("FeatureExtractor", "ImageProcessor")
    if plain not in _PROCESSORS:
        raise UnsupportedReadingError(f"the image processor {name}; known are {', '.join(_PROCESSORS)}")
    return _PROCESSORS[plain]


def _geometry(told, defaults):
    """Return size, way of resizing and crop."""
    if not told.get("do_resize", True):
        raise UnsupportedReadingError("pictures of the sizes that they have (do_resize is false)")
    size, crop_pct = _sides(told, "size", defaults), told.get("crop_pct", defaults.crop_pct)
    does_crop = told.get("do_center_crop", defaults.crops)
    crop = _sides(told, "crop_size", defaults) if does_crop else None
    if isinstance(crop, int):
        raise UnsupportedReadingError("a crop of which one side is open (crop_size has shortest_edge)")
    if crop_pct is not None:
        if not isinstance(size, int):
            raise UnsupportedReadingError(f"a size without shortest_edge, {told['size']!r}, beside crop_pct")
        if defaults.crop_size is None:  # ConvNext crops to the size, and distorts large pictures instead
            crop = crop or (size, size)
            size = int(size / crop_pct) if size < 384 else crop
        else:
            size = int(size / crop_pct)
    if crop is None:
        if isinstance(size, int):
            raise UnsupportedReadingError("pictures that keep their proportions (shortest_edge, and no crop)")
        crop = size
    if isinstance(size, int):
        return {"size": crop, "resize": "crop", "crop_fraction": shared_fraction(crop, (size, size))}
    return {"size": crop, "resize": "stretch", "crop_fraction": shared_fraction(crop, size)}


def _sides(told, key, defaults):
    """Return height and width that ``size`` or ``crop_size`` says, or the length of the shorter side alone."""
    default, square = (defaults.size, defaults.square) if key == "size" else (defaults.crop_size, True)
    sides = told.get(key, default)
    if isinstance(sides, dict):
        sides = {name: length for name, length in sides.items() if length is not None}
        if set(sides) == {"height", "width"}:
            return sides["height"], sides["width"]
        if set(sides) == {"shortest_edge"}:
            return sides["shortest_edge"]
        raise UnsupportedReadingError(f"pictures of several sizes ({key} is {told[key]!r})")
    if isinstance(sides, list | tuple) and len(sides) == 2:
        return tuple(sides)
    if isinstance(sides, int):
        return (sides, sides) if square else sides
    raise UnsupportedReadingError(f"{key}={sides!r}")


def shared_fraction(crop, size):
    """Return what share of the sides of pictures of a size a crop keeps, which must be the same of both.

    Parameters
    ----------
    crop, size : tuple of int
        Height and width.

    Returns
    -------
    crop_fraction : float
        In (0, 1].
    """
    fractions = [kept / length for kept, length in zip(crop, size, strict=True)]
    if max(fractions) > 1:
        raise UnsupportedReadingError(f"a crop of {crop} from pictures of {size}, which are smaller")
    if [round(kept / fractions[0]) for kept in crop] != list(size):
        raise UnsupportedReadingError(f"a crop of {crop} from pictures of {size}, of other proportions")
    return fractions[0]


def _filter(number):
    try:
        return Image.Resampling(number).name.lower()
    except ValueError as error:
        raise UnsupportedReadingError(f"resample={number!r}, which is no number of a filter of Pillow's") from error


def _statistics(told, defaults, n_channels):
    mean, std = told.get("image_mean", defaults.statistics[0]), told.get("image_std", defaults.statistics[1])
    factor = told.get("rescale_factor", 1 / 255) if told.get("do_rescale", True) else 1.0
    offset = 1.0 if told.get("rescale_offset", False) and told.get("do_rescale", True) else 0.0
    divisor = std if told.get("include_top", defaults.include_top) else 1.0
    if not told.get("do_normalize", True):
        mean, std = 0.0, 1.0
    return statistics_of(mean, std, n_channels, factor=factor, offset=offset, divisor=divisor)


def statistics_of(mean, std, n_channels, *, factor=1 / 255, offset=0.0, divisor=1.0):
    """Return mean and standard deviation for pixels in [0, 1] that make the same of them as a chain of steps.

    Parameters
    ----------
    mean, std : number or sequence of numbers
        What is subtracted, and then divided by.
    n_channels : int
        How many channels there are.
    factor, offset : float, default=1 / 255 and 0.0
        By what pixels from 0 to 255 are multiplied before, and what is subtracted then.
    divisor : number or sequence of numbers, default=1.0
        By what the result is divided.

    Returns
    -------
    statistics : dict
        ``mean``, ``std`` and ``color``, as of an `ImageTransformer`.
    """
    if n_channels not in (1, 3):
        raise UnsupportedReadingError(f"pictures of {n_channels} channels")
    mean, std, divisor = (_per_channel(values, n_channels) for values in (mean, std, divisor))
    scale = 255 * factor
    mean = tuple((part + offset) / scale for part in mean)
    std = tuple(part * last / scale for part, last in zip(std, divisor, strict=True))
    if not all(0 <= part <= 1 for part in mean) or not all(part > 0 for part in std):
        raise UnsupportedReadingError(f"mean {mean} and standard deviation {std} for pixels in [0, 1]")
    return {"mean": mean, "std": std, "color": "RGB" if n_channels == 3 else "L"}


def _per_channel(values, n_channels):
    numbers = tuple(values) if isinstance(values, list | tuple) else (values,) * n_channels
    if n_channels == 1 and len(set(numbers)) == 1:
        numbers = numbers[:1]
    if len(numbers) != n_channels or not all(isinstance(number, Real) for number in numbers):
        raise UnsupportedReadingError(f"{values!r} as mean or standard deviation of {n_channels} channels")
    return numbers
