"""What tells one torch module, or function, from another that may compute something else."""

import copy
import pickle
import types
from pathlib import PurePath
from weakref import WeakKeyDictionary

import torch
import torch.nn as nn
from joblib.hashing import NumpyHasher
from torch.nn.modules import module as _global
from torch.utils.weak import WeakTensorKeyDictionary

from sklearn_mm.utils._code import ClassOf, code_of_class, code_of_function, code_of_module
from sklearn_mm.utils._component import Component
from sklearn_mm.utils._messages import name_function
from sklearn_mm.utils._tensors import module_tensors

__all__ = ["copy_module", "digest", "fingerprint", "fingerprint_function", "mark_function"]

_known = WeakTensorKeyDictionary()  # of tensors: version and hash
_owners = WeakKeyDictionary()  # of functions, as they were when they were first seen: tensors' hashes, fingerprint
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
    the classes have and use, with what these close over; but not ``__init__``, whose work shows in the rest.
    A tensor is looked at again when it has been written to, whichever module has it by then, and all else each time.

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
    named = [*module.named_parameters(), *module.named_buffers()]
    hashes = [(name, _hash(tensor, anew)) for name, tensor in named]
    return digest((hashes, [_state(part) for part in module.modules()]))


def fingerprint_function(function):
    """Return a string that is the same for functions that compute the same, in any process; None where none can be.

    What a function is, and the object that a method belongs to, is looked at when it is first seen: many load weights
    when they are called, after which less or something else can be said. Of modules, other weights are noticed.
    """
    owner = getattr(function, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType):  # as functions in C have
        return _fingerprint_once(function)
    marks = _fingerprint_once(owner), digest(getattr(function, "__func__", function.__name__))
    return None if None in marks else digest(marks)


def mark_function(function):
    """Return the name of a function and its fingerprint, if it has one, to tell functions apart."""
    return f"{name_function(function)} {fingerprint_function(function) or ''}".rstrip()


def _fingerprint_once(thing):
    """Return the fingerprint of a function or of an object that has some, as it was when it was first seen."""
    hashes = [*map(_hash, module_tensors(thing))] if isinstance(thing, nn.Module) else None
    try:
        if thing in _owners and _owners[thing][0] == hashes:
            return _owners[thing][1]
        mark = digest(thing) if hashes is None else fingerprint(thing)
        _owners[thing] = hashes, mark
    except TypeError:  # nothing weak can refer to it
        mark = digest(thing)
    return mark


def copy_module(module):
    """Return a deep copy, whose tensors' hashes are known if those of ``module`` are."""
    other = copy.deepcopy(module)
    tensors, copies = _named(module), _named(other)  # what shares a tensor may have one of its own in the copy
    for name, of_copy in copies.items():
        tensor = tensors[name]
        version, tensor_hash = _known.get(tensor, (None, None))
        if version is not None and version == _version(tensor):
            _known[of_copy] = _version(of_copy), tensor_hash
    return other


def _named(module):
    return dict(module.named_parameters(remove_duplicate=False)) | dict(module.named_buffers(remove_duplicate=False))


def _hash(tensor, anew=False):
    """Return the hash of a tensor, which is remembered for as long as nothing is written to it."""
    version, tensor_hash = _known.get(tensor, (None, None))
    if anew or version is None or version != _version(tensor):
        tensor_hash = digest(tensor)
        _known[tensor] = _version(tensor), tensor_hash
    return tensor_hash


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
    return ClassOf(type(module)), names, {name: value for name, value in vars(module).items() if name not in skipped}


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
        elif isinstance(obj, ClassOf):
            obj = self._code(obj.cls, of_object=True)
        elif isinstance(obj, type | types.FunctionType):
            obj = self._code(obj)
        super().save(obj)

    def _code(self, thing, of_object=False):
        key = thing, of_object
        if key in self._met:
            return "code", self._met[key]
        self._met[key] = len(self._met)
        return "code", code_of_class(thing, of_object) if isinstance(thing, type) else code_of_function(thing)
