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
