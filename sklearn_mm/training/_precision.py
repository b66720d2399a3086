"""In which number format the network computes."""

import contextlib

import torch

__all__ = ["PRECISIONS", "autocast", "resolve_precision"]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_precision(precision, device, fitted=False):
    """Return a torch dtype; "auto" is bfloat16 on GPUs with arithmetic units for it, else float32.

    CPUs compute in bfloat16 at a gain only with matrix units (AMX), so "auto" is float32 there; of float16 they lack
    parts. With ``fitted``, what was trained with it on a GPU is float32 on a CPU.
    """
    device = torch.device(device)
    if precision == "float16" and device.type == "cpu":
        if fitted:
            return torch.float32
        raise ValueError('precision="float16" is for GPUs, the device is the CPU. Use "bfloat16", "float32" or "auto".')
    if precision != "auto":
        return PRECISIONS[precision]
    fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)  # older ones emulate it
    return torch.bfloat16 if fast else torch.float32


def autocast(dtype, device):
    """Return a context in which torch computes in ``dtype`` where that is safe."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(torch.device(device).type, dtype)
