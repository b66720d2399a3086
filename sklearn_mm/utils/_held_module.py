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

    They do as long as it is what the layers were copied from; of a `torch.nn.Sequential`, these may be its first
    children alone. In what is loaded, the module is a copy of the layers, which is made when it is first asked for:
    whoever changes it does not change what predicts.

    Parameters
    ----------
    module : torch.nn.Module or None
        The module.
    shared : torch.nn.Module, default=None
        What to copy it from, from `share`.
    modes : pair of lists of bool, default=None
        Then: which parts are in ``train`` mode, and which weights want gradients.
    rest : torch.nn.Sequential, default=None
        Then: the module without its first children, if only these are to be copied.
    """

    is_parameter = True  # and so says nothing of what a component computes

    def __init__(self, module, shared=None, modes=None, rest=None):
        self._module = module
        self._copied_from = None if shared is None else (shared, modes, rest)
        self._stems = {}  # first children of the module, by their number
        if module is not None:
            _holders[module] = ref(self)

    @property
    def module(self):
        """The module."""
        if self._module is None:
            shared, modes, rest = self._copied_from
            module = _completed(rest, copy_module(shared))
            for part, training in zip(module.modules(), modes[0], strict=True):
                part.training = training
            for weight, requires_grad in zip(module.parameters(), modes[1], strict=True):
                weight.requires_grad_(requires_grad)
            self._module, self._copied_from = module, None
            _holders[module] = ref(self)
            if rest is not None:
                self.stem(len(shared))
        return self._module

    def stem(self, n_children):
        """Return the first children of a `torch.nn.Sequential`, so that copies share them if others do."""
        stem = self._stems.get(n_children)
        if stem is None or [*stem] != [*self.module[:n_children]]:
            self._stems[n_children] = stem = self.module[:n_children]
        return stem

    def _find_copied_from(self):
        """Return the shared module that is the same, or that its first children are, the modes and the rest; or None.

        Layers that are both among the first children and in the rest would no longer be the same.
        """
        if self._module is None:
            return self._copied_from
        module = self._module
        modes = [part.training for part in module.modules()], [weight.requires_grad for weight in module.parameters()]
        shared = find_shared(module)
        if shared is not None:
            return shared, modes, None
        for n_children in sorted(self._stems, reverse=True):
            shared, rest = find_shared(self.stem(n_children)), _without(module, n_children)
            if shared is not None and _contents(self.stem(n_children)).isdisjoint(_contents(rest)):
                return shared, modes, rest
        return None

    def __deepcopy__(self, memo):
        copied_from = self._find_copied_from()
        if copied_from is None:
            other = HeldModule(copy.deepcopy(self._module, memo))
        else:
            shared, modes, rest = copied_from
            other = HeldModule(None, shared, modes, copy.deepcopy(rest, memo))
        memo[id(self)] = other
        return other

    def __reduce__(self):
        copied_from = self._find_copied_from()
        if copied_from is None:
            return HeldModule, (self._module,)
        shared, *others = copied_from
        return _load_held, (SharedReference(shared), *others)

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

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        module = convert(self.module, torch.Tensor.cpu)
        return _load_shared, (key_of(module), module)


def _load_held(reference, *others):
    return HeldModule(None, reference.module, *others)


def _load_shared(key, module):
    return SharedReference(intern(key, module))


def _without(module, n_children):
    """Return a shallow copy of a sequence with None in the place of its first children."""
    rest = copy.copy(module)
    children = enumerate(module._modules.items())
    rest._modules = {name: None if place < n_children else child for place, (name, child) in children}
    return rest


def _completed(rest, first):
    """Return a sequence whose first children came from another, which is all there is if ``rest`` is None."""
    if rest is None:
        return first
    rest._modules.update(zip(list(rest._modules), first, strict=False))
    return rest


def _contents(module):
    return {*module.modules(), *module.parameters(), *module.buffers()}
