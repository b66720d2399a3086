"""Gradient caching (GradCache): the gradient of a loss over a whole batch, in the memory of its parts."""

from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _NormBase

from sklearn_mm.training._seeding import generators_of

__all__ = ["cached_backward"]


def cached_backward(module, parts, forward, backward, device="cpu"):
    """Add the gradients of a loss of the outputs of all parts, with the graph of one part in memory at a time.

    Each part is computed twice, with the same random numbers: first without a graph, for the loss and its gradient by
    the outputs; then again, to hand that gradient on to the weights. Statistics of batches are those of a part.

    Parameters
    ----------
    module : torch.nn.Module
        What ``forward`` computes with.
    parts : callable
        Returns an iterator over the parts of a batch.
    forward : callable
        Maps a part to its outputs: a tensor, or a tuple of tensors, whose first axis is the rows.
    backward : callable
        Takes the outputs of all rows, as ``forward`` gives them, calls ``backward`` of their loss and returns it.
    device : str or torch.device, default="cpu"
        Where ``forward`` computes, and draws random numbers.

    Returns
    -------
    loss : torch.Tensor
        The loss.
    outputs : torch.Tensor or tuple of torch.Tensor
        Of all rows, without a graph.

    References
    ----------
    Gao, Zhang, Han, Callan: Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup. RepL4NLP 2021.
    """
    generators, states, outputs = generators_of(device), [], []
    with torch.no_grad(), _statistics_kept(module):
        for part in parts():
            states.append([generator.get_state() for generator in generators])
            outputs.append(forward(part))
    is_tuple = isinstance(outputs[0], tuple)
    sizes = [len(of_part[0] if is_tuple else of_part) for of_part in outputs]
    leaves = [torch.cat(tensors) for tensors in (zip(*outputs, strict=True) if is_tuple else [outputs])]
    for leaf in leaves:
        leaf.requires_grad_(leaf.is_floating_point())
    loss = backward(tuple(leaves) if is_tuple else leaves[0])
    differentiable = [place for place, leaf in enumerate(leaves) if leaf.grad is not None]
    gradients = zip(*(leaves[place].grad.split(sizes) for place in differentiable), strict=True)
    for part, states_of_part, of_part in zip(parts(), states, gradients, strict=True):
        with _drawn_again(generators, states_of_part):
            again = forward(part)
        tensors = again if is_tuple else (again,)
        torch.autograd.backward([tensors[place] for place in differentiable], of_part)
    detached = tuple(leaf.detach() for leaf in leaves)
    return loss, detached if is_tuple else detached[0]


@contextmanager
def _drawn_again(generators, states):
    """Draw the random numbers that were drawn from these states on, and go on from where the generators were."""
    before = [generator.get_state() for generator in generators]
    try:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        yield
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


@contextmanager
def _statistics_kept(module):
    """Leave the running statistics of batch normalisation as they were."""
    layers = [layer for layer in module.modules() if isinstance(layer, _NormBase)]
    buffers = [buffer for layer in layers for buffer in layer.buffers(recurse=False)]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
