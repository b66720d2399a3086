"""How pickles and deep copies come to have a frozen module once: holders of modules that know what is shared."""

import copy
from weakref import WeakKeyDictionary, ref

import torch
import torch.nn as nn

from sklearn_mm.utils._component import Component
from sklearn_mm.utils._fingerprint import copy_module
from sklearn_mm.utils._shared_module import convert, find_shared, intern, key_of

__all__ = ["HeldModule", "SharedReference", "hold"]

_holders = WeakKeyDictionary()  # weak references to the holder of each module


def hold(value):
    """Return the holder of a module, the same one for all who ask; anything else, and components, as they are."""
    if not isinstance(value, nn.Module) or isinstance(value, Component):
        return value
    holder = _holders[value]() if value in _holders else None
    return HeldModule(value) if holder is None else holder


class HeldModule:
    """A user's module as a parameter, which pickles and deep copies share with the layers that were copied from it.

    They do as long as it is what the layers were copied from. In what is loaded, the module is a copy of the layers,
    which is made when it is first asked for: whoever changes it does not change what predicts.

    Parameters
    ----------
    module : torch.nn.Module or None
        The module.
    shared : torch.nn.Module, default=None
        What to copy it from, from `share`.
    modes : pair of lists of bool, default=None
        Then: which parts are in ``train`` mode, and which weights want gradients.
    """

    is_parameter = True  # and so says nothing of what a component computes

    def __init__(self, module, shared=None, modes=None):
        self._module = module
        self._shared = shared
        self._modes = modes
        if module is not None:
            _holders[module] = ref(self)

    @property
    def module(self):
        """The module."""
        if self._module is None:
            module = copy_module(self._shared)
            for part, training in zip(module.modules(), self._modes[0], strict=True):
                part.training = training
            for weight, requires_grad in zip(module.parameters(), self._modes[1], strict=True):
                weight.requires_grad_(requires_grad)
            self._module, self._shared, self._modes = module, None, None
            _holders[module] = ref(self)
        return self._module

    def _copied_from(self):
        """Return the shared module that is the same, and the modes; None if there is none."""
        if self._module is None:
            return self._shared, self._modes
        shared, module = find_shared(self._module), self._module
        modes = [part.training for part in module.modules()], [weight.requires_grad for weight in module.parameters()]
        return None if shared is None else (shared, modes)

    def __deepcopy__(self, memo):
        copied_from = self._copied_from()
        other = HeldModule(copy.deepcopy(self._module, memo)) if copied_from is None else HeldModule(None, *copied_from)
        memo[id(self)] = other
        return other

    def __reduce__(self):
        copied_from = self._copied_from()
        if copied_from is None:
            return HeldModule, (self._module,)
        shared, modes = copied_from
        return _load_held, (SharedReference(shared), modes)

    def __repr__(self):
        return repr(self.module)


class SharedReference:
    """Stands for a shared module in the state of what has it, which a deep copy then has too, and a pickle once.

    Parameters
    ----------
    module : torch.nn.Module
        From `share`.
    """

    def __init__(self, module):
        self.module = module

    def __eq__(self, other):
        return isinstance(other, SharedReference) and self.module is other.module

    def __hash__(self):
        return id(self.module)

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        module = convert(self.module, torch.Tensor.cpu)
        return _load_shared, (key_of(module), module)


def _load_held(reference, modes):
    return HeldModule(None, reference.module, modes)


def _load_shared(key, module):
    return SharedReference(intern(key, module))
