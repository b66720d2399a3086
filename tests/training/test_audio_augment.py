"""What augmentation does to sounds, one thing at a time."""

import pytest
import torch

from sklearn_mm.training import AudioAugmentation
from sklearn_mm.training._augment import resolve_augment

NOTHING = {"shift": 0, "speed": 0, "pitch": 0, "gain": 0, "noise": 0, "tilt": 0, "time_mask": 0, "band_mask": 0}
LENGTHS = torch.tensor([40, 25, 0, 10])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(params=["log-mel", "wave"])
def x(request):
    shape = (4, 40, 16) if request.param == "log-mel" else (4, 40)
    x = torch.rand(shape) + 0.5
    is_there = torch.arange(40) < LENGTHS.unsqueeze(1)
    return x * (is_there.unsqueeze(2) if x.ndim == 3 else is_there)


def lengths(x):
    is_there = x.ne(0).any(2) if x.ndim == 3 else x.ne(0)
    return (is_there * torch.arange(1, x.shape[1] + 1)).amax(1)


def only(**what):
    return AudioAugmentation(**{**NOTHING, **what}).train()


@pytest.mark.parametrize("preset", ["light", "strong"])
def test_presets_keep_the_end_zero_and_rows_apart(x, preset):
    augment = resolve_augment(preset, kind="audio").train()
    out = augment(x.clone())
    assert out.isfinite().all()
    assert not out[2].any()
    assert (lengths(out) <= (LENGTHS / (1 - augment.speed)).ceil()).all()
    twins = augment(x[:1].expand(6, *x.shape[1:]))
    assert len({row.sum().item() for row in twins}) == 6
    assert torch.equal(augment.eval()(x), x)


def test_nothing_of_everything_changes_nothing(x):
    torch.testing.assert_close(only()(x), x)


def test_shift(x):
    out = only(shift=0.5)(x)
    assert torch.equal(lengths(out), LENGTHS)
    assert not torch.equal(out, x)
    assert torch.equal(out[2], x[2])


def test_speed_changes_lengths(x):
    out = only(speed=0.5)(x)
    factors = lengths(out)[[0, 1, 3]] / LENGTHS[[0, 1, 3]]
    assert ((factors >= 1 / 1.5) & (factors <= 2.1)).all()
    assert len(set(factors.tolist())) == 3


def test_gain():
    log_mel = torch.full((200, 3, 4), 0.5)
    change = only(gain=8)(log_mel)[:, 0, 0] - 0.5
    assert -0.2 <= change.min() < -0.15
    assert 0.15 < change.max() <= 0.2
    wave = only(gain=20)(torch.ones(200, 5))
    assert 0.1 <= wave.min() < 0.2
    assert 5 < wave.max() <= 10


def test_noise_is_as_loud_as_asked_for():
    wave = torch.sin(torch.arange(20_000.0)).expand(50, -1)
    noise = only(noise=1, noise_level=10)(wave) - wave
    level = 10 * (noise.square().mean(1) / 0.5).log10()
    assert ((level > -30.5) & (level < -9.5)).all()
    assert not (only(noise=0.5)(wave) == wave).all(1).all()
    quiet = torch.full((50, 30, 20), -1.0)
    quiet[:, ::2] = 1.0
    assert (only(noise=1, noise_level=10)(quiet) >= quiet - 1e-5).all()


def test_masks():
    x = torch.rand(40, 50, 20) + 0.5
    in_time = only(time_mask=0.5)(x) != x
    assert 0 < in_time.any(2).sum(1).max() <= 25
    assert (in_time.any(2) == in_time.all(2)).all()
    bands = only(band_mask=0.5)(x) != x
    assert 0 < bands.any(1).sum(1).max() <= 10
    assert (bands.any(1) == bands.all(1)).all()


def test_tilt_is_smooth_and_as_strong_as_asked_for():
    change = only(tilt=4)(torch.full((500, 3, 64), 0.5)) - 0.5
    assert torch.equal(change[:, 0], change[:, 2])
    assert 40 * change.square().mean().sqrt() == pytest.approx(4, rel=0.15)
    assert change.diff(dim=2).abs().max() < 0.1


def test_pitch_leaves_waves_alone():
    wave, log_mel = torch.rand(3, 50) + 0.1, torch.rand(3, 50, 20) + 0.1
    torch.testing.assert_close(only(pitch=0.3)(wave), wave)
    ramp = torch.arange(1.0, 21).expand(100, 2, 20)
    factors = (only(pitch=0.3)(ramp)[:, 0, 10] - 1) / 10
    assert 0.7 <= factors.min() < 0.8
    assert 1.2 < factors.max() <= 1.3
    assert not torch.equal(only(pitch=0.3)(log_mel), log_mel)


@pytest.mark.parametrize("parameters", [{"noise": 2}, {"speed": 1}, {"gain": -1}, {"time_mask": 1.5}], ids=str)
def test_parameters_are_checked(parameters):
    with pytest.raises(ValueError, match=f"{next(iter(parameters))!r} parameter of AudioAugmentation must be"):
        resolve_augment(AudioAugmentation(**parameters), kind="audio")


def test_kinds_without_presets():
    with pytest.raises(ValueError, match="Unknown augmentation 'light'"):
        resolve_augment("light", kind="scent")
