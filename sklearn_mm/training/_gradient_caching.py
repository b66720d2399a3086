"""Gradient caching (GradCache): the gradient of a loss over a whole batch, in the memory of its parts."""

from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["cached_backward"]


def cached_backward(module, parts, forward, backward):
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
    generators, outputs = [], []
    with torch.no_grad(), _statistics_kept(module):
        for part in parts():
            generators.append(_generator_states())
            outputs.append(forward(part))
    is_tuple = isinstance(outputs[0], tuple)
    sizes = [len(of_part[0] if is_tuple else of_part) for of_part in outputs]
    leaves = [torch.cat(tensors) for tensors in (zip(*outputs, strict=True) if is_tuple else [outputs])]
    for leaf in leaves:
        leaf.requires_grad_(leaf.is_floating_point())
    loss = backward(tuple(leaves) if is_tuple else leaves[0])
    differentiable = [place for place, leaf in enumerate(leaves) if leaf.grad is not None]
    gradients = zip(*(leaves[place].grad.split(sizes) for place in differentiable), strict=True)
    for part, states, of_part in zip(parts(), generators, gradients, strict=True):
        with _drawn_again(states):
            again = forward(part)
        tensors = again if is_tuple else (again,)
        torch.autograd.backward([tensors[place] for place in differentiable], of_part)
    detached = tuple(leaf.detach() for leaf in leaves)
    return loss, detached if is_tuple else detached[0]


def _generator_states():
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


@contextmanager
def _drawn_again(states):
    """Draw the random numbers that were drawn from these states on, and go on from where the generators were."""
    before = _generator_states()
    _set_generators(states)
    yield
    _set_generators(before)


def _set_generators(states):
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])


@contextmanager
def _statistics_kept(module):
    """Leave the running statistics of batch normalisation as they were."""
    buffers = [
        buffer for part in module.modules() if isinstance(part, _NormBase) for buffer in part.buffers(recurse=False)
    ]
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, value in zip(buffers, before, strict=True):
        buffer.copy_(value)
