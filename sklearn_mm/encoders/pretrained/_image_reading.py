"""How a checkpoint's pictures are read (its image processor), from the JSON files of its folder alone."""

import json
import math
from pathlib import Path

from sklearn_mm.encoders.pretrained._image_processors import (
    UnsupportedReadingError,
    default_reading,
    processor_reading,
    shared_fraction,
    statistics_of,
)

__all__ = ["UnknownReadingError", "image_reading"]

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
_WAY_OUT = "Hand in an ImageTransformer that says it: ImageTransformer(size=..., resize=..., mean=..., std=...)."


class UnknownReadingError(ValueError):
    """The files of a checkpoint do not say how pictures are read, in words that `ImageTransformer` has."""


def image_reading(folder):
    """Return how the pictures of a checkpoint are read.

    Parameters
    ----------
    folder : str or path
        The checkpoint's folder: of transformers (preprocessor_config.json or, nested, processor_config.json), of
        open_clip (open_clip_config.json), of timm (config.json), or of sentence-transformers (modules.json), whose
        first module counts. Where none of these says how, config.json may say the size and the architecture, whose
        image processor has the rest by default.

    Returns
    -------
    reading : dict
        Parameters of an `ImageTransformer`: ``size``, ``resize``, ``crop_fraction``, ``interpolation``, ``mean``,
        ``std``, ``color`` and, because weights were trained with these pixels, ``reducing_gap=None``; of some also
        ``background``.
    """
    folder = _model_folder(Path(folder))
    name, read = _source(folder)
    try:
        reading = read()
    except UnsupportedReadingError as error:
        raise UnknownReadingError(
            f"{folder / name} asks for {error}, which ImageTransformer does not do. {_WAY_OUT}"
        ) from error
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise UnknownReadingError(
            f"{folder / name} does not say how pictures are read in a form that is known "
            f"({type(error).__name__}: {error}). {_WAY_OUT}"
        ) from error
    return {**reading, "reducing_gap": None}


def _model_folder(folder):
    """Return the folder of a model within one of sentence-transformers, or the folder itself."""
    modules = _read(folder, "modules.json")
    return folder / modules[0].get("path", "") if modules else folder


def _source(folder):
    """Return the name of the file that says how pictures are read, and a function that returns what it says."""
    config = _read(folder, "config.json") or {}
    model_type, vision = config.get("model_type"), config.get("vision_config") or {}
    n_channels = config.get("num_channels") or vision.get("num_channels") or 3
    settings = (_read(folder, "processor_config.json") or {}).get("image_processor")
    if settings is not None:
        return "processor_config.json", lambda: processor_reading(settings, model_type, n_channels)
    settings = _read(folder, "preprocessor_config.json")
    if settings is not None:
        return "preprocessor_config.json", lambda: processor_reading(settings, model_type, n_channels)
    settings = _read(folder, "open_clip_config.json")
    if settings is not None:
        return "open_clip_config.json", lambda: _open_clip_reading(settings)
    settings = config.get("pretrained_cfg", config)
    if "input_size" in settings:
        return "config.json", lambda: _timm_reading(settings)
    image_size = config.get("image_size", vision.get("image_size"))
    if image_size is not None:
        return "config.json", lambda: default_reading(model_type, image_size, n_channels)
    raise UnknownReadingError(
        f"{folder} does not say how pictures are read: it has no preprocessor_config.json, processor_config.json with "
        f"an image_processor, open_clip_config.json, or config.json with an image_size. {_WAY_OUT}"
    )


def _read(folder, name):
    """Return what a JSON file holds, or None if there is no such file."""
    path = folder / name
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON: {error}. Download or save the checkpoint again.") from error


def _open_clip_reading(settings):
    size = settings.get("model_cfg", {}).get("vision_cfg", {}).get("image_size", 224)
    settings = settings.get("preprocess_cfg") or {}
    size = _pair(settings.get("size") or size)
    mode, resize = settings.get("mode", "RGB"), settings.get("resize_mode", "shortest")
    if mode != "RGB":
        raise UnsupportedReadingError(f"pictures of mode {mode!r}")
    if resize not in ("shortest", "longest", "squash"):
        raise UnsupportedReadingError(f"resize_mode={resize!r}")
    reading = {
        "size": size,
        "resize": {"shortest": "crop", "longest": "pad", "squash": "stretch"}[resize],
        "crop_fraction": 1.0,
        "interpolation": _filter_name(settings.get("interpolation", "bicubic")),
        **statistics_of(settings.get("mean") or _CLIP["mean"], settings.get("std") or _CLIP["std"], 3),
    }
    if resize == "longest":
        fill = settings.get("fill_color", 0)
        reading["background"] = tuple(fill) if isinstance(fill, list) else (fill,) * 3
    return reading


def _timm_reading(settings):
    n_channels, *size = settings["input_size"]
    crop_pct, crop_mode = settings.get("crop_pct") or 0.875, settings.get("crop_mode") or "center"
    mean, std = settings.get("mean") or _IMAGENET["mean"], settings.get("std") or _IMAGENET["std"]
    if crop_mode not in ("center", "squash", "border"):
        raise UnsupportedReadingError(f"crop_mode={crop_mode!r}")
    if crop_mode == "border" and crop_pct != 1:
        raise UnsupportedReadingError(f'crop_pct={crop_pct} with crop_mode="border"')
    reading = {
        "size": tuple(size),
        "resize": {"center": "crop", "border": "pad", "squash": "stretch"}[crop_mode],
        "crop_fraction": shared_fraction(size, [math.floor(length / crop_pct) for length in size]),
        "interpolation": _filter_name(settings.get("interpolation") or "bicubic"),
        **statistics_of(mean, std, n_channels),
    }
    if crop_mode == "border":
        reading["background"] = tuple(round(255 * part) for part in mean)
    return reading


def _pair(size):
    return (size, size) if isinstance(size, int) else tuple(size)


def _filter_name(name):
    if name not in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"):
        raise UnsupportedReadingError(f"interpolation={name!r}")
    return name
