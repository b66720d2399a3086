"""Batches that are read while others are computed with."""

from concurrent.futures import ThreadPoolExecutor

__all__ = ["prefetched"]


def prefetched(read, rows_of_batches, device):
    """Yield batches; while one is computed with, a thread reads the next.

    On their way to a GPU they are read into page-locked memory. From there, a copy is queued behind what the GPU still
    has to do, and nobody waits for it.

    Parameters
    ----------
    read : callable
        Makes the `Batch` of some rows.
    rows_of_batches : list
        The rows of each batch.
    device : torch.device
        A CUDA device, or the CPU.
    """
    to_gpu = device.type == "cuda"

    def read_one(rows):
        batch = read(rows)
        if to_gpu:
            batch.data = _each(batch.data, lambda tensor: tensor.pin_memory())
        return batch

    with ThreadPoolExecutor(1) as thread:
        coming = [thread.submit(read_one, rows) for rows in rows_of_batches[:1]]
        for place in range(len(rows_of_batches)):
            batch = coming.pop().result()
            coming += [thread.submit(read_one, rows) for rows in rows_of_batches[place + 1 : place + 2]]
            if to_gpu:
                batch.data = _each(batch.data, lambda tensor: tensor.to(device, non_blocking=True))
            yield batch


def _each(data, function):
    """Return nested dicts with ``function`` of their tensors."""
    return {key: _each(value, function) for key, value in data.items()} if isinstance(data, dict) else function(data)
