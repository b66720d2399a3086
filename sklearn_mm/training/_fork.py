"""What a forked process needs to be able to compute."""

import os

import torch

from sklearn_mm.training._turns import turns

__all__ = ["keep_forks_alive"]


def keep_forks_alive():
    """Let each process that this one forks from now on compute, with one thread.

    Threads are not forked. OpenMP's, torch's and MKL's, would be waited for in the child for ever if the parent had
    started any; a single thread waits for none.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=turns.before_fork, after_in_parent=turns.after_fork, after_in_child=_start_in_child)


def _start_in_child():
    torch.set_num_threads(1)
    turns.after_fork_in_child()
