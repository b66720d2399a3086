"""Weights from files into a network that another library made: memory-mapped, float32, each in its place (strict)."""

import pickle

import torch

from sklearn_mm.encoders.pretrained._folders import CheckpointError
from sklearn_mm.encoders.pretrained._loading import FAILURES, check_headers, first_line, some

__all__ = ["fill", "read_state"]


def read_state(folder, files):
    """Return the tensors in files by name, memory-mapped; nothing in them is run."""
    state = {}
    for file in files:
        if file.suffix == ".safetensors":
            check_headers(folder, [file])
            from safetensors.torch import load_file

            state.update(load_file(file))
            continue
        try:
            state.update(torch.load(file, map_location="cpu", weights_only=True, mmap=True))
        except (pickle.UnpicklingError, *FAILURES) as error:
            raise CheckpointError(
                folder,
                f"{file.name} is damaged, or holds more than tensors: a pickle may run any code, so reading stopped "
                f"({first_line(error)}).",
                "Get the model as safetensors from whoever made it.",
            ) from error
    return state


def fill(model, state, folder, left_out=()):
    """Give a network the tensors of a checkpoint as its weights, in float32; raise unless they fit one to one.

    Parameters
    ----------
    model : torch.nn.Module
        The network.
    state : dict of str to torch.Tensor
        By name.
    folder : pathlib.Path
        For messages.
    left_out : tuple of str, default=()
        Beginnings of names that the network does not have: those of a classifier.
    """
    wanted = model.state_dict()
    state = {name: value for name, value in state.items() if name in wanted or not name.startswith(left_out)}
    kind = type(model).__name__
    missing = sorted(wanted.keys() - state.keys())
    if missing:
        found = f"{len(missing)} of the {len(wanted)} weights of a {kind} are missing: {some(missing)}."
        raise CheckpointError(folder, found)
    surplus = sorted(state.keys() - wanted.keys())
    if surplus:
        raise CheckpointError(folder, f"{len(surplus)} weights are none of a {kind}'s: {some(surplus)}.")
    shapes = {name: (tuple(state[name].shape), tuple(weight.shape)) for name, weight in wanted.items()}
    other = [f"{name} {found} for {asked}" for name, (found, asked) in sorted(shapes.items()) if found != asked]
    if other:
        raise CheckpointError(folder, f"{len(other)} weights have other shapes than a {kind} has: {some(other)}.")
    state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    model.load_state_dict(state, assign=True)
    return model.eval()
