"""Fits that take turns at generators, in one process."""

import threading

import pytest
import torch

from sklearn_mm.training._seeding import seeded
from sklearn_mm.training._turns import turns

_LONG = 20  # seconds in which a thread that does not wait for ever is done


def in_thread(function):
    """Run a function in another thread, and return what it returns; raise if it does not end."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(_LONG)
    assert not thread.is_alive(), "it waits for ever"
    return results[0]


def draw(seed):
    with seeded(seed, "cpu"):
        return torch.rand(2)


def test_others_wait_for_the_end_of_a_turn():
    with seeded(0, "cpu"):
        thread = threading.Thread(target=draw, args=(1,))
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
    thread.join(_LONG)
    assert not thread.is_alive()


def test_code_of_users_may_wait_for_fits_in_other_threads():
    torch.manual_seed(9)
    before = torch.get_rng_state()
    with seeded(0, "cpu"):
        first = torch.rand(2)
        with turns.given():
            within = in_thread(lambda: draw(1))
            also_here = draw(2)
        second = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(torch.cat([first, second]), torch.cat([draw(0), _second_of(0)]))
    assert torch.equal(within, draw(1))
    assert torch.equal(also_here, draw(2))


def _second_of(seed):
    with seeded(seed, "cpu"):
        return torch.rand(4)[2:]


def test_what_users_draw_within_a_fit_is_of_its_seed():
    def drawn():
        with seeded(3, "cpu"), turns.given():
            return torch.rand(2)

    assert torch.equal(drawn(), drawn())
    assert torch.equal(drawn(), draw(3))


@pytest.mark.parametrize("first_ends_first", [True, False])
def test_fits_that_are_under_way_at_once_keep_their_generators_apart(first_ends_first):
    """Two fits, each of which begins and ends while the other runs a callback."""
    torch.manual_seed(9)
    before = torch.get_rng_state()
    steps = [threading.Event() for _ in range(4)]

    def first():
        with seeded(0, "cpu"):
            one = torch.rand(2)
            with turns.given():
                steps[0].set()
                assert steps[1 if first_ends_first else 2].wait(_LONG)
            two = torch.rand(2)
        steps[3].set()
        return torch.cat([one, two])

    def second():
        assert steps[0].wait(_LONG)
        with seeded(1, "cpu"):
            one = torch.rand(2)
            with turns.given():
                steps[1].set()
                assert first_ends_first is False or steps[3].wait(_LONG)
            two = torch.rand(2)
        steps[2].set()
        return torch.cat([one, two])

    other = []
    thread = threading.Thread(target=lambda: other.append(second()), daemon=True)
    thread.start()
    mine = in_thread(first)
    thread.join(_LONG)
    assert torch.equal(torch.get_rng_state(), before)
    for seed, found in ((0, mine), (1, other[0])):
        with seeded(seed, "cpu"):
            assert torch.equal(found, torch.rand(4))


def test_an_interrupt_while_waiting_is_raised_in_ones_own_turn(monkeypatch):
    class Lock:
        def __init__(self):
            self.lock, self.n_asked = threading.Lock(), 0

        def acquire(self, **kwargs):
            self.n_asked += 1
            if self.n_asked == 2:
                raise KeyboardInterrupt
            return self.lock.acquire(**kwargs)

        def release(self):
            self.lock.release()

    monkeypatch.setattr(turns, "_lock", Lock())
    before = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt), seeded(0, "cpu"), turns.given():
        pass
    assert torch.equal(torch.get_rng_state(), before)
    assert turns._lock.lock.acquire(blocking=False)


def test_pausing_is_nothing_where_nobody_forks():
    with seeded(0, "cpu"):
        turns.pause()
        found = torch.rand(2)
    turns.pause()
    assert torch.equal(found, draw(0))
