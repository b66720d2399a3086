import math

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.base import clone

from sklearn_mm.encoders import CNNEncoder, ResNetEncoder, ViTEncoder
from sklearn_mm.encoders._norm import BatchNorm2d
from sklearn_mm.preprocessing import ImageSpec


def spec_of(height, width, channels=3, mean=0.5, std=0.25):
    return ImageSpec(name="photo", shape=(height, width, channels), mean=(mean,) * channels, std=(std,) * channels)


def pictures(spec, n_rows=2):
    return torch.randint(256, (n_rows, *spec.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def n_weights(module):
    return sum(weight.numel() for weight in module.parameters())


def test_cnn_expresses_the_keras_stack():
    encoder = CNNEncoder(channels=(32, 64), padding="valid", norm=None, pool="flatten").build(spec_of(64, 64))
    assert [n_weights(layer) for layer in encoder.layers if isinstance(layer, nn.Conv2d)] == [896, 18_496]
    assert n_weights(encoder) == 896 + 18_496
    assert encoder.out_features == 14 * 14 * 64
    assert encoder.fixed_length


def test_cnn_by_hand():
    encoder = CNNEncoder(channels=(1,), kernel_size=1, norm=None, pool="flatten").build(spec_of(4, 4, 1, 0.0, 1.0))
    with torch.no_grad():
        encoder.layers[0].weight.fill_(2.0)
        encoder.layers[0].bias.fill_(-1.0)
    stored = torch.zeros(1, 4, 4, 1, dtype=torch.uint8)
    stored[0, 1, 1], stored[0, 0, 3], stored[0, 3, 0] = 255, 204, 51  # 2 x - 1: 1.0, 0.6 and, below zero, -0.6
    features = encoder(encoder.prepare(stored))
    torch.testing.assert_close(features.pooled, torch.tensor([[1.0, 0.6, 0.0, 0.0]]))
    torch.testing.assert_close(features.tokens, torch.tensor([[[1.0], [0.6], [0.0], [0.0]]]))
    for pool, expected in {"mean": 0.4, "max": 1.0}.items():
        encoder.set_params(pool=pool)
        assert encoder(encoder.prepare(stored)).pooled.item() == pytest.approx(expected)


def test_cnn_pools_what_the_rectifier_leaves():
    spec = spec_of(9, 12)
    encoder = CNNEncoder(channels=(8,), pool="flatten").build(spec)
    x = encoder.prepare(pictures(spec)).requires_grad_()
    convolution, norm = encoder.layers[:2]
    places = F.max_pool2d(norm(convolution(encoder.normalise(x))).relu(), 2).permute(0, 2, 3, 1)
    pooled = encoder(x).pooled
    torch.testing.assert_close(pooled, places.flatten(1), rtol=0, atol=0)
    slopes = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(0))
    ours, textbook = (torch.autograd.grad(result, x, slopes)[0] for result in (pooled, places.flatten(1)))
    torch.testing.assert_close(ours, textbook, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
@pytest.mark.parametrize("shape", [(33, 40), (40, 33)])
def test_cnn_knows_the_size_of_its_map(padding, kernel_size, shape):
    spec = spec_of(*shape)
    encoder = CNNEncoder((4, 6), kernel_size=kernel_size, padding=padding, pool="flatten").build(spec)
    with torch.no_grad():
        assert encoder(encoder.prepare(pictures(spec))).pooled.shape == (2, encoder.out_features)


def test_cnn_says_when_pictures_are_too_small():
    with pytest.raises(ValueError, match=r"nothing of the 8 × 64 pixels of block 'photo'.*padding='same'"):
        CNNEncoder(channels=(8, 8), padding="valid").build(spec_of(8, 64))._validate_params()
    CNNEncoder(channels=(8, 8, 8), padding="same").build(spec_of(8, 8))
    with pytest.raises(ValueError, match=r"(?s)nothing of the 4 × 8 pixels.*, or use fewer channels\.$"):
        CNNEncoder(channels=(8, 8, 8)).build(spec_of(4, 8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (5, 31), (64, 48), (224, 224), (230, 400)])
def test_resnet_takes_pictures_of_any_size(shape, channels):
    spec = spec_of(*shape, channels)
    encoder = ResNetEncoder(widths=(4, 8, 12)).build(spec)
    features = encoder(encoder.prepare(pictures(spec)))  # in training mode
    features.pooled.sum().backward()
    assert features.pooled.shape == (2, 12)
    assert features.pooled.isfinite().all()


@pytest.mark.parametrize(
    ("side", "n_halvings"), [(8, 0), (16, 0), (20, 0), (24, 1), (32, 1), (64, 2), (128, 3), (224, 4)]
)
def test_the_stem_brings_pictures_to_about_the_same_size(side, n_halvings):
    for height, width in [(side, side), (side // 2, 2 * side), (4 * side, side // 4)]:  # of one area
        encoder = ResNetEncoder(widths=(4, 8), map_size=16).build(spec_of(height, width))
        stem = [layer[0] for layer in encoder.layers if isinstance(layer, nn.Sequential)]
        assert math.prod(convolution.stride[0] for convolution in stem) == 2**n_halvings


def test_a_finer_map_gives_more_tokens():
    spec = spec_of(64, 64)
    n_tokens = []
    for map_size in (8, 16, 32):
        encoder = ResNetEncoder(widths=(4, 8), map_size=map_size).build(spec)
        n_tokens.append(encoder(encoder.prepare(pictures(spec))).tokens.shape[1])
    assert n_tokens == sorted(n_tokens)
    assert len(set(n_tokens)) == 3


@pytest.mark.parametrize("encoder", [CNNEncoder((4, 8)), ResNetEncoder((4, 8))])
def test_the_layout_of_memory_changes_nothing(encoder):
    spec = spec_of(20, 20)
    encoder = encoder.build(spec).eval()
    x = encoder.prepare(pictures(spec))
    assert x.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x).pooled, encoder(x.contiguous()).pooled)


@pytest.mark.parametrize("encoder", [CNNEncoder((4, 8)), ResNetEncoder((4, 8))])
def test_normalisation_makes_brightness_and_contrast_of_the_data_set_vanish(encoder):
    dark, bright = spec_of(8, 8, mean=0.2, std=0.1), spec_of(8, 8, mean=0.6, std=0.2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        built = encoder.build(dark).eval()
    x = torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        expected = built(0.2 + 0.1 * x).pooled
        built.mean.fill_(0.6)
        built.std.fill_(0.2)
        torch.testing.assert_close(built(0.6 + 0.2 * x).pooled, expected, rtol=1e-4, atol=1e-5)
    assert bright.shape == dark.shape


@pytest.mark.parametrize("encoder", [CNNEncoder((4, 8), dropout=0.5), ResNetEncoder((4, 8), dropout=0.5)])
def test_dropout_acts_in_training_only(encoder):
    spec = spec_of(16, 16)
    built = encoder.build(spec)
    x = built.prepare(pictures(spec, 64))
    with torch.no_grad():
        n_zero = [(built.train(mode)(x).pooled == 0).float().mean().item() for mode in (True, False)]
    assert n_zero[0] > n_zero[1] + 0.2


@pytest.mark.parametrize(
    "encoder",
    [
        CNNEncoder(channels=()),
        CNNEncoder(channels=(32, 0)),
        CNNEncoder(channels=32),
        CNNEncoder(channels=(32, "64")),
        CNNEncoder(kernel_size=0),
        CNNEncoder(pool="average"),
        CNNEncoder(norm="layer"),
        CNNEncoder(dropout=1.0),
        ResNetEncoder(widths=()),
        ResNetEncoder(widths=(32, 64.0)),
        ResNetEncoder(map_size=0),
    ],
)
def test_senseless_parameters(encoder):
    with pytest.raises(ValueError, match=f"parameter of {type(encoder).__name__} must be"):
        encoder._validate_params()


TINY = [(1, 1), (2, 2), (4, 4), (8, 8), (1, 8), (8, 1), (2, 16), (3, 5)]


@pytest.mark.parametrize("size", TINY)
@pytest.mark.parametrize(
    "encoder", [CNNEncoder(), CNNEncoder(channels=(4,)), ResNetEncoder(), ResNetEncoder(map_size=1), ViTEncoder()]
)
def test_tiny_pictures_one_at_a_time_train_or_say_what_size_is_needed(encoder, size):
    spec = spec_of(*size)
    needed = 2 ** len(encoder.channels) if isinstance(encoder, CNNEncoder) else 1
    if min(size) < needed:
        with pytest.raises(ValueError, match=f"pictures of at least {needed} × {needed} pixels"):
            clone(encoder).build(spec)
        return
    built = clone(encoder).build(spec).train()
    for n_rows in (3, 1):  # as the last batch of an epoch, and then as the only one
        pooled = built(built.prepare(pictures(spec, n_rows))).pooled
        assert pooled.isfinite().all()
    pooled.sum().backward()
    alone = clone(encoder).build(spec).train()
    alone(alone.prepare(pictures(spec, 1))).pooled.sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in alone.parameters())
    assert alone.eval()(alone.prepare(pictures(spec, 1))).pooled.isfinite().all()


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_the_size_that_is_needed_suffices(kernel_size):
    encoder = CNNEncoder(channels=(4, 8), kernel_size=kernel_size, padding="valid")
    needed = 2 * (2 + kernel_size - 1) + kernel_size - 1
    with pytest.raises(ValueError, match=f"at least {needed} × {needed} pixels"):
        encoder.build(spec_of(needed - 1, needed))
    assert clone(encoder).build(spec_of(needed, needed)).out_features == 8


def test_one_value_per_channel_is_normalised_by_what_was_seen_before():
    torch.manual_seed(0)
    norm, torchs = BatchNorm2d(3).train(), nn.BatchNorm2d(3).train()
    x = torch.randn(5, 3, 1, 1) * 4 + 2
    torch.testing.assert_close(norm(x), torchs(x), rtol=0, atol=0)
    before = norm.running_var.clone()
    torch.testing.assert_close(norm(x[:1]), torchs.eval()(x[:1]))
    torch.testing.assert_close(norm.running_var, before, rtol=0, atol=0)
