"""From specs and components to the network of an estimator."""

from sklearn.base import clone

from sklearn_mm.encoders import BagEncoder
from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.fusion._registry import resolve_fusion
from sklearn_mm.networks._heads import resolve_head
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.training._augment import resolve_augment

__all__ = ["build_network", "checked_clone"]


def build_network(specs, fusion, head, wide, n_outputs, levels, modality_dropout, balancing, text_dim):
    """Return a `MultimodalNetwork` built from clones of the components that specs and parameters name.

    For "auto", a text beside a wide part is read by a bag of embeddings of ``text_dim`` dimensions.
    """
    encoders = {}
    for spec in specs.values():
        key = _sharing(spec)
        if key not in encoders:
            beside_wide = wide is not None and spec.kind == "text" and spec.encoder == "auto"
            encoder = BagEncoder(text_dim) if beside_wide else resolve_encoder(spec.encoder, spec.kind)
            encoders[key] = checked_clone(encoder)
    network = MultimodalNetwork(
        specs,
        {name: encoders[_sharing(spec)] for name, spec in specs.items()},
        checked_clone(resolve_fusion(fusion)),
        checked_clone(resolve_head(head)),
        n_outputs,
        wide=None if wide is None else checked_clone(wide),
        levels=levels,
        modality_dropout=modality_dropout,
        balancing=balancing,
    )
    for name, spec in specs.items():
        if spec.augment is not None:
            network.set_augment(name, resolve_augment(spec.augment, network.encoder(name).frozen_part is not None))
    return network


def checked_clone(component):
    """Return a copy of a component, to build and train, whose parameters have been checked."""
    component = clone(component)
    component._validate_params()
    return component


def _sharing(spec):
    """Equal for blocks that share an encoder; a group may have the name of a block."""
    return ("group", spec.group) if spec.group else ("block", spec.name)
