import copy
import gc
import pickle
import weakref

import pytest
import torch
import torch.nn as nn

from sklearn_mm.utils import _fingerprint
from sklearn_mm.utils._held_module import HeldModule, hold
from sklearn_mm.utils._shared_module import convert, find_shared, is_shared, share


class Scale(nn.Module):
    """As much of a module as has code, an attribute, a weight and a buffer."""

    def __init__(self, factor=2.0, seed=0):
        super().__init__()
        self.factor = factor
        generator = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(3, generator=generator))
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x):
        return self.factor * x * self.weight + self.shift


class SameCode(Scale):
    pass


def test_modules_that_compute_the_same_have_one_copy():
    module = Scale()
    shared = share(module)
    assert share(Scale()) is share(copy.deepcopy(module)) is shared
    assert shared is not module
    assert module.training
    assert not shared.training
    assert is_shared(shared)
    assert not is_shared(module)


@pytest.mark.parametrize("other", [Scale(factor=3.0), Scale(seed=1), SameCode(), Scale().double(), nn.Linear(3, 3)])
def test_modules_that_compute_something_else_have_others(other):
    shared = share(Scale())
    assert share(other) is not shared
    assert share(Scale()) is shared


@pytest.mark.parametrize("through", ["operation", "data"])
def test_a_copy_that_somebody_changed_is_not_found(through):
    module = Scale(seed=2)
    changed = share(module)
    with torch.no_grad():
        (changed.weight if through == "operation" else changed.weight.data).mul_(2)
    assert find_shared(module) is None
    assert torch.equal(share(module).weight, module.weight)


@pytest.mark.parametrize("through", ["operation", "data", "attribute"])
def test_a_module_that_is_changed_has_another_copy(through):
    module = Scale(seed=3)
    shared = share(module)
    if through == "attribute":
        module.factor = 7.0
    else:
        with torch.no_grad():
            (module.weight if through == "operation" else module.weight.data).mul_(2)
    assert find_shared(module) is None
    assert share(module) is not shared
    assert torch.equal(share(module)(torch.ones(3)), module(torch.ones(3)))


def test_what_is_shared_is_returned_as_it_is_and_hashed_once(monkeypatch):
    module = Scale(seed=3)
    shared, hashed = share(module), []
    digest = _fingerprint.digest
    monkeypatch.setattr(
        _fingerprint,
        "digest",
        lambda thing: (hashed.append(thing) if isinstance(thing, torch.Tensor) else None, digest(thing))[1],
    )
    assert share(shared) is share(module) is shared
    assert not hashed
    with torch.no_grad():
        shared.weight.mul_(2)
    other = share(shared)
    assert other is not shared
    torch.testing.assert_close(other.weight, shared.weight)


def test_nobody_else_gets_what_has_no_fingerprint():
    module = Scale()
    module.read = lambda path: open(path)  # noqa: SIM115, whose file may change
    assert share(module) is not share(module)
    assert not is_shared(share(module))
    assert find_shared(module) is None


def test_a_copy_lives_as_long_as_somebody_has_it():
    shared = share(Scale(seed=4))
    alive = weakref.ref(shared)
    del shared
    gc.collect()
    assert alive() is None
    assert find_shared(Scale(seed=4)) is None


def test_others_than_those_of_one_dtype_are_shared_too():
    shared = share(Scale())
    assert convert(shared, torch.Tensor.float) is shared
    double = convert(shared, torch.Tensor.double)
    assert double is convert(shared, torch.Tensor.double)
    assert double.weight.dtype == torch.float64
    assert shared.weight.dtype == torch.float32
    assert is_shared(double)


@pytest.mark.parametrize("through", [pickle, copy])
def test_holders_of_a_module_that_was_copied_have_the_copy_only(through):
    module = Scale(seed=5)
    module.weight.requires_grad_(False)
    shared = share(module)
    held = [hold(module), hold(module)]
    assert held[0] is held[1]
    loaded = pickle.loads(pickle.dumps(held)) if through is pickle else copy.deepcopy(held)
    assert loaded[0] is loaded[1]
    assert loaded[0]._module is None
    assert loaded[0]._copied_from[0] is shared
    again = loaded[0].module
    assert again is loaded[1].module
    assert hold(again) is loaded[0]
    assert again is not shared
    assert torch.equal(again.weight, module.weight)
    assert (again.training, again.weight.requires_grad, again.shift.requires_grad) == (True, False, False)


@pytest.mark.parametrize("through", [pickle, copy])
def test_holders_of_a_module_that_was_changed_have_it(through):
    module = Scale(seed=6)
    shared = share(module)
    module.weight.data.mul_(2)
    held = hold(module)
    again = (pickle.loads(pickle.dumps(held)) if through is pickle else copy.deepcopy(held)).module
    assert again is not module
    assert torch.equal(again.weight, module.weight)
    assert not torch.equal(again.weight, shared.weight)


@pytest.mark.parametrize("through", [pickle, copy])
def test_holders_of_a_sequence_whose_first_children_were_copied_have_these_once(through):
    module = nn.Sequential(Scale(seed=7), nn.ReLU(), Scale(seed=8), nn.Dropout())
    module.name = "mine"
    module[3].eval()
    module[0].shift.requires_grad_(True)
    module[2].weight.requires_grad_(False)
    held = hold(module)
    shared = share(held.stem(2))
    loaded = held
    for _ in range(2):
        loaded = pickle.loads(pickle.dumps(loaded)) if through is pickle else copy.deepcopy(loaded)
        assert loaded._module is None
        assert loaded._copied_from[0] is shared
    again = loaded.module
    assert hold(again) is loaded
    assert repr(again) == repr(module)
    assert again.name == "mine"
    assert [part.training for part in again.modules()] == [part.training for part in module.modules()]
    for name, tensor in again.state_dict(keep_vars=True).items():
        mine = module.state_dict(keep_vars=True)[name]
        assert torch.equal(tensor, mine)
        assert tensor.requires_grad == mine.requires_grad
        assert tensor is not mine
    assert again[0].weight is not shared[0].weight
    once_more = pickle.loads(pickle.dumps(loaded)) if through is pickle else copy.deepcopy(loaded)
    assert once_more._copied_from[0] is shared
    again[0] = Scale(seed=9)
    module[0].factor = 7.0
    for changed in (loaded, held):
        other = pickle.loads(pickle.dumps(changed)) if through is pickle else copy.deepcopy(changed)
        assert other._copied_from is None
        assert torch.equal(other.module(torch.ones(3)), changed.module(torch.ones(3)))


@pytest.mark.parametrize("through", [pickle, copy])
def test_layers_that_come_back_later_in_a_sequence_stay_the_same(through):
    layer = Scale(seed=10)
    held = hold(nn.Sequential(layer, nn.ReLU(), layer))
    share(held.stem(1))
    loaded = pickle.loads(pickle.dumps(held)) if through is pickle else copy.deepcopy(held)
    assert loaded.module[0] is loaded.module[2] is not layer


def test_what_is_no_module_is_not_held():
    assert hold("resnet") == "resnet"
    assert hold(nn.Linear) is nn.Linear
    assert isinstance(hold(nn.Linear(2, 2)), HeldModule)
