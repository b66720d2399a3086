"""Which device to compute on."""

import warnings

import torch

__all__ = ["resolve_device"]


def resolve_device(device, fitted=False):
    """Return a `torch.device`; "auto" is the first of cuda, mps and cpu that is there.

    With ``fitted``, a device that this machine lacks falls back to the CPU with a warning, so that a model which was
    fitted on a GPU predicts without one.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, is_there in available.items() if is_there))
    try:
        wanted = torch.device(device)
    except RuntimeError as error:
        raise ValueError(
            f'device={device!r} is no device that torch knows. Use "auto", "cpu", "cuda", "cuda:1", "mps", ...'
        ) from error
    if available.get(wanted.type, False):
        return wanted
    if not fitted:
        raise ValueError(f'device={device!r} is not available on this machine. Use device="auto" or device="cpu".')
    warnings.warn(f"device={device!r} is not available on this machine; the CPU is used instead.", stacklevel=3)
    return torch.device("cpu")
