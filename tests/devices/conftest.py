"""A GPU that is pretended: tensors say that they are on it, are computed on the CPU, and do not mix with others."""

import contextlib

import pytest
import torch
from torch.overrides import TorchFunctionMode

CPU = torch.device("cpu")
# What torch lets tensors of the CPU take part in: copies between devices, places in a tensor, lengths for packing.
MAY_MIX = {
    "copy_",
    "_foreach_copy_",
    "__getitem__",
    "index",
    "_pack_padded_sequence",
    "_has_compatible_shallow_copy_type",
}
MOVES = {"to", "cpu", "cuda", "type_as"}


class Pretended(TorchFunctionMode):
    """Within it, a device is there that is not.

    Tensors on it carry its name, and what is computed from them as well; an operation over tensors of several devices
    is refused in the words of torch, as are float64 on "mps", NumPy arrays of what is not on the CPU, and generators of
    another device.

    Parameters
    ----------
    kind : str
        "cuda" or "mps".
    """

    def __init__(self, kind):
        super().__init__()
        self.device = torch.device(kind, 0)
        self.n_on_it = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = function.__name__
        owner = getattr(function, "__self__", None)
        if name == "__get__":
            return self._attribute(owner, function, args)
        if name == "__set__":
            function(*args)
            if owner is torch.Tensor.data:
                mark(args[0], place(args[1]))
            return None
        tensors = list(tensors_in(args[0] if name == "__deepcopy__" else (args, kwargs)))  # and not its memo
        places = {place(tensor) for tensor in tensors}
        if name in {"numpy", "__array__"} and places != {CPU}:
            raise TypeError(f"can't convert {places} device type tensor to numpy. Use Tensor.cpu()")
        wanted, args, kwargs = self._wanted(name, args, kwargs)
        if wanted is None:
            counted = {place(tensor) for tensor in tensors if tensor.ndim or place(tensor) != CPU}
            if len(counted) > 1 and name not in MAY_MIX and not (name == "__setitem__" and self._only_places(args)):
                raise RuntimeError(f"{name}: Expected all tensors to be on the same device, but found {counted}")
            wanted = place(args[0]) if name in MAY_MIX and tensors_of(args[0]) else next(iter(counted), CPU)
        generator = kwargs.get("generator")
        if generator is not None and generator.device.type != wanted.type:
            raise RuntimeError(f"{name}: Expected a {wanted} device type for generator but found {generator.device}")
        result = function(*args, **kwargs)
        if name in MOVES and isinstance(result, torch.Tensor) and place(args[0]) != wanted:
            result = result.clone() if result is args[0] else result
        for tensor in tensors_in(result):
            if name != "__reduce_ex__" and not (name in MOVES and tensor is args[0]):
                mark(tensor, wanted)
            if place(tensor).type == "mps" and tensor.dtype == torch.float64:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it.")
            self.n_on_it += place(tensor) == self.device
        return result

    def _attribute(self, owner, function, args):
        if owner is torch.Tensor.device:
            return place(args[0])
        if owner in (torch.Tensor.is_cuda, torch.Tensor.is_mps):
            return place(args[0]).type == owner.__name__.removeprefix("is_")
        result = function(*args)
        for tensor in tensors_in(result):
            mark(tensor, place(args[0]))
        return result

    def _wanted(self, name, args, kwargs):
        """Return the device that a call asks for, and its arguments with the CPU in its place."""
        if name == "cpu":
            return CPU, args, kwargs
        if name == "type_as":
            return place(args[1]), args, kwargs
        asked = kwargs.get("device")
        if name == "to" and asked is None:
            asked = next((arg for arg in args[1:] if isinstance(arg, torch.device | str)), None)
            if asked is None and len(args) > 1 and isinstance(args[1], torch.Tensor):
                return place(args[1]), args, kwargs
        if asked is None:
            return None, args, kwargs
        asked = torch.device(asked)
        if asked.type == self.device.type:
            asked = self.device
        args = tuple(CPU if isinstance(arg, torch.device | str) and name == "to" else arg for arg in args)
        return asked, args, {**kwargs, "device": CPU} if "device" in kwargs else kwargs

    @staticmethod
    def _only_places(args):
        """Return whether only the places in ``tensor[places] = value`` are on another device."""
        value = args[2]
        return not isinstance(value, torch.Tensor) or value.ndim == 0 or place(value) == place(args[0])


def place(tensor):
    """Return the device that a tensor says it is on."""
    return tensor.__dict__.get("_pretended", CPU)


def mark(tensor, device):
    """Let a tensor say that it is on a device."""
    tensor.__dict__["_pretended"] = device


def tensors_in(data):
    """Yield the tensors in nested tuples, lists and dicts."""
    if isinstance(data, torch.Tensor):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from tensors_in(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from tensors_in(value)


def tensors_of(data):
    return isinstance(data, torch.Tensor)


@contextlib.contextmanager
def pretended(kind):
    """Pretend that this machine has a GPU of a kind."""
    with pytest.MonkeyPatch.context() as patch:
        backend = getattr(torch, kind)
        if kind == "cuda":
            patch.setattr(torch.cuda, "is_available", lambda: True)
            patch.setattr(torch.cuda, "current_device", lambda: 0)
            patch.setattr(torch.cuda, "get_device_capability", lambda device=None: (7, 5))
            patch.setattr(torch.cuda, "device", lambda index: contextlib.nullcontext())
            patch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
            patch.setattr(torch.backends.mps, "is_available", lambda: False)
        else:
            patch.setattr(torch.cuda, "is_available", lambda: False)
            patch.setattr(torch.backends.mps, "is_available", lambda: True)
        new = torch.nn.Parameter.__new__

        def parameter(cls, data=None, requires_grad=True):
            made = new(cls, data, requires_grad)
            mark(made, CPU if data is None else place(data))
            return made

        patch.setattr(torch.nn.Parameter, "__new__", parameter)
        load = torch.load  # tensors keep their names in a file, but their storages are the CPU's
        patch.setattr(torch, "load", lambda file, **kwargs: load(file, **{**kwargs, "map_location": "cpu"}))
        patch.setattr(backend, "get_rng_state", lambda *args: torch.zeros(1))
        patch.setattr(backend, "set_rng_state", lambda *args: None)
        patch.setattr(backend, "manual_seed", lambda seed: None)
        with Pretended(kind) as mode:
            yield mode


@pytest.fixture(params=["cuda", "mps"])
def gpu(request):
    """A kind of GPU that this machine seems to have."""
    if request.param == "cuda" and torch.backends.cuda.is_built() and not torch.cuda.is_available():
        pytest.skip("optimisers of this build of torch ask the driver of a GPU, and there is none")
    with pretended(request.param) as mode:
        yield mode
