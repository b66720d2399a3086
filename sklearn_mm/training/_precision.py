"""In which number format the network computes."""

import contextlib

import torch

__all__ = ["PRECISIONS", "autocast", "resolve_precision"]

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_precision(precision, device):
    """Return a torch dtype; "auto" is bfloat16 on GPUs with arithmetic units for it, else float32.

    CPUs compute in bfloat16 at a gain only with matrix units (AMX), so "auto" is float32 there.
    """
    if precision != "auto":
        return PRECISIONS[precision]
    device = torch.device(device)
    fast = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)  # older ones emulate it
    return torch.bfloat16 if fast else torch.float32


def autocast(dtype, device):
    """Return a context in which torch computes in ``dtype`` where that is safe."""
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast(torch.device(device).type, dtype)
