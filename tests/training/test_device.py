import pytest
import torch

from sklearn_mm.training._device import resolve_device


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_first_that_is_there(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto").type == expected


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device='cuda:1' is not available on this machine"):
        resolve_device("cuda:1")
    with pytest.warns(UserWarning, match="the CPU is used instead"):
        assert resolve_device("cuda:1", fitted=True).type == "cpu"


@pytest.mark.parametrize("device", ["gpu", "", "cpu:x"])
def test_a_device_that_torch_does_not_know(device):
    with pytest.raises(ValueError, match=f"device='{device}' is no device that torch knows"):
        resolve_device(device)


def test_the_cpu_is_always_there():
    assert resolve_device("cpu") == resolve_device(torch.device("cpu")) == torch.device("cpu")
