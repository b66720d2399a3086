"""What augmentation does to pictures, and what it must leave alone."""

import pickle

import numpy as np
import pytest
import torch
import torch.nn as nn
from sklearn.base import clone
from torch.nn.functional import interpolate

from sklearn_mm.training._augment import ImageAugmentation, resolve_augment

STILL = {"shift": 0, "scale": 0, "rotation": 0, "brightness": 0, "contrast": 0, "saturation": 0}
PRESETS = ["auto", "light", "strong"]


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def only(**params):
    return ImageAugmentation(**{**STILL, **params}).train()


def pictures(n=6, n_channels=3, height=16, width=16):
    return torch.rand(n, n_channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "shape", [(5, 3, 16, 16), (1, 3, 32, 20), (4, 1, 28, 28), (2, 4, 7, 9), (3, 3, 1, 1), (0, 3, 8, 8)]
)
def test_presets_give_pictures_of_the_same_kind(preset, shape):
    x = torch.rand(shape)
    before = x.clone()
    out = resolve_augment(preset).train()(x)
    assert out.shape == x.shape
    assert out.dtype == torch.float32
    assert out.is_contiguous()
    assert torch.equal(x, before)
    assert bool(((out >= 0) & (out <= 1)).all())
    if len(x) and x[0].numel() > 3:
        assert not torch.allclose(out, x, atol=1e-3)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_extreme_pictures_stay_in_range(preset, value):
    out = resolve_augment(preset).train()(torch.full((32, 3, 8, 8), value))
    assert bool(((out >= 0) & (out <= 1)).all())


def test_channels_last_gives_the_same():
    x = pictures()
    torch.manual_seed(3)
    expected = resolve_augment("strong").train()(x)
    torch.manual_seed(3)
    out = resolve_augment("strong").train()(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_frames_of_a_clip_are_changed_alike(preset):
    module = resolve_augment(preset).train()
    still = pictures(4).unsqueeze(1).expand(-1, 3, -1, -1, -1)  # (batch, n_frames, channels, height, width)
    torch.manual_seed(0)
    clips = module(still)
    torch.manual_seed(0)
    torch.testing.assert_close(clips, module(still[:, 0]).unsqueeze(1).expand_as(clips))
    assert not torch.equal(clips, still)


@pytest.mark.parametrize("preset", PRESETS)
def test_eval_mode_changes_nothing(preset):
    x = pictures()
    assert torch.equal(resolve_augment(preset).eval()(x), x)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_global_seed_repeats_it(preset):
    module, x = resolve_augment(preset).train(), pictures()
    torch.manual_seed(0)
    first = module(x)
    torch.manual_seed(0)
    assert torch.equal(module(x), first)
    assert not torch.equal(module(x), first)


@pytest.mark.parametrize("preset", PRESETS)
def test_each_row_draws_its_own(preset):
    out = resolve_augment(preset).train()(pictures(1).expand(8, -1, -1, -1))
    assert len({row.numpy().tobytes() for row in out}) == 8


def test_no_gradient_is_recorded():
    assert not only(rotation=10)(pictures().requires_grad_()).requires_grad


def test_nothing_to_do_leaves_pixels_alone():
    assert torch.equal(only()(pictures()), pictures())


@pytest.mark.parametrize("padding", ["reflection", "border", "zeros"])
def test_shift_moves_by_whole_pixels_within_its_range(padding):
    x = pictures(20, height=16, width=8)
    out = only(shift=0.25, padding=padding)(x)
    mode = {"reflection": "symmetric", "border": "edge", "zeros": "constant"}[padding]
    seen = set()
    for row, moved in zip(x, out, strict=True):
        padded = torch.from_numpy(np.pad(row.numpy(), ((0, 0), (4, 4), (2, 2)), mode=mode))
        matches = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-2, 3)
            if torch.allclose(padded[:, 4 - down : 20 - down, 2 - right : 10 - right], moved, atol=1e-5)
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert len(seen) > 5


def test_a_positive_shift_goes_right_and_down():
    out = only(shift=(0.25, 0.25))(pictures())
    torch.testing.assert_close(out[:, :, 4:, 4:], pictures()[:, :, :-4, :-4])


@pytest.mark.parametrize(("degrees", "k"), [(90, 1), (180, 2), (-90, 3)])
@pytest.mark.parametrize("size", [8, 9])
def test_rotation_turns_counter_clockwise(degrees, k, size):
    x = pictures(height=size, width=size)
    torch.testing.assert_close(only(rotation=(degrees, degrees))(x), torch.rot90(x, k, (2, 3)), atol=1e-4, rtol=0)


def test_rotation_keeps_shapes_in_oblong_pictures():
    x = torch.zeros(1, 1, 16, 48)
    x[:, :, 6:10, 22:26] = 1  # a square in the middle stays one
    torch.testing.assert_close(only(rotation=(90, 90), padding="zeros")(x), x, atol=1e-4, rtol=0)


def test_rotation_draws_from_its_range():
    x = torch.zeros(200, 1, 33, 33)
    x[:, :, 16, 26:] = 1  # a hand that points to the right
    y, z = torch.meshgrid(torch.arange(33.0) - 16, torch.arange(33.0) - 16, indexing="ij")
    out = only(rotation=30)(x)
    angle = torch.rad2deg(torch.atan2(-(out * y).sum((1, 2, 3)), (out * z).sum((1, 2, 3))))
    assert angle.abs().max() < 31
    assert angle.min() < -20
    assert angle.max() > 20


def test_scale_magnifies():
    x = pictures(height=16, width=16)
    magnified = only(scale=(2, 2))(x)
    expected = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)[:, :, 8:-8, 8:-8]
    torch.testing.assert_close(magnified, expected, atol=1e-4, rtol=0)
    shrunk = only(scale=(0.5, 0.5), padding="zeros")(x)
    assert bool((shrunk[:, :, :3] == 0).all())
    assert bool((shrunk[:, :, 5:11, 5:11] > 0).all())


@pytest.mark.parametrize("width", [8, 9])
def test_flip_mirrors(width):
    x = pictures(width=width)
    torch.testing.assert_close(only(flip=1)(x), x.flip(3))


def test_flip_has_its_probability():
    x = pictures(1).expand(400, -1, -1, -1)
    is_flipped = ((only(flip=0.25)(x) - x.flip(3)).abs() < 1e-5).flatten(1).all(1)
    assert 0.15 < is_flipped.float().mean() < 0.35


def test_flip_and_rotation_agree_on_the_order():
    x = pictures()
    out = only(flip=1, rotation=(90, 90))(x)
    torch.testing.assert_close(out, torch.rot90(x.flip(3), 1, (2, 3)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_brightness_multiplies(n_channels):
    x = pictures(n_channels=n_channels)
    torch.testing.assert_close(only(brightness=(0.5, 0.5))(x), x * 0.5)
    torch.testing.assert_close(only(brightness=(2, 2))(x), (x * 2).clamp(0, 1))
    ratio = only(brightness=0.2)(x * 0.5) / (x * 0.5)
    assert ratio.amax((1, 2, 3)).unique().numel() == len(x)
    assert 0.79 < ratio.min() < ratio.max() < 1.21


def test_contrast_moves_away_from_the_mean_grey():
    x = pictures()
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    mean = (x * luma).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    torch.testing.assert_close(only(contrast=(0.5, 0.5))(x), 0.5 * x + 0.5 * mean)
    torch.testing.assert_close(only(contrast=(0, 0))(x), mean.expand_as(x))


def test_saturation_zero_is_grey():
    x = pictures()
    out = only(saturation=(0, 0))(x)
    grey = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    torch.testing.assert_close(out, grey.unsqueeze(1).expand_as(x))


def test_saturation_leaves_grey_pictures_alone():
    x = pictures(n_channels=1)
    torch.testing.assert_close(only(saturation=(0, 2))(x), x)
    torch.testing.assert_close(only(saturation=(0, 2))(x.expand(-1, 3, -1, -1)), x.expand(-1, 3, -1, -1))


@pytest.mark.parametrize("size", [(20, 20), (10, 40)])
@pytest.mark.parametrize("area", [(0.25, 0.25), (0.02, 0.2), (1, 1)])
def test_erase_covers_one_rectangle_with_the_mean_colour(size, area):
    x = pictures(50, height=size[0], width=size[1])
    out = only(erase=1, erase_area=area)(x)
    is_hole = (out != x).any(1)
    share = is_hole.float().mean((1, 2))
    n_rows, n_columns = is_hole.any(2).sum(1), is_hole.any(1).sum(1)
    assert torch.equal(n_rows * n_columns, is_hole.sum((1, 2)))
    assert share.max() <= area[1] + 0.05
    assert share.min() >= area[0] - 0.05
    assert area[0] - 0.03 <= share.mean() <= area[1] + 0.03
    expected = x.mean((2, 3), keepdim=True).expand_as(x)
    torch.testing.assert_close(torch.where(is_hole.unsqueeze(1), out, expected), expected)


def test_erase_reaches_every_place():
    x = pictures(2000)
    is_hole = (only(erase=1, erase_area=(0.1, 0.1))(x) != x).any(1)
    assert bool(is_hole.any(0).all())


def test_erase_has_its_probability():
    x = pictures(1).expand(400, -1, -1, -1)
    is_erased = (only(erase=0.25)(x) != x).flatten(1).any(1)
    assert 0.15 < is_erased.float().mean() < 0.35


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"flip": 2}, "flip"),
        ({"shift": -0.1}, "shift"),
        ({"scale": 1.0}, "scale"),
        ({"padding": "mirror"}, "padding"),
        ({"rotation": (10, -10)}, "rotation.*low <= high"),
        ({"rotation": (1, 2, 3)}, "rotation.*pair"),
        ({"scale": (0, 1)}, "scale"),
        ({"brightness": ("a", "b")}, "brightness"),
        ({"erase_area": (0.5, 2)}, "erase_area"),
    ],
)
def test_wrong_parameters_are_refused_at_the_door(params, message):
    with pytest.raises(ValueError, match=message):
        resolve_augment(ImageAugmentation(**params))


def test_it_is_a_scikit_learn_citizen():
    module = ImageAugmentation(rotation=20)
    assert clone(module).get_params() == module.get_params()
    assert pickle.loads(pickle.dumps(module)).get_params() == module.get_params()
    assert "rotation=20" in repr(module)
    assert module.set_params(flip=0.5).flip == 0.5


class TestResolve:
    def test_none_is_none(self):
        assert resolve_augment(None) is None
        assert resolve_augment(None, encoder_is_frozen=True) is None

    def test_auto_is_light_or_nothing(self):
        assert resolve_augment("auto").get_params() == resolve_augment("light").get_params()
        assert resolve_augment("auto", encoder_is_frozen=True) is None

    @pytest.mark.parametrize("preset", PRESETS)
    def test_no_preset_mirrors(self, preset):
        assert resolve_augment(preset).flip == 0

    def test_light_is_the_default(self):
        assert resolve_augment("light").get_params() == ImageAugmentation().get_params()

    def test_modules_are_copied(self):
        module = nn.Sequential(nn.Conv2d(3, 3, 1))
        resolved = resolve_augment(module)
        assert resolved is not module
        assert resolved[0].weight is not module[0].weight
        assert torch.equal(resolved[0].weight, module[0].weight)

    @pytest.mark.parametrize("augment", ["light", "strong", nn.Identity(), ImageAugmentation()])
    def test_naming_one_before_a_frozen_encoder_raises(self, augment):
        with pytest.raises(ValueError, match=r"frozen encoder.*augment=None"):
            resolve_augment(augment, encoder_is_frozen=True)

    def test_unknown_names_are_guessed(self):
        with pytest.raises(ValueError, match=r"'strnog'.*Did you mean 'strong'.*auto, light, strong"):
            resolve_augment("strnog")

    @pytest.mark.parametrize("augment", [ImageAugmentation, 3, lambda x: x])
    def test_other_things_are_refused(self, augment):
        with pytest.raises(TypeError, match="augmentation"):
            resolve_augment(augment)
