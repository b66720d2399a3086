"""Layers whose pickles say where the weights of a checkpoint lie, and their hash, instead of holding them."""

import copy
from collections import defaultdict
from typing import NamedTuple

import torch
import torch.nn as nn

from sklearn_mm.encoders.pretrained._checkpoint_formats import open_checkpoint
from sklearn_mm.encoders.pretrained._folders import weights_hash
from sklearn_mm.utils._shared_module import adopt, is_shared
from sklearn_mm.utils._tensors import module_tensors

__all__ = ["ReferencedLayers", "Source"]


class Source(NamedTuple):
    """Where the weights of layers came from.

    Parameters
    ----------
    model : str
        Folder, or name on the hub.
    revision : str or None
        Of a name on the hub.
    trust_remote_code : bool
        Whether code in the folder is run.
    kind : str
        Of the tower.
    weights : str
        Hash of the files.
    """

    model: str
    revision: str | None
    trust_remote_code: bool
    kind: str
    weights: str

    @classmethod
    def of(cls, checkpoint, model, kind):
        """Return the source of what a checkpoint loads."""
        weights = weights_hash(checkpoint.folder)
        return cls(str(model), checkpoint.revision, checkpoint.trust_remote_code, kind, weights)

    def load(self):
        """Return the network, if it is there and the same."""
        checkpoint = open_checkpoint(self.model, self.revision, self.trust_remote_code, fetch=False)
        found = weights_hash(checkpoint.folder)
        if found != self.weights:
            raise ValueError(
                f"the model in {str(checkpoint.folder)!r} is another one: its hash is {found[:12]}…, and it was "
                f"{self.weights[:12]}…."
            )
        return self.layers_of(checkpoint)

    def layers_of(self, checkpoint):
        """Return the network that a checkpoint loads."""
        return checkpoint.load(self.kind)[0]


class ReferencedLayers:
    """Stands for layers in the state of what has them; a pickle has all of their tensors but those of a checkpoint.

    Parameters
    ----------
    module : torch.nn.Module
        The layers.
    source : Source
        Where the others are.
    """

    def __init__(self, module, source):
        self.module = module
        self.source = source

    def __deepcopy__(self, memo):
        return ReferencedLayers(
            self.module if is_shared(self.module) else copy.deepcopy(self.module, memo), self.source
        )

    def __reduce__(self):
        if isinstance(self.module, _Missing):
            return _load, self.module.reference
        names, memo = {}, {}
        known = _by_shape(self.source.load())
        for name, tensor in _named(self.module):
            plain = tensor.detach().cpu()
            for other, candidate in known[tuple(tensor.shape)]:
                if torch.equal(plain, candidate):
                    names[name] = other
                    memo[id(tensor)] = _empty(tensor)
                    break
        return _load, (copy.deepcopy(self.module, memo), names, is_shared(self.module), self.source)


def _load(skeleton, names, shared, source):
    try:
        tensors = dict(_named(source.load()))
    except (ImportError, OSError, ValueError) as error:
        return ReferencedLayers(_Missing((skeleton, names, shared, source), str(error)), source)
    module = copy.deepcopy(skeleton, {id(tensor): tensor for tensor in module_tensors(skeleton)})
    for name, other in names.items():
        parent, _, own = name.rpartition(".")
        holder = module.get_submodule(parent)
        (holder._parameters if own in holder._parameters else holder._buffers)[own] = tensors[other]
    return ReferencedLayers(adopt(module) if shared else module, source)


class _Missing(nn.Module):
    """In the place of layers whose weights are not there."""

    def __init__(self, reference, why):
        super().__init__()
        self.reference = reference
        self.why = why

    def forward(self, *args, **kwargs):
        source = self.reference[-1]
        revision = "" if source.revision is None else f", revision {source.revision!r}"
        raise FileNotFoundError(
            f'This network was pickled with weights="reference": those of {source.model!r}{revision} (hash '
            f"{source.weights[:12]}…) are not in it, and {self.why} Put the model there, or for a name on the hub into "
            'its cache, and load the pickle again; or pickle with weights="embed".'
        )

    def __getattr__(self, name):
        if name.startswith("get_") and name.endswith("_features"):  # what dual encoders are called by
            return self
        return super().__getattr__(name)


def _named(module):
    """Return all tensors by name; tied ones have several."""
    return [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]


def _by_shape(module):
    tensors = defaultdict(list)
    for name, tensor in _named(module):
        tensors[tuple(tensor.shape)].append((name, tensor))
    return tensors


def _empty(tensor):
    empty = torch.empty_like(tensor, device="meta")
    return nn.Parameter(empty, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty
