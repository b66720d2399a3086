"""The stack of like layers that deep networks are made of: found, tapped, its last ones taken out (fine-tuning)."""

import copy
from contextvars import ContextVar
from weakref import WeakKeyDictionary

import torch
import torch.nn as nn

from sklearn_mm.utils._shared_module import adopt
from sklearn_mm.utils._tensors import module_tensors

__all__ = ["find_stack", "part_above", "resume", "sharing_copy", "states_of", "tapped"]

_resumed = ContextVar("hidden states that the layers which are trained go on from")
_tapped = WeakKeyDictionary()  # by shared network
_states = ContextVar("hidden states by layer, as they come about")


def find_stack(model):
    """Return the name of the container of layers of one class (transformer blocks, stages), and how many there are.

    Parameters
    ----------
    model : torch.nn.Module
        A network. If its configuration says how many layers it has, the container has as many; else it is the one
        with most parameters.

    Returns
    -------
    name : str or None
        As in ``named_modules()``; None if there is none.
    n_layers : int
        How many layers it has.
    """
    stacks = {}
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}.") for outer in stacks if outer) or not _is_stack(module):
            continue
        stacks[name] = module
    config = getattr(model, "config", None)
    n_layers = getattr(config, "num_hidden_layers", None)
    fitting = {name: stack for name, stack in stacks.items() if len(stack) == n_layers} or stacks
    if not fitting:
        return None, 0
    name = max(fitting, key=lambda name: sum(weight.numel() for weight in fitting[name].parameters()))
    return name, len(fitting[name])


def _is_stack(module):
    return isinstance(module, nn.ModuleList | nn.Sequential) and len(module) > 1 and len({*map(type, module)}) == 1


def sharing_copy(model):
    """Return a copy of a network with the very same tensors, whose modules may be replaced."""
    return copy.deepcopy(model, {id(tensor): tensor for tensor in module_tensors(model)})


def part_above(model, n_trained, run, varying_length):
    """Return the last layers of a network, and what comes after the stack, with weights of their own.

    Parameters
    ----------
    model : torch.nn.Module
        Has a `find_stack`. It stays as it is.
    n_trained : int
        How many layers to return.
    run : callable
        Calls such a network with an example: ``run(model)``.
    varying_length : bool
        Whether rows may be longer than those of the example.

    Returns
    -------
    above : torch.nn.Module
        Is called as the whole is, by `resume`, which says with which hidden states it goes on.
    """
    stack, n_layers = find_stack(model)
    first = n_layers - n_trained
    before, n_outputs = _observe(model, stack, run)
    above = sharing_copy(model)
    layers = above.get_submodule(stack)
    for place in range(first):
        layers[place] = (_Begin if place == first - 1 else _Skip)(layers[place], n_outputs)
    embeddings = [name for name in before if isinstance(above.get_submodule(name), nn.Embedding)]
    of_words = max(embeddings, key=lambda name: above.get_submodule(name).num_embeddings, default=None)
    for name, shape in before.items():
        module = above.get_submodule(name)
        if name == of_words:
            _replace(above, name, _Zeros(module, (module.embedding_dim,), n_kept=2))
        elif shape is not None and not varying_length:
            _replace(above, name, _Zeros(module, shape, n_kept=1))
    return copy.deepcopy(above)


def resume(above, hidden, run):
    """Return ``run(above)`` of a `part_above`, going on with hidden states."""
    token = _resumed.set(hidden)
    try:
        return run(above)
    finally:
        _resumed.reset(token)


def tapped(model):
    """Return a copy of a network with the same tensors whose hidden states `states_of` tells, shared by all who ask."""
    if model not in _tapped:
        other = sharing_copy(model)
        layers = other.get_submodule(find_stack(model)[0])
        for place, layer in enumerate(layers):
            layers[place] = _Tap(layer)
        _tapped[model] = adopt(other)
    return _tapped[model]


def states_of(model, run):
    """Return ``run(model)`` of a network that is `tapped`, and what goes into the first layer and out of each."""
    states = []
    token = _states.set(states)
    try:
        return run(model), states
    finally:
        _states.reset(token)


class _Tap(nn.Module):
    """A layer that notes what comes out of it, and looks like it otherwise."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("layer"), name)

    def forward(self, hidden, *args, **kwargs):
        states = _states.get(None)
        output = self.layer(hidden, *args, **kwargs)
        if states is not None:
            states.extend([hidden] * (not states) + [_first(output)])
        return output


class _Stub(nn.Module):
    """In the place of a module, whose plain attributes others may read."""

    def __init__(self, replaced):
        super().__init__()
        plain = {name: value for name, value in vars(replaced).items() if not name.startswith("_")}
        vars(self).update({name: value for name, value in plain.items() if not isinstance(value, torch.Tensor)})


class _Skip(_Stub):
    """In the place of a layer that another part has."""

    def __init__(self, replaced, n_outputs):
        super().__init__(replaced)
        self.n_outputs = n_outputs  # None: no tuple of them

    def forward(self, hidden, *args, **kwargs):
        return hidden if self.n_outputs is None else (hidden, *[None] * (self.n_outputs - 1))


class _Begin(_Skip):
    """In the place of the last layer that the part below has."""

    def forward(self, hidden, *args, **kwargs):
        return super().forward(_resumed.get())


class _Zeros(_Stub):
    """In the place of what only matters to layers below: zeros for rows of any number, and of the shape that it gave.

    Parameters
    ----------
    replaced : torch.nn.Module
        What it stands for.
    shape : tuple of int
        All but the first axes.
    n_kept : int
        How many of the first axes are those of the argument.
    """

    def __init__(self, replaced, shape, n_kept):
        super().__init__(replaced)
        self.shape = shape
        self.n_kept = n_kept
        self.register_buffer("weight", torch.zeros(()), persistent=False)

    def forward(self, x, *args, **kwargs):
        return self.weight.new_zeros(*x.shape[: self.n_kept], *self.shape)  # which others may write to


def _observe(model, stack, run):
    """Return the shapes of rows that leaves before a stack give, by name, and `_Skip`'s number of outputs."""
    before, outputs = {}, []
    copied = sharing_copy(model)

    def note(output, name):
        if not outputs:
            before[name] = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else None

    for name, module in copied.named_modules():
        is_leaf = not any(module.children()) and next(module.parameters(recurse=False), None) is not None
        if is_leaf and not name.startswith(f"{stack}."):
            module.register_forward_hook(lambda module, _, output, name=name: note(output, name))
    for layer in copied.get_submodule(stack):
        layer.register_forward_hook(lambda module, _, output: outputs.append(output))
    with torch.no_grad():
        run(copied)
    return before, len(outputs[0]) if isinstance(outputs[0], tuple) else None


def _replace(model, name, module):
    parent, _, child = name.rpartition(".")
    model.get_submodule(parent)._modules[child] = module


def _first(output):
    return output[0] if isinstance(output, tuple) else output
