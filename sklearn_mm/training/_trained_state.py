"""The state of a network that training may change: all of it but what is frozen."""

from sklearn_mm.encoders import Encoder

__all__ = ["trained_state", "trained_tensors"]


def trained_tensors(network):
    """Return all parameters and buffers but those of frozen parts of encoders, each once.

    Parameters
    ----------
    network : torch.nn.Module
        With encoders somewhere in it.

    Returns
    -------
    tensors : list of torch.Tensor
        In an order that stays the same.
    """
    frozen = {module for part in _frozen_parts(network) for module in part.modules()}
    tensors = {}
    for module in network.modules():
        if module not in frozen:
            own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
            tensors |= {id(tensor): tensor for tensor in own}
    return list(tensors.values())


def trained_state(network):
    """Return ``state_dict()`` without what belongs to frozen parts of encoders; its tensors are the network's own."""
    frozen = _frozen_parts(network)
    prefixes = tuple(f"{name}." for name, module in network.named_modules() if module in frozen)
    return {name: value for name, value in network.state_dict().items() if not name.startswith(prefixes)}


def _frozen_parts(network):
    parts = {module.frozen_part for module in network.modules() if isinstance(module, Encoder)}
    return parts - {None}
