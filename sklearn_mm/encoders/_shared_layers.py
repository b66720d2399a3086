"""How a module has frozen layers that others have too: pickles, deep copies, devices and state dicts."""

from sklearn_mm.utils._fingerprint import copy_module
from sklearn_mm.utils._held_module import SharedReference
from sklearn_mm.utils._shared_module import convert, is_shared

__all__ = ["SharedLayersMixin"]


class SharedLayersMixin:
    """For modules whose ``layers`` may come from `share`: what would change them gives the module others instead."""

    def __getstate__(self):
        state = dict(super().__getstate__())
        layers = self._modules.get("layers")
        if is_shared(layers):
            state["_modules"] = {name: module for name, module in self._modules.items() if name != "layers"}
            state["layers"] = SharedReference(layers)
        return state

    def __setstate__(self, state):
        super().__setstate__({name: value for name, value in state.items() if name != "layers"})
        if "layers" in state:
            self.layers = state["layers"].module

    def _apply(self, function, recurse=True):
        """Convert all tensors, as ``to`` does; the layers are there all the time, since other threads may use them."""
        layers = self._modules.get("layers")
        if not is_shared(layers):
            return super()._apply(function, recurse)
        others = object.__new__(type(self))  # the same parameters and children, but for the layers
        modules = {name: module for name, module in self._modules.items() if name != "layers"}
        vars(others).update(vars(self), _modules=modules)
        super(SharedLayersMixin, others)._apply(function, recurse)
        self._modules = {**modules, "layers": convert(layers, function)}  # last, as in a pickle: prints go by the order
        return self

    def _load_from_state_dict(self, state_dict, prefix, *args):
        """Load a state, into layers of its own if it has any for them."""
        layers = self._modules.get("layers")
        if is_shared(layers) and any(name.startswith(f"{prefix}layers.") for name in state_dict):
            self.layers = copy_module(layers)
        super()._load_from_state_dict(state_dict, prefix, *args)
