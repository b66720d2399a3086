"""One copy of a frozen module per process (interning, flyweight), which all fits, folds and deep copies share."""

import copy
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch

from sklearn_mm.utils._fingerprint import copy_module, fingerprint
from sklearn_mm.utils._tensors import module_tensors

__all__ = ["adopt", "convert", "find_shared", "intern", "is_shared", "key_of", "share"]

_copies = WeakValueDictionary()  # by key: fingerprint, and device and dtype of each tensor
_keys = WeakKeyDictionary()  # of the copies


def share(module):
    """Return a copy that nobody trains or changes, in ``eval`` mode: one for all modules that compute the same.

    Parameters
    ----------
    module : torch.nn.Module
        The module; it stays as it is. One that came from here, and was not written to, is returned as it is.

    Returns
    -------
    shared : torch.nn.Module
        A copy. Where the module has no fingerprint, nobody else gets it.
    """
    found = find_shared(module)  # all values are compared, which is faster than to hash them
    if found is not None:
        return found
    key = _key(module, anew=True)
    return _find(key, module) or _keep(key, copy_module(module).eval())


def adopt(module):
    """Return a module that is the same and shared: this one, as it is, if nobody has such a one yet.

    It is for modules that whoever made them hands out as they are, and that nobody trains or changes.
    """
    return module if is_shared(module) else intern(_key(module), module)


def find_shared(module):
    """Return the copy that `share` made of a module as it is now; None if there is none."""
    return _find(_key(module), module) if _copies else None


def is_shared(module):
    """Return whether a module came from `share`, so that it is to be left as it is."""
    return module is not None and module in _keys


def key_of(shared):
    """Return what `intern` takes in another process."""
    return _keys[shared]


def intern(key, module):
    """Return the shared module of a key, which is this one if there is none that is the same."""
    return _find(key, module) or _keep(key, module)


def convert(shared, function):
    """Return a shared module with other tensors, as of another device or dtype; the first stays as it is.

    Parameters
    ----------
    shared : torch.nn.Module
        From `share`.
    function : callable
        Maps a tensor to another, or to itself, as in `torch.nn.Module.to`.
    """
    if all(function(tensor) is tensor for tensor in module_tensors(shared)):
        return shared
    other = copy.deepcopy(shared)._apply(function)
    return intern(_key(other), other)


def _key(module, anew=False):
    """Return what a module is found by; None if nothing can be said."""
    mark = fingerprint(module, anew)
    return None if mark is None else (mark, *map(_type, module_tensors(module)))


def _type(tensor):
    return str(tensor.device), str(tensor.dtype)


def _find(key, module):
    """Return the copy of a key if it still is the same as a module: nothing keeps others from writing to it."""
    shared = None if key is None else _copies.get(key)
    if shared is None or shared is module:
        return shared
    alike = list(map(type, shared.modules())) == list(map(type, module.modules()))
    same = alike and all(map(torch.equal, module_tensors(shared), module_tensors(module)))
    return shared if same and fingerprint(shared) == key[0] else None


def _keep(key, module):
    if key is not None:
        _copies[key], _keys[module] = module, key
    return module
