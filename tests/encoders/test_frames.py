"""`FrameEncoder`: shared weights, order in time, differences, sampling of frames, frozen image encoders."""

import pytest
import torch
import torch.nn as nn

from sklearn_mm import VideoInput
from sklearn_mm.encoders import CNNEncoder, FrameEncoder, ModuleEncoder, PretrainedEncoder, ViTEncoder
from sklearn_mm.preprocessing import VideoSpec

SPEC = VideoSpec(name="clip", shape=(6, 12, 16, 3), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
CNN = CNNEncoder(channels=(4, 8))
FROZEN = ModuleEncoder(nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.Flatten(), nn.Linear(60, 7)))


def rows(n=4):
    return torch.randint(256, (n, *SPEC.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def built(encoder, spec=SPEC):
    torch.manual_seed(0)
    return encoder.build(spec).eval()


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_vectors_are_those_of_the_image_encoder(pool):
    encoder = built(FrameEncoder(CNN, pool, differences=False))
    clips = rows()
    features = encoder(encoder.prepare(clips))
    of_images = built(CNNEncoder(channels=(4, 8)), SPEC.frame)
    of_images.load_state_dict(encoder.frames.state_dict())
    expected = torch.stack([of_images(of_images.prepare(clip)).pooled for clip in clips])  # (batch, n_frames, 8)
    torch.testing.assert_close(features.tokens, expected)
    torch.testing.assert_close(features.pooled, expected.mean(1) if pool == "mean" else expected.amax(1))
    assert features.mask.all()


@pytest.mark.parametrize(
    ("pool", "differences", "knows"),
    [
        ("mean", False, False),
        ("max", False, False),
        ("mean", True, True),
        ("attention", False, True),
        ("transformer", False, True),
    ],
)
@pytest.mark.parametrize("positions", ["sinusoidal", "learnt"])
def test_the_order_of_frames(pool, differences, positions, knows):
    encoder = built(FrameEncoder(CNN, pool, differences=differences, positions=positions))
    for weight in encoder.pooling.parameters():  # positions count for little at first
        weight.data.add_(torch.randn_like(weight), alpha=0.3)
    forwards, backwards = encoder(encoder.prepare(rows())).pooled, encoder(encoder.prepare(rows().flip(1))).pooled
    assert torch.allclose(forwards, backwards, atol=1e-5) != knows


def test_differences_are_for_encoders_from_scratch():
    assert built(FrameEncoder(CNN)).frames.layers[0].in_channels == 6
    assert built(FrameEncoder("vit", "mean")).frames.mean.flatten().tolist()[3:] == [0, 0, 0]
    assert built(FrameEncoder(FROZEN)).below.sees_differences is False
    assert built(FrameEncoder(ViTEncoder(), differences=False)).frames.mean.numel() == 3


def test_a_single_frame_has_no_difference():
    spec = VideoSpec(shape=(1, 12, 16, 3), mean=SPEC.mean, std=SPEC.std)
    encoder = built(FrameEncoder(CNN), spec)
    assert encoder(encoder.prepare(rows()[:, :1])).pooled.isfinite().all()


def test_frames_are_drawn_in_training():
    encoder = built(FrameEncoder(CNN, "mean", n_frames=3, differences=False))
    number = torch.arange(6.0).expand(200, 6)
    assert encoder._chosen(number)[0].tolist() == [1, 3, 5]
    torch.manual_seed(0)
    drawn = encoder.train()._chosen(number)
    assert [sorted(set(column.tolist())) for column in drawn.T] == [[0, 1], [2, 3], [4, 5]]
    assert encoder.eval()(encoder.prepare(rows())).tokens.shape[1] == 3


def test_more_frames_than_there_are():
    with pytest.raises(ValueError, match=r"looks at more frames than the 6 that the clips of block 'clip' have"):
        built(FrameEncoder(CNN, n_frames=7))


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_frozen_as_a_whole(pool):
    encoder = built(FrameEncoder(FROZEN, pool, n_frames=2))
    assert encoder.frozen
    assert encoder.frozen_part is encoder
    assert not any(weight.requires_grad for weight in encoder.parameters())
    x = encoder.prepare(rows())
    before = encoder(x).pooled
    torch.testing.assert_close(encoder.train()(x).pooled, before)


@pytest.mark.parametrize("pool", ["attention", "transformer"])
def test_frozen_frames_are_a_part(pool):
    encoder = built(FrameEncoder(FROZEN, pool))
    assert not encoder.frozen
    assert encoder.partly_frozen
    assert encoder.frozen_features == 7
    x = encoder.prepare(rows())
    tensors = encoder.frozen_part(x)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == {"pooled": (4, 7), "frames": (4, 6, 7)}
    torch.testing.assert_close(encoder.rest(tensors).pooled, encoder(x).pooled)
    assert all(weight.requires_grad for weight in encoder.pooling.parameters())


def test_rates_of_learning_come_from_the_image_encoder():
    module = nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.ReLU(), nn.Conv2d(5, 4, 1))
    encoder = built(FrameEncoder(PretrainedEncoder(module, trainable="all", lr=1e-5), "mean"))
    groups = encoder.parameter_groups()
    named = {id(weight) for group in groups for weight in group["params"]}
    assert named == {id(weight) for weight in encoder.frames.parameters() if weight.requires_grad}


def test_reading_is_that_of_the_image_encoder():
    class SmallEncoder(CNNEncoder):
        reading = {"size": 24, "mean": 0.5}
        required_reading = ("size",)

    encoder = FrameEncoder(SmallEncoder())
    assert encoder.reading == {"size": 24, "mean": 0.5}
    assert encoder.required_reading == ("size",)
    assert VideoInput.example_spec.read_with(encoder.reading).shape == (3, 24, 24, 3)


def test_functions_have_no_frames_to_read():
    with pytest.raises(TypeError, match="is a function of cells, which has no frames to read"):
        built(FrameEncoder(PretrainedEncoder(len)))


def test_a_width_that_heads_cannot_share():
    with pytest.raises(ValueError, match="FrameEncoder needs a width that is a multiple of n_heads"):
        built(FrameEncoder(CNN, width=30))
