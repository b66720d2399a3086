"""Compilation of a network's forward pass."""

import torch

__all__ = ["compile_network"]


def compile_network(network, owner):
    """Compile what a call of the network does, in place; parameters, pickles and ``forward`` stay as they are."""
    try:
        torch.compile(lambda x: x + 1)(next(network.parameters()).new_zeros(2))
    except RuntimeError as error:  # no compiler, no Triton, a version of Python that torch cannot compile for yet
        raise RuntimeError(
            f"{owner}(compile=True) needs what torch.compile needs on this machine, a C++ compiler on a CPU or Triton "
            f"on a GPU: {str(error).strip().splitlines()[0]} Install it, or use compile=False."
        ) from error
    network.compile()
