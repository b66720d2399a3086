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
    """Seed the generators of torch that a device uses, and put them back as they were found."""
    device = torch.device(device)
    devices = [torch.cuda.current_device() if device.index is None else device.index] if device.type == "cuda" else []
    mps_state = torch.mps.get_rng_state() if device.type == "mps" else None
    with _TURN, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the devices that are not used
        if device.type == "cuda":
            with torch.cuda.device(devices[0]):
                torch.cuda.manual_seed(seed)
        try:
            if mps_state is not None:
                torch.mps.manual_seed(seed)
            yield
        finally:
            if mps_state is not None:
                torch.mps.set_rng_state(mps_state)
