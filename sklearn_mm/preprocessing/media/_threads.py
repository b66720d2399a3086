"""A pool of threads that decode, of no more than a process's share of the cores."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain

import joblib
import numpy as np
import torch

__all__ = ["decoding_threads", "n_decoding_threads"]


def n_decoding_threads(n_jobs):
    """Return how many threads decode; a process that shares the cores with others takes no more than its share."""
    n_threads = joblib.effective_n_jobs(n_jobs)
    if n_jobs is not None and n_jobs < 0 and multiprocessing.parent_process() is not None:
        n_threads = min(n_threads, torch.get_num_threads())  # which joblib's processes get by OMP_NUM_THREADS
    return n_threads


@contextmanager
def decoding_threads(n_jobs, n_items):
    """Yield ``run(function, *arrays)``, which calls a function for parts of arrays and joins the lists it returns."""
    n_threads = max(1, min(n_decoding_threads(n_jobs), n_items))
    if n_threads == 1:
        yield lambda function, *arrays: list(function(*arrays))
        return
    # Not joblib's, which asks every hundredth of a second whether it is done.
    with ThreadPoolExecutor(n_threads) as pool:
        yield partial(_run_in_parts, pool, n_threads)


def _run_in_parts(pool, n_threads, function, *arrays):
    n_parts = max(4 * n_threads, len(arrays[0]) // 32)  # a few per thread even out slow and fast items
    parts = [np.array_split(array, n_parts) for array in arrays]
    return list(chain.from_iterable(pool.map(function, *parts)))
