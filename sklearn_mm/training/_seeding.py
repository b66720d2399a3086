"""Randomness that is fixed inside and leaves no trace outside, in fits that take turns."""

from contextlib import contextmanager
from functools import cache

import numpy as np
import torch
from sklearn.utils import check_random_state

from sklearn_mm.training._turns import turns

__all__ = ["draw_seed", "generators_of", "seeded"]


def draw_seed(random_state):
    """Return an int for ``random_state``; None draws from the operating system, not from NumPy's global state."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def seeded(seed, device):
    """Seed the generators of torch that a device uses, and put them back as they were found.

    They are one per process: fits in threads take turns, and each goes on with them as it left them.
    """
    generators = generators_of(device)
    with turns.taken(generators):
        for generator in generators:
            generator.manual_seed(seed)
        yield


class _Cpu:
    """The generator of the CPU."""

    def manual_seed(self, seed):
        """Seed it, and not those of devices that are not used, as ``torch.manual_seed`` would."""
        torch.default_generator.manual_seed(seed)

    def get_state(self):
        """Return where it is."""
        return torch.random.get_rng_state()

    def set_state(self, state):
        """Put it where it was."""
        torch.random.set_rng_state(state)


class _Cuda:
    """The generator of one GPU."""

    def __init__(self, index):
        self.index = index

    def manual_seed(self, seed):
        """Seed it."""
        with torch.cuda.device(self.index):
            torch.cuda.manual_seed(seed)

    def get_state(self):
        """Return where it is."""
        return torch.cuda.get_rng_state(self.index)

    def set_state(self, state):
        """Put it where it was."""
        torch.cuda.set_rng_state(state, self.index)


class _Mps:
    """The generator of Apple's GPU."""

    def manual_seed(self, seed):
        """Seed it."""
        torch.mps.manual_seed(seed)

    def get_state(self):
        """Return where it is."""
        return torch.mps.get_rng_state()

    def set_state(self, state):
        """Put it where it was."""
        torch.mps.set_rng_state(state)


@cache  # so that a generator is one object
def _generator(device, index=None):
    return {"cpu": _Cpu, "mps": _Mps}[device]() if index is None else _Cuda(index)


def generators_of(device):
    """Return the generators that are drawn from by what is computed on a device."""
    device = torch.device(device)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        return [_generator("cpu"), _generator("cuda", index)]
    return [_generator("cpu"), _generator("mps")] if device.type == "mps" else [_generator("cpu")]
