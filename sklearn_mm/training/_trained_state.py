"""The state of a network that training may change: all of it but what is frozen."""

from sklearn_mm.decoders import Decoder
from sklearn_mm.encoders import Encoder

__all__ = ["tensors_of", "trained_modules", "trained_state"]


def trained_modules(network):
    """Return all modules of a network, children apart, but those of frozen parts of encoders: a list."""
    frozen = {module for part in _frozen_parts(network) for module in part.modules()}
    return [module for module in network.modules() if module not in frozen]


def tensors_of(modules):
    """Return the parameters and buffers that modules have by themselves, each once: a list.

    Parameters
    ----------
    modules : list of torch.nn.Module
        From `trained_modules`. They may have other buffers by now: a module may assign one where it computes.
    """
    own = (tensor for module in modules for tensor in (*module._parameters.values(), *module._buffers.values()))
    return list({id(tensor): tensor for tensor in own if tensor is not None}.values())


def trained_state(network):
    """Return ``state_dict()`` without what belongs to frozen parts of encoders; its tensors are the network's own."""
    frozen = _frozen_parts(network)
    prefixes = tuple(f"{name}." for name, module in network.named_modules() if module in frozen)
    return {name: value for name, value in network.state_dict().items() if not name.startswith(prefixes)}


def _frozen_parts(network):
    components = (module for module in network.modules() if isinstance(module, Encoder | Decoder))
    return {part for component in components for part in component.frozen_modules}
