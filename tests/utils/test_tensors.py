import numpy as np
import torch

from sklearn_mm.utils._tensors import as_tensors


def test_arrays_become_tensors_and_fields_a_dict():
    ids = np.arange(6, dtype=np.int32).reshape(2, 3)
    assert torch.equal(as_tensors(ids[:, ::2]), torch.tensor([[0, 2], [3, 5]], dtype=torch.int32))
    rows = np.zeros(2, dtype=[("numbers", np.float32, (3,)), ("codes", np.int32, (0,))])
    tensors = as_tensors(rows)
    assert {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()} == {
        "numbers": (torch.float32, (2, 3)),
        "codes": (torch.int32, (2, 0)),
    }
