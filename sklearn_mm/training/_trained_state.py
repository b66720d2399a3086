"""The state of a network that training may change: all of it but what is frozen."""

from sklearn_mm.encoders import Encoder

__all__ = ["trained_state", "trained_tensors"]


def trained_tensors(network):
    """Return all parameters and buffers but those of frozen encoders, each once.

    Parameters
    ----------
    network : torch.nn.Module
        With encoders somewhere in it.

    Returns
    -------
    tensors : list of torch.Tensor
        In an order that stays the same.
    """
    frozen = {part for encoder in _frozen(network).values() for part in encoder.modules()}
    tensors = {}
    for module in network.modules():
        if module not in frozen:
            own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
            tensors |= {id(tensor): tensor for tensor in own}
    return list(tensors.values())


def trained_state(network):
    """Return ``state_dict()`` without what belongs to frozen encoders; its tensors are the network's own."""
    prefixes = tuple(f"{name}." for name in _frozen(network))
    return {name: value for name, value in network.state_dict().items() if not name.startswith(prefixes)}


def _frozen(network):
    """Return the frozen encoders of a network, by the name under which the network has them."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Encoder) and module.frozen}
