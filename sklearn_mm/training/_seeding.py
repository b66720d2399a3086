"""Randomness that is fixed inside and leaves no trace outside."""

import threading
from contextlib import contextmanager

import numpy as np
import torch
from sklearn.utils import check_random_state

__all__ = ["draw_seed", "seeded"]

_TURN = threading.RLock()  # torch's generator is one per process: fits in threads take turns


def draw_seed(random_state):
    """Return an int for ``random_state``; None draws from the operating system, not from NumPy's global state."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    return int(check_random_state(random_state).randint(2**31 - 1))


@contextmanager
def seeded(seed, device):
    """Seed torch's global generators inside the block, and put them back as they were found."""
    devices = [torch.device(device).index or 0] if torch.device(device).type == "cuda" else []
    with _TURN, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
