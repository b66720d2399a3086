import functools
import io
import json
import sys

import numpy as np
import pytest
from PIL import Image

from sklearn_mm.encoders.pretrained._image_reading import image_reading
from sklearn_mm.preprocessing import ImageTransformer

HALF = (0.5, 0.5, 0.5)
CLIP = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

# Settings of published checkpoints, beside what is there by default.
PROCESSORS = [
    ("BeitImageProcessor", {}),
    ("BeitImageProcessor", {"size": {"height": 256, "width": 256}, "do_center_crop": True}),
    ("BitImageProcessor", {"size": {"shortest_edge": 256}, "image_mean": [0.485, 0.456, 0.406]}),
    ("BitImageProcessor", {"size": {"shortest_edge": 57}, "crop_size": {"height": 48, "width": 48}}),
    ("BlipImageProcessor", {}),
    ("CLIPImageProcessor", {}),
    ("CLIPImageProcessor", {"size": 336, "crop_size": 336}),
    ("ChineseCLIPImageProcessor", {"size": {"height": 224, "width": 224}, "do_center_crop": False}),
    ("ConvNextImageProcessor", {}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 224}, "crop_pct": 0.95}),
    ("ConvNextImageProcessor", {"size": 224, "resample": 2}),
    ("DeiTImageProcessor", {}),
    ("EfficientNetImageProcessor", {"size": {"height": 224, "width": 224}, "resample": 0}),
    ("EfficientNetImageProcessor", {"rescale_offset": True, "rescale_factor": 1 / 127.5, "do_normalize": False}),
    ("EfficientNetImageProcessor", {"include_top": False, "do_center_crop": True}),
    ("FlavaImageProcessor", {}),
    ("LevitImageProcessor", {}),
    ("MobileNetV1ImageProcessor", {"resample": 5}),
    ("MobileNetV2ImageProcessor", {"size": {"shortest_edge": 192}, "crop_size": {"height": 160, "width": 160}}),
    ("OwlViTImageProcessor", {}),
    ("PoolFormerImageProcessor", {"crop_pct": 0.95}),
    ("PvtImageProcessor", {"do_normalize": False}),
    ("SiglipImageProcessor", {}),
    ("SiglipImageProcessor", {"size": {"height": 100, "width": 140}, "image_mean": 0.25, "image_std": 0.125}),
    ("ViTImageProcessor", {}),
    ("ViTImageProcessor", {"resample": 1, "do_rescale": False, "image_mean": [127.5] * 3, "image_std": [127.5] * 3}),
]


def save(folder, **files):
    """Write JSON files, named without their ending, into a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@functools.cache
def jpeg(width, height, seed=0):
    """Return the bytes of a photograph, so to say: smooth shapes, sharp edges and noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width] / 97
    shades = 127 * (1 + np.stack([np.sin(rows + columns), np.cos(columns * 3), np.sign(np.sin(rows * 5))], 2))
    noisy = np.clip(shades + rng.normal(scale=12, size=shades.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "jpeg", quality=90)
    return file.getvalue()


def normalised(reading, cells):
    transformer = ImageTransformer(**reading)
    pictures = transformer.fit_transform(cells) / 255
    return ((pictures - transformer.mean_) / transformer.std_).transpose(0, 3, 1, 2)


@pytest.mark.filterwarnings("ignore:.*cuts off more than half")
@pytest.mark.parametrize(("name", "settings"), PROCESSORS)
def test_pixels_are_those_of_transformers(name, settings, tmp_path):
    processor = getattr(pytest.importorskip("transformers"), f"{name}Pil")(**settings)
    processor.save_pretrained(tmp_path)
    reading = image_reading(tmp_path)
    cells = [jpeg(500, 375), jpeg(375, 501), jpeg(1601, 1067), jpeg(60, 61), jpeg(*reading["size"][::-1])]
    expected = [processor(Image.open(io.BytesIO(cell)), return_tensors="np")["pixel_values"][0] for cell in cells]
    np.testing.assert_allclose(normalised(reading, cells), np.stack(expected), rtol=1e-5, atol=1e-5)


def test_the_nested_file_of_newer_versions_counts(tmp_path):
    old = {"image_processor_type": "ViTImageProcessorFast", "size": {"height": 96, "width": 96}}
    new = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 64, "width": 64}}
    folder = save(tmp_path, preprocessor_config=old, processor_config={"image_processor": new})
    assert image_reading(folder)["size"] == (64, 64)
    folder = save(tmp_path, processor_config={"processor_class": "SiglipProcessor"})
    assert image_reading(folder)["size"] == (96, 96)


def test_the_names_of_old_versions_are_known(tmp_path):
    settings = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224, "do_rescale": None}
    reading = image_reading(save(tmp_path, preprocessor_config=settings))
    assert reading == {
        "size": (224, 224),
        "resize": "crop",
        "crop_fraction": 1.0,
        "interpolation": "bicubic",
        **CLIP,
        "color": "RGB",
        "reducing_gap": None,
    }


@pytest.mark.parametrize(
    ("model_type", "resize", "size"), [("resnet", "crop", 224), ("vit", "stretch", 224), ("dinov2", "crop", 224)]
)
def test_the_architecture_tells_the_processor_where_the_file_does_not(model_type, resize, size, tmp_path):
    folder = save(tmp_path, config={"model_type": model_type}, preprocessor_config={"size": size})
    reading = image_reading(folder)
    assert (reading["resize"], reading["size"]) == (resize, (size, size))


def test_settings_are_found_in_the_first_module_of_sentence_transformers(tmp_path):
    save(tmp_path, modules=[{"idx": 0, "name": "0", "path": "0_CLIPModel", "type": "..."}])
    settings = {"feature_extractor_type": "CLIPFeatureExtractor", "size": 32, "crop_size": 32}
    save(tmp_path / "0_CLIPModel", preprocessor_config=settings)
    assert image_reading(tmp_path)["size"] == (32, 32)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"crop_pct": 0.95, "crop_mode": "center", "interpolation": "bilinear", "mean": HALF, "std": HALF},
            {"resize": "crop", "crop_fraction": 224 / 235, "interpolation": "bilinear", "mean": HALF, "std": HALF},
        ),
        (
            {"crop_pct": 0.9, "crop_mode": "squash"},
            {"resize": "stretch", "crop_fraction": 224 / 248, "interpolation": "bicubic", **IMAGENET},
        ),
        (
            {"crop_pct": 1.0, "crop_mode": "border"},
            {"resize": "pad", "crop_fraction": 1.0, "background": (124, 116, 104), **IMAGENET},
        ),
        ({}, {"resize": "crop", "crop_fraction": 0.875, **IMAGENET}),
    ],
)
def test_timm(settings, expected, tmp_path):
    config = {"architecture": "resnet18", "pretrained_cfg": {"input_size": [3, 224, 224], **settings}}
    reading = image_reading(save(tmp_path, config=config))
    assert reading.items() >= {"size": (224, 224), "color": "RGB", **expected}.items()


def test_timm_of_grey_pictures(tmp_path):
    reading = image_reading(save(tmp_path, config={"input_size": [1, 28, 28], "mean": [0.1307], "std": [0.3081]}))
    assert (reading["color"], reading["mean"], reading["std"]) == ("L", (0.1307,), (0.3081,))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"resize": "crop", "interpolation": "bicubic", **CLIP}),
        (
            {"mean": HALF, "std": HALF, "interpolation": "bilinear", "resize_mode": "squash"},
            {"resize": "stretch", "interpolation": "bilinear", "mean": HALF, "std": HALF},
        ),
        ({"resize_mode": "longest", "fill_color": 0}, {"resize": "pad", "background": (0, 0, 0)}),
    ],
)
def test_open_clip(settings, expected, tmp_path):
    config = {"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 256}}, "preprocess_cfg": settings}
    reading = image_reading(save(tmp_path, open_clip_config=config))
    assert reading.items() >= {"size": (256, 256), "crop_fraction": 1.0, **expected}.items()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"model_type": "clip", "vision_config": {"image_size": 30}},
            {"size": (30, 30), "resize": "crop", "interpolation": "bicubic", **CLIP},
        ),
        (
            {"model_type": "vit", "image_size": [32, 48]},
            {"size": (32, 48), "resize": "stretch", "interpolation": "bilinear", "mean": HALF},
        ),
        ({"model_type": "deit", "image_size": 224}, {"size": (224, 224), "resize": "stretch", "crop_fraction": 0.875}),
        ({"model_type": "convnextv2", "image_size": 224}, {"size": (224, 224), "crop_fraction": 0.875}),
        ({"model_type": "dinov2", "image_size": 518}, {"size": (518, 518), "resize": "crop", "crop_fraction": 1.0}),
        ({"model_type": "vit", "image_size": 28, "num_channels": 1}, {"color": "L", "mean": (0.5,), "std": (0.5,)}),
    ],
)
def test_without_settings_it_is_the_processor_of_the_architecture(config, expected, tmp_path):
    assert image_reading(save(tmp_path, config=config)).items() >= expected.items()


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"image_processor_type": "Siglip2ImageProcessor"}, "the image processor Siglip2ImageProcessor; known are"),
        ({"image_processor_type": "ViTImageProcessor", "do_resize": False}, "of the sizes that they have"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"longest_edge": 384}}, "pictures of several sizes"),
        ({"image_processor_type": "CLIPImageProcessor", "do_center_crop": False}, "that keep their proportions"),
        ({"image_processor_type": "CLIPImageProcessor", "crop_size": 256}, "which are smaller"),
        ({"image_processor_type": "CLIPImageProcessor", "crop_size": [224, 112]}, "of other proportions"),
        ({"image_processor_type": "CLIPImageProcessor", "resample": 9}, "resample=9"),
        ({"image_processor_type": "CLIPImageProcessor", "do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"image_processor_type": "ViTImageProcessor", "do_rescale": False}, "for pixels in"),
        ({"image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.5]}, "of 3 channels"),
        ({"image_processor_type": "LevitImageProcessor", "size": {"height": 9, "width": 9}}, "without shortest_edge"),
        ({"size": 224}, "models of type None"),
        ({"image_processor_type": "ViTImageProcessor", "size": {"height": "a", "width": 3}}, r"TypeError"),
        (["ViTImageProcessor"], "AttributeError"),
    ],
)
def test_what_cannot_be_done_is_an_error(settings, cause, tmp_path):
    if isinstance(settings, dict) and "do_rescale" in settings:
        settings["image_mean"] = [300.0] * 3
    with pytest.raises(ValueError, match=rf"preprocessor_config\.json .*{cause}.* Hand in an ImageTransformer"):
        image_reading(save(tmp_path, preprocessor_config=settings))


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        ({"crop_mode": "border", "crop_pct": 0.9}, "crop_mode"),
        ({"interpolation": "random"}, "interpolation='random'"),
        ({"input_size": [4, 224, 224]}, "4 channels"),
    ],
)
def test_what_timm_can_and_we_cannot_is_an_error(settings, cause, tmp_path):
    with pytest.raises(ValueError, match=rf"config\.json asks for .*{cause}.* Hand in an ImageTransformer"):
        image_reading(save(tmp_path, config={"input_size": [3, 224, 224], **settings}))


def test_a_folder_that_does_not_say_it_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"does not say how pictures are read: it has no preprocessor_config.json"):
        image_reading(save(tmp_path, config={"model_type": "bert"}))
    (tmp_path / "preprocessor_config.json").write_text('{"size": ')
    with pytest.raises(ValueError, match=r"preprocessor_config.json is no JSON: .* Download or save"):
        image_reading(tmp_path)


def test_transformers_is_not_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    folder = save(tmp_path, preprocessor_config={"image_processor_type": "ViTImageProcessor"})
    assert image_reading(folder)["size"] == (224, 224)
