"""From specs and an objective to the network of an estimator."""

import torch

from sklearn_mm.encoders._registry import resolve_encoder
from sklearn_mm.networks._block_encoders import BlockEncoders
from sklearn_mm.networks._network import MultimodalNetwork
from sklearn_mm.training._augment import resolve_augment
from sklearn_mm.utils._component import checked_clone
from sklearn_mm.utils._fingerprint import copy_module

__all__ = ["build_network", "copied_network"]


def build_network(specs, objective, dataset, sample_weight, generator, modality_dropout=0.0):
    """Return a `MultimodalNetwork` that is ready to be trained.

    Parameters
    ----------
    specs : dict of str to BlockSpec
        Description of the blocks, by name, with the encoders that their Inputs name.
    objective : Objective
        What the network is for.
    dataset : BlockDataset
        The training rows.
    sample_weight : ndarray of shape (n_rows,)
        Their weights.
    generator : torch.Generator
        For components that start from data.
    modality_dropout : float, default=0.0
        Probability that a block of a row is hidden in training.
    """
    encoders = {}
    for spec in specs.values():
        key = _sharing(spec)
        if key not in encoders:
            is_auto = isinstance(spec.encoder, str) and spec.encoder == "auto"
            encoder = objective.auto_encoder(spec) if is_auto else resolve_encoder(spec.encoder, spec.kind)
            encoders[key] = checked_clone(encoder)
    encoders = {name: encoders[_sharing(spec)] for name, spec in specs.items()}
    encoders = BlockEncoders(specs, encoders, modality_dropout)
    target = dataset.target.numpy() if isinstance(dataset.target, torch.Tensor) else dataset.target
    network = MultimodalNetwork(encoders, objective.build_top(encoders, specs, target))
    for name, spec in specs.items():
        if spec.augment is not None:
            is_frozen = encoders[name].frozen_part is not None
            encoders.set_augment(name, resolve_augment(spec.augment, is_frozen, spec.kind))
    network.start(dataset.blocks, target, sample_weight, generator)
    return network


def copied_network(network, modality_dropout):
    """Return a copy of a network to go on with."""
    network = copy_module(network).float()
    network.encoders.modality_dropout = modality_dropout
    return network


def _sharing(spec):
    """Equal for blocks that share an encoder; a group may have the name of a block."""
    return ("group", spec.group) if spec.group else ("block", spec.name)
