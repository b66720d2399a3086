import pytest
import torch

from sklearn_mm.training._precision import autocast, resolve_precision


@pytest.mark.parametrize(
    ("precision", "device", "capability", "expected"),
    [
        ("auto", "cpu", None, torch.float32),
        ("auto", "mps", None, torch.float32),
        ("auto", "cuda", (9, 0), torch.bfloat16),
        ("auto", "cuda", (7, 5), torch.float32),
        ("bfloat16", "cpu", None, torch.bfloat16),
        ("float16", "cuda", (7, 5), torch.float16),
        ("float32", "cuda", (9, 0), torch.float32),
    ],
)
def test_precision_is_what_the_device_is_good_at(monkeypatch, precision, device, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision(precision, device) == expected


def test_float16_on_a_cpu():
    with pytest.raises(ValueError, match="is for GPUs, the device is the CPU"):
        resolve_precision("float16", "cpu")
    assert resolve_precision("float16", "cpu", fitted=True) == torch.float32


def test_autocast():
    x = torch.ones(2, 2)
    with autocast(torch.bfloat16, "cpu"):
        assert (x @ x).dtype == torch.bfloat16
    with autocast(torch.float32, "cpu"):
        assert (x @ x).dtype == torch.float32
