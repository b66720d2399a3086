"""What tells one torch module from another that may compute something else."""

import copy
import operator
import pickle
import types
from pathlib import PurePath
from weakref import WeakKeyDictionary

import torch
import torch.nn as nn
from joblib.hashing import NumpyHasher
from torch.nn.modules import module as _global

from sklearn_mm.utils._code import code_of_class, code_of_function, code_of_module
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._tensors import module_tensors

__all__ = ["copy_module", "digest", "fingerprint"]

_known = WeakKeyDictionary()  # of modules that were asked for before: tensors, their versions, and the tensors' hashes
_SAYS_NOTHING = {"training", "_modules", "_parameters", "_buffers"}
_OF_ALL = {name for name, value in vars(nn.Module()).items() if isinstance(value, dict | set)}  # hooks and the like


def digest(thing):
    """Return a string that is the same for things of the same content, in any process; None where nothing can be said.

    Unlike ``repr``, it leaves nothing out: neither the middle of long arrays nor the code of functions.
    """
    try:
        return _Hasher("sha256").hash(thing)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError, RecursionError):
        return None


def fingerprint(module, anew=False):
    """Return a string that is the same for modules that compute the same in ``eval`` mode, in any process.

    All tensors count, all attributes, and code: of a library its version, and of what a user wrote each function that
    the classes have and use, with what these close over. Tensors are looked at again when one has been replaced or
    written to, all else each time.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    anew : bool, default=False
        Whether to look at tensors in any case: writing to ``tensor.data`` goes unnoticed.

    Returns
    -------
    fingerprint : str or None
        None where nothing can be said: what the module holds cannot be pickled, or code uses what may change.
    """
    if _global._global_forward_hooks or _global._global_forward_pre_hooks:
        return None
    return digest((_hashes(module, anew), [_state(part) for part in module.modules()]))


def copy_module(module):
    """Return a deep copy, whose tensors' hashes are known if those of ``module`` are."""
    other = copy.deepcopy(module)
    if module in _known:
        tensors = module_tensors(other)
        _known[other] = tensors, _versions(tensors), _hashes(module)
    return other


def _hashes(module, anew=False):
    """Return the hashes of all tensors of a module, by name."""
    tensors = module_tensors(module)
    versions = _versions(tensors)
    before, versions_before, hashes = _known.get(module, (None, None, None))
    if anew or None in versions or versions != versions_before or any(map(operator.is_not, tensors, before)):
        named = [*module.named_parameters(), *module.named_buffers()]
        hashes = [(name, digest(tensor)) for name, tensor in named]
        _known[module] = tensors, versions, hashes
    return hashes


def _versions(tensors):
    return list(map(_version, tensors))


def _version(tensor):
    try:
        return tensor._version
    except RuntimeError:  # of tensors made for inference, which are not counted
        return None


def _state(module):
    """Return all of a module but its tensors and what is in its children."""
    names = [list(getattr(module, kind)) for kind in ("_parameters", "_buffers", "_modules")]
    # A component's parameter may be a module, of which it has built a copy: this is what computes.
    parameters = module._get_param_names() if isinstance(module, Component) else ()
    skipped = _SAYS_NOTHING | {name for name in parameters if isinstance(vars(module).get(name), nn.Module)}
    skipped |= {name for name, value in vars(module).items() if getattr(type(value), "is_parameter", False)}
    skipped |= {name for name in _OF_ALL if not vars(module)[name]}  # most of what there would be to hash
    return type(module), names, {name: value for name, value in vars(module).items() if name not in skipped}


class _Hasher(NumpyHasher):
    """joblib's hash of objects by their content, for tensors too, and for code."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._met = {}  # functions and classes, which may use themselves, by the order in which they were met

    def save(self, obj):
        """Write a tensor as its type, shape and bytes, torch's own pickles hold addresses; and code as what it does."""
        if isinstance(obj, torch.Tensor):
            values = obj.detach().cpu().contiguous()
            content = values.reshape(-1).view(torch.uint8).numpy() if values.numel() else None
            obj = ("tensor", str(values.dtype), tuple(values.shape), content)
        elif isinstance(obj, types.MethodType):
            obj = ("method", obj.__func__, obj.__self__)
        elif isinstance(obj, PurePath):
            obj = ("path", str(obj))
        elif isinstance(obj, types.ModuleType):
            obj = ("module", code_of_module(obj))
        elif isinstance(obj, type | types.FunctionType):
            obj = self._code(obj)
        super().save(obj)

    def _code(self, thing):
        if thing in self._met:
            return "code", self._met[thing]
        self._met[thing] = len(self._met)
        return "code", (code_of_class if isinstance(thing, type) else code_of_function)(thing)
