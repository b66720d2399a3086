import numpy as np
import torch

from sklearn_mm.training._seeding import draw_seed, seeded


def test_the_same_seed_gives_the_same_numbers_and_leaves_no_trace():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1, "cpu"):
        first = torch.rand(3)
    with seeded(1, "cpu"):
        second = torch.rand(3)
    assert torch.equal(first, second)
    assert torch.equal(torch.rand(3), expected)


def test_an_error_inside_leaves_no_trace_either():
    before = torch.get_rng_state()
    try:
        with seeded(1, "cpu"):
            torch.rand(3)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_draw_seed():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    state = np.random.RandomState(0)
    assert draw_seed(state) != draw_seed(state)
    before = np.random.get_state()[1].copy()  # noqa: NPY002, the global state is what is looked at
    assert draw_seed(None) != draw_seed(None)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_devices_that_are_not_used_are_not_seeded(monkeypatch):
    def refuse(seed):
        raise AssertionError("the generators of GPUs are not ours here")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", refuse)
    monkeypatch.setattr(torch.mps, "manual_seed", refuse)
    with seeded(1, "cpu"):
        torch.rand(3)


def test_the_generator_of_mps_is_put_back(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: "as found")
    monkeypatch.setattr(torch.mps, "manual_seed", calls.append)
    monkeypatch.setattr(torch.mps, "set_rng_state", calls.append)
    with seeded(1, "mps"):
        assert calls == [1]
    assert calls == [1, "as found"]
