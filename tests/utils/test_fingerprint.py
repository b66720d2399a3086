import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn as nn

import sklearn_mm
from sklearn_mm.utils._fingerprint import fingerprint


def make(seed=0, dropout=0.1, modes="nearest"):
    generator = torch.Generator().manual_seed(seed)
    module = nn.Sequential(
        nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(dropout), nn.Upsample(scale_factor=2, mode=modes)
    )
    with torch.no_grad():
        module[0].weight.copy_(torch.randn(3, 4, generator=generator))
        module[0].bias.zero_()
    return module.eval()


def test_equal_modules_are_equal():
    assert fingerprint(make()) == fingerprint(make()) == fingerprint(copy.deepcopy(make()))


@pytest.mark.parametrize("params", [{"seed": 1}, {"dropout": 0.2}, {"modes": "linear"}], ids=str)
def test_weights_and_settings_count(params):
    assert fingerprint(make(**params)) != fingerprint(make())


def test_buffers_types_and_requested_layers_count():
    running, other = make(), make()
    running[1].running_mean[1] = 0.5
    other[0].half()
    assert len({fingerprint(module) for module in (make(), running, other, nn.Sequential(*make()[:3]).eval())}) == 4


def test_it_is_computed_again_when_a_tensor_is_written_to_or_replaced():
    module = make()
    first = fingerprint(module)
    with torch.no_grad():
        module[0].weight[0, 0] += 1
    second = fingerprint(module)
    module[0].weight = nn.Parameter(make()[0].weight.detach())
    third = fingerprint(module)
    module.load_state_dict(make(seed=5).state_dict())
    assert first == third != second
    assert fingerprint(module) not in (first, second)


def test_it_is_computed_once(monkeypatch):
    module = make()
    first = fingerprint(module)
    monkeypatch.setattr("sklearn_mm.utils._fingerprint._compute", lambda module: pytest.fail("computed again"))
    assert fingerprint(module) == first


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.held = [torch.ones(2), {"a": torch.zeros(3, dtype=torch.bfloat16)}]

    def forward(self, x):
        return x * self.factor


def test_attributes_count_also_tensors_that_are_no_buffers():
    changed = Scaled(2)
    changed.held[1]["a"][0] = 1
    prints = [fingerprint(module) for module in (Scaled(2), Scaled(2), Scaled(3), changed)]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_code_counts(monkeypatch):
    first = fingerprint(Scaled(2))
    monkeypatch.setattr(Scaled, "forward", lambda self, x: x + self.factor)
    second = fingerprint(Scaled(2))
    monkeypatch.setattr(Scaled, "forward", lambda self, x: x + self.factor * 2)
    assert len({first, second, fingerprint(Scaled(2))}) == 3


def test_tensors_made_for_inference():
    with torch.inference_mode():
        module = Scaled(torch.ones(2))
        module.layer = nn.Linear(2, 2)
        other = copy.deepcopy(module)
        other.layer.weight[0, 0] = 5
    assert fingerprint(module) == fingerprint(copy.deepcopy(module)) != fingerprint(other)


def test_what_cannot_be_pickled_has_none():
    assert fingerprint(Scaled(lambda: 2)) is None


def test_complex_and_empty_tensors():
    module = Scaled(torch.zeros(0, 3))
    module.other = torch.ones(2, dtype=torch.complex64)
    assert fingerprint(module) == fingerprint(copy.deepcopy(module))


NAMED = """
import sys
import torch.nn as nn
from sklearn_mm.utils._fingerprint import fingerprint

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        nn.init.ones_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.names = {"yes", "no", "perhaps"}

    def forward(self, x):
        return x if sys.argv[0] in {"yes", "no", "perhaps", "never"} else self.layer(x)

print(fingerprint(Named().eval()))
"""


@pytest.mark.slow
def test_processes_agree():
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(sklearn_mm.__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-c", NAMED], capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
    assert found != {"None\n"}
