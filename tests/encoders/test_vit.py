import math

import pytest
import torch
import torch.nn as nn

from sklearn_mm.encoders import ViTEncoder
from sklearn_mm.preprocessing import ImageSpec


def spec_of(height, width, channels=3, mean=0.5, std=0.25):
    return ImageSpec(name="photo", shape=(height, width, channels), mean=(mean,) * channels, std=(std,) * channels)


def pictures(spec, n_rows=2):
    return torch.randint(256, (n_rows, *spec.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def small(spec, **params):
    return ViTEncoder(**{"width": 8, "n_layers": 1, "n_heads": 2, **params}).build(spec)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (8, 8), (13, 31), (64, 48), (224, 224), (230, 400)])
@pytest.mark.parametrize("stem", ["conv", "patch"])
def test_pictures_of_any_size(shape, channels, stem):
    spec = spec_of(*shape, channels)
    encoder = small(spec, stem=stem)
    features = encoder(encoder.prepare(pictures(spec)))  # in training mode
    features.pooled.square().sum().backward()
    assert features.pooled.shape == (2, 8)
    assert features.pooled.isfinite().all()


@pytest.mark.parametrize(
    ("side", "n_patches"), [(4, 4), (8, 8), (16, 8), (20, 10), (32, 8), (48, 6), (64, 8), (128, 8), (224, 7)]
)
def test_auto_takes_about_eight_patches_along_the_side_of_a_square(side, n_patches):
    encoder = small(spec_of(side, side))
    assert encoder(torch.zeros(2, 3, side, side)).tokens.shape[1] == n_patches**2


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 128), (128, 32), (16, 256)])
def test_auto_takes_as_many_patches_of_a_long_picture(height, width):
    assert small(spec_of(height, width))(torch.zeros(2, 3, height, width)).tokens.shape[1] == 64


@pytest.mark.parametrize(("stem", "patch_size"), [("conv", 1), ("conv", 8), ("conv", 64), ("patch", 1), ("patch", 7)])
@pytest.mark.parametrize("shape", [(33, 40), (40, 33)])
def test_a_token_for_each_patch_that_was_begun(stem, patch_size, shape):
    spec = spec_of(*shape)
    encoder = small(spec, stem=stem, patch_size=patch_size)
    with torch.no_grad():
        tokens = encoder(encoder.prepare(pictures(spec))).tokens
    assert tokens.shape[1] == math.prod(math.ceil(side / patch_size) for side in shape)


def test_patches_by_hand():
    """With nothing but the linear map of the patches, each token is the map of its own pixels."""
    spec = spec_of(4, 5, channels=1, mean=0.0, std=1.0)
    encoder = small(spec, stem="patch", patch_size=2).eval()
    x = torch.rand(1, 1, 4, 5)
    seen = []
    encoder.patches.register_forward_hook(lambda module, args, maps: seen.append(maps))
    with torch.no_grad():
        encoder(x)
        weight, bias = encoder.patches.weight.flatten(1), encoder.patches.bias
        torch.testing.assert_close(seen[0][0, :, 1, 0], weight @ x[0, 0, 2:, :2].flatten() + bias)
        edge = torch.stack([x[0, 0, :2, 4], torch.zeros(2)], 1)  # what hangs over is the mean colour, 0 here
        torch.testing.assert_close(seen[0][0, :, 0, 2], weight @ edge.flatten() + bias)


def test_places_matter():
    spec = spec_of(16, 16)
    for pool in ("mean", "token"):
        encoder = small(spec, stem="patch", patch_size=8, pool=pool).eval()
        x = torch.rand(1, 3, 16, 16)
        with torch.no_grad():
            for moved in (x.roll(8, 2), x.roll(8, 3)):  # the same patches in other places
                assert not torch.allclose(encoder(x).pooled, encoder(moved).pooled, atol=1e-4)


@pytest.mark.parametrize("patch_size", [3, 6, 12])
def test_convolutions_halve(patch_size):
    with pytest.raises(ValueError, match=f"a power of two as patch_size, got {patch_size}.*or stem='patch'"):
        ViTEncoder(patch_size=patch_size).build(spec_of(24, 24))


@pytest.mark.parametrize("params", [{}, {"stem": "patch"}, {"pool": "token"}])
def test_it_can_be_exported(params):
    spec = spec_of(20, 24)
    encoder = small(spec, **params).eval()
    x = encoder.prepare(pictures(spec))
    program = torch.export.export(encoder, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    more = torch.cat([x, x, x])
    with torch.no_grad():
        torch.testing.assert_close(tuple(program.module()(more)), tuple(encoder(more)))


def test_the_layout_of_memory_changes_nothing():
    spec = spec_of(20, 20)
    encoder = small(spec).eval()
    x = encoder.prepare(pictures(spec))
    assert x.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x).pooled, encoder(x.contiguous()).pooled)


def test_convolutions_grow_to_the_width():
    encoder = ViTEncoder(patch_size=16, width=128).build(spec_of(64, 64))
    widths = [layer.out_channels for layer in encoder.patches.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [16, 32, 64, 128, 128]


@pytest.mark.parametrize("params", [{"patch_size": 0}, {"patch_size": "big"}, {"stem": "linear"}, {"n_layers": 0}])
def test_senseless_parameters(params):
    with pytest.raises(ValueError, match="parameter of ViTEncoder must be"):
        ViTEncoder(**params)._validate_params()
