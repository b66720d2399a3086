"""Settings of torch that the caller may have made, and that are not to change what is computed."""

import threading
from contextlib import ExitStack, contextmanager

import torch

__all__ = ["own_settings"]


@contextmanager
def own_settings():
    """Compute as if torch's settings were its defaults, and leave them as they were found.

    That is with gradients where they are wanted, under ``no_grad`` and ``inference_mode`` too; in the precision that
    the estimator asks for, under ``autocast`` and ``set_default_dtype`` too; and on its device, whatever the default
    device is.
    """
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda", "mps"):
            if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.empty(0).device.type != "cpu":  # torch 2.4's get_default_device knows of no `with torch.device(...)`
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32 or _float32.n_within:
            stack.enter_context(_float32)
        yield


class _Float32:
    """torch's default type, which is one for all threads: float32 from when the first computes until the last has."""

    def __init__(self):
        self.n_within = 0
        self._lock = threading.Lock()

    def __enter__(self):
        with self._lock:
            self.n_within += 1
            if self.n_within == 1:
                self._found = torch.get_default_dtype()
                torch.set_default_dtype(torch.float32)

    def __exit__(self, *error):
        with self._lock:
            self.n_within -= 1
            if self.n_within == 0:
                torch.set_default_dtype(self._found)


_float32 = _Float32()
