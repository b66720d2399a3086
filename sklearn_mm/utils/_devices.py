"""Modules that are on the CPU for a while."""

from contextlib import contextmanager

from sklearn_mm.utils._tensors import module_tensors

__all__ = ["on_cpu"]


@contextmanager
def on_cpu(*modules):
    """Let modules compute with tensors of the CPU, and put them back where they were."""
    devices = [next((tensor.device for tensor in module_tensors(module)), None) for module in modules]
    try:
        for module in modules:
            module.cpu()
        yield
    finally:
        for module, device in zip(modules, devices, strict=True):
            if device is not None:
                module.to(device)
