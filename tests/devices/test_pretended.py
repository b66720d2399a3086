"""The pretended GPU refuses what a GPU refuses."""

import numpy as np
import pytest
import torch
import torch.nn as nn


def test_what_is_refused(gpu):
    here, there = torch.ones(3), torch.ones(3).to(gpu.device)
    assert (here.device.type, there.device, there[0].device, (2 * there).sum().device) == ("cpu", *[gpu.device] * 3)
    for refused in (lambda: here + there, lambda: torch.cat([here, there]), lambda: nn.Linear(3, 1)(there)):
        with pytest.raises(RuntimeError, match="same device"):
            refused()
    for refused in (there.numpy, lambda: np.asarray(there)):
        with pytest.raises(TypeError, match="to numpy"):
            refused()
    with pytest.raises(RuntimeError, match="generator"):
        torch.rand(2, device=gpu.device, generator=torch.Generator())
    if gpu.device.type == "mps":
        with pytest.raises(TypeError, match="float64"):
            there.double()


def test_what_is_not(gpu):
    there = torch.ones(3).to(gpu.device)
    assert (there * torch.tensor(2.0)).device == gpu.device
    assert there[torch.tensor([0, 1])].device == gpu.device
    assert torch.zeros(3).copy_(there).device.type == "cpu"
    assert there.cpu().numpy().sum() == 3


def test_modules_and_gradients(gpu):
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).to(gpu.device)
    assert {tensor.device for tensor in module.state_dict().values()} == {gpu.device}
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(4, 3, device=gpu.device)).sum().backward()
    assert module[0].weight.grad.device == gpu.device
    optimizer.step()
    assert {parameter.device.type for parameter in module.cpu().parameters()} == {"cpu"}
