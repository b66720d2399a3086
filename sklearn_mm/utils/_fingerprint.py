"""What tells one torch module from another that may compute something else."""

import copy
import operator
import pickle
from weakref import WeakKeyDictionary

import torch
import torch.nn as nn
from joblib.hashing import NumpyHasher

__all__ = ["copy_module", "fingerprint"]

_known = WeakKeyDictionary()  # of modules that were asked for before: tensors, their versions, and the fingerprint
_LIBRARIES = ("torch", "torchvision", "transformers", "sklearn_mm")  # whose code is known by the names of its classes


def fingerprint(module):
    """Return a string that is the same for modules that compute the same in ``eval`` mode, in any process.

    Classes, code of their methods, attributes and all tensors count. It is computed again when a tensor has been
    replaced or written to.

    Parameters
    ----------
    module : torch.nn.Module
        The module.

    Returns
    -------
    fingerprint : str or None
        None where the module holds something that cannot be pickled, so that nothing can be said.
    """
    tensors = _tensors(module)
    versions = _versions(tensors)
    before, versions_before, known = _known.get(module, (None, None, None))
    if versions != versions_before or any(map(operator.is_not, tensors, before)):
        known = _compute(module)
        _known[module] = tensors, versions, known
    return known


def copy_module(module):
    """Return a deep copy, whose fingerprint is known if that of ``module`` is."""
    other = copy.deepcopy(module)
    for first, second in zip(module.modules(), other.modules(), strict=True):
        if first in _known:
            tensors = _tensors(second)
            _known[second] = tensors, _versions(tensors), fingerprint(first)
    return other


def _tensors(module):
    return [*module.parameters(), *module.buffers()]


def _versions(tensors):
    return list(map(_version, tensors))


def _version(tensor):
    try:
        return tensor._version
    except RuntimeError:  # of tensors made for inference, which are not counted
        return 0


def _compute(module):
    # A component's parameter may be a module, of which it has built a copy: this is what computes.
    skipped = {"training", "_modules"}
    state = {
        name: value for name, value in vars(module).items() if name not in skipped and not isinstance(value, nn.Module)
    }
    children = {name: child and fingerprint(child) for name, child in module._modules.items()}
    if any(child is not None and children[name] is None for name, child in module._modules.items()):
        return None
    try:
        return _Hasher("sha256").hash((_code(type(module)), state, children))
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RuntimeError):
        return None


class _Hasher(NumpyHasher):
    """joblib's hash of objects by their content, for tensors too."""

    def save(self, obj):
        """Write a tensor as its type, shape and bytes: torch's own pickles hold addresses."""
        if isinstance(obj, torch.Tensor):
            values = obj.detach().cpu().contiguous()
            content = values.reshape(-1).view(torch.uint8).numpy() if values.numel() else None
            obj = ("tensor", str(values.dtype), tuple(values.shape), content)
        super().save(obj)


def _code(cls):
    """Return the name of a class and, of a user's, what its methods do: a notebook changes code under one name."""
    name = f"{cls.__module__}.{cls.__qualname__}"
    if cls.__module__.partition(".")[0] in _LIBRARIES:
        return name
    methods = {name: thing.__code__ for name, thing in vars(cls).items() if hasattr(thing, "__code__")}
    bases = [_code(base) for base in cls.__bases__ if base is not object]
    return name, {name: _content(code) for name, code in methods.items()}, bases


def _content(code):
    return code.co_code, code.co_names, [_constant(constant) for constant in code.co_consts]


def _constant(constant):
    if hasattr(constant, "co_code"):
        return _content(constant)
    return sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
