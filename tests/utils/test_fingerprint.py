import copy
import os
import random
import subprocess
import sys
import threading
import types
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn as nn

import sklearn_mm
from sklearn_mm.utils._fingerprint import copy_module, digest, fingerprint


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
    copied = copy_module(module)
    monkeypatch.setattr(torch.Tensor, "cpu", lambda tensor: pytest.fail("computed again"))
    assert fingerprint(module) == fingerprint(copied) == first


class Scaled(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor
        self.held = [torch.ones(2), {"a": torch.zeros(3, dtype=torch.bfloat16)}]

    def forward(self, x):
        return x * self.factor


def test_tensors_are_hashed_once_whichever_module_has_them(monkeypatch):
    module = make()
    fingerprint(module)
    hashed = []
    monkeypatch.setattr(
        "sklearn_mm.utils._fingerprint.digest",
        lambda thing: hashed.append(thing) if isinstance(thing, torch.Tensor) else digest(thing),
    )
    for other in (nn.Sequential(*module), nn.Sequential(module, nn.ReLU()), copy_module(module)):
        fingerprint(other)
    assert not hashed
    with torch.no_grad():
        module[0].weight.mul_(2)
    fingerprint(nn.Sequential(*module))
    assert [tensor is module[0].weight for tensor in hashed] == [True]


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
    assert fingerprint(Scaled(threading.Lock())) is None


def test_complex_and_empty_tensors():
    module = Scaled(torch.zeros(0, 3))
    module.other = torch.ones(2, dtype=torch.complex64)
    assert fingerprint(module) == fingerprint(copy.deepcopy(module))


def doubled(x):
    return x * 2


def tripled(x):
    return x * 3


FACTOR = np.arange(5000.0)
HELPERS = types.ModuleType("helpers")


class UsesHelper(nn.Module):
    def forward(self, x):
        return doubled(x)


class UsesGlobal(nn.Module):
    def forward(self, x):
        return [x * FACTOR for _ in range(2)]


class UsesProperty(nn.Module):
    @property
    def factor(self):
        return 2

    @cached_property
    def other(self):
        return 3

    @staticmethod
    def add(x):
        return x

    def forward(self, x, by=1):
        return self.add(x) * self.factor * self.other


def closed_over(factor):
    class Closes(nn.Module):
        def forward(self, x):
            return x * factor

    return Closes()


def changed_array(array):
    changed = array.copy()
    changed[len(changed) // 2] += 1e-9
    return changed


CHANGES = {
    "helper": (UsesHelper, lambda patch: patch.setattr(doubled, "__code__", tripled.__code__)),
    "helper's default": (UsesHelper, lambda patch: patch.setattr(doubled, "__defaults__", (3,))),
    "global": (UsesGlobal, lambda patch: patch.setitem(globals(), "FACTOR", changed_array(FACTOR))),
    "property": (UsesProperty, lambda patch: patch.setattr(UsesProperty, "factor", property(lambda self: 3))),
    "cached property": (UsesProperty, lambda patch: patch.setattr(UsesProperty.other, "func", lambda self: 4)),
    "static method": (UsesProperty, lambda patch: patch.setattr(UsesProperty, "add", staticmethod(tripled))),
    "default": (UsesProperty, lambda patch: patch.setattr(UsesProperty.forward, "__defaults__", (2,))),
    "base": (lambda: type("Sub", (UsesProperty,), {})(), lambda patch: patch.setattr(UsesProperty, "more", 1, False)),
    "library": (make, lambda patch: patch.setattr("sklearn_mm.utils._code._library", lambda module: ("torch", "3"))),
    "library's code": (make, lambda patch: patch.setattr(nn.Linear, "forward", lambda self, x: x)),
    "__call__": (make, lambda patch: patch.setattr(nn.Module, "__call__", lambda self, x: x)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_forward_depends_on_counts_even_if_it_changes_later(monkeypatch, change):
    make_module, change = CHANGES[change]
    module = make_module()
    first = fingerprint(module)
    assert first is not None
    assert fingerprint(make_module()) == first
    with monkeypatch.context() as patch:
        change(patch)
        assert fingerprint(module) != first
        assert fingerprint(make_module()) != first
    assert fingerprint(module) == first


def hooked(hook):
    module = make()
    module[0].register_forward_hook(hook)
    return module


def with_own_forward(function):
    module = make()
    module[0].forward = function
    return module


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda: closed_over(2), lambda: closed_over(3)),
        (lambda: Scaled(doubled), lambda: Scaled(tripled)),
        (lambda: Scaled(lambda x: x + 1), lambda: Scaled(lambda x: x + 2)),
        (lambda: Scaled(partial(doubled, 1)), lambda: Scaled(partial(doubled, 2))),
        (lambda: Scaled(partial(doubled, 1)), lambda: Scaled(partial(tripled, 1))),
        (lambda: Scaled(FACTOR), lambda: Scaled(changed_array(FACTOR))),
        (lambda: Scaled({"a": [FACTOR]}), lambda: Scaled({"a": [changed_array(FACTOR)]})),
        (lambda: Scaled([nn.Linear(1, 1)]), lambda: Scaled([nn.Linear(1, 2)])),
        (lambda: hooked(lambda *args: None), make),
        (lambda: hooked(lambda *args: 1), lambda: hooked(lambda *args: 2)),
        (lambda: with_own_forward(doubled), lambda: with_own_forward(tripled)),
    ],
    ids=[
        "closure",
        "function",
        "lambda",
        "partial",
        "partial of",
        "array",
        "nested",
        "modules",
        "hook",
        "hooks",
        "own",
    ],
)
def test_different_modules_differ(first, second):
    assert fingerprint(first()) != fingerprint(second())


def uses(*names):
    """A module whose forward uses what is not known to stay the same."""

    class Uses(nn.Module):
        def forward(self, x):
            if "module" in names:
                return HELPERS.scale(x)
            if "random" in names:
                return x * random.random()
            with open("factor.txt") as file:
                return x * float(file.read())

    return Uses()


def imports():
    class Imports(nn.Module):
        def forward(self, x):
            import os

            return x * int(os.environ["FACTOR"])

    return Imports()


@pytest.mark.parametrize("make_module", [lambda: uses("module"), imports], ids=["module", "import"])
def test_of_what_may_change_nothing_is_said(make_module):
    assert fingerprint(make_module()) is None


def loads(factor):
    """Return a module whose class, and the class below it, load something when they make one."""

    class Base(nn.Module):
        def __init__(self):
            import importlib

            super().__init__()
            self.layer = importlib.import_module("torch").nn.Linear(2, 2, bias=False)

        def forward(self, x):
            return self.layer(x)

    class Loads(Base):
        def __init__(self, value):
            super().__init__()
            with open(__file__) as file:
                self.layer.weight.data.fill_(float(value) if file.readable() else 0.0)

        def forward(self, x):
            return factor * super().forward(x)

    return Loads


def test_how_a_module_was_made_does_not_count():
    module = loads(1.0)(2.0)
    assert fingerprint(module) == fingerprint(loads(1.0)(2.0)) is not None
    assert len({fingerprint(other) for other in (module, loads(1.0)(3.0), loads(3.0)(2.0))}) == 3


def test_a_class_that_forward_makes_objects_of_counts_whole():
    def makes(value):
        class Inner(nn.Module):
            def __init__(self):
                super().__init__()
                self.value = value

        class Outer(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = Inner()  # whose class is met before forward is

            def forward(self, x):
                return x * Inner().value * self.inner.value

        outer = Outer()
        outer.inner.value = 0
        return outer

    assert fingerprint(makes(1)) == fingerprint(makes(1)) != fingerprint(makes(2))


def test_hooks_of_all_modules(monkeypatch):
    module = make()
    assert fingerprint(module) is not None
    handle = nn.modules.module.register_module_forward_hook(lambda *args: None)
    try:
        assert fingerprint(module) is None
    finally:
        handle.remove()


def test_writing_to_data_is_seen_when_asked_to_look():
    module = make()
    first = fingerprint(module)
    module[0].weight.data.add_(1)
    assert fingerprint(module, anew=True) != first
    assert fingerprint(module) != first


def test_digests_leave_nothing_out():
    assert repr(FACTOR) == repr(changed_array(FACTOR))
    assert digest((1, FACTOR)) == digest((1, FACTOR.copy())) != digest((1, changed_array(FACTOR)))
    assert digest(iter([])) != digest(iter([1])) or digest(iter([])) is None
    assert digest(threading.Lock()) is None


NAMED = """
import sys
import torch.nn as nn

class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        nn.init.ones_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)
        self.names = {"yes", "no", "perhaps", *map(str, range(20))}

    def forward(self, x):
        return x if sys.argv[0] in {"yes", "no", "perhaps", "never", "ever", "often", "once"} else self.layer(x)
"""


@pytest.mark.slow
def test_paths_have_one_too():
    assert digest({"folder": Path("a")}) == digest({"folder": Path("a")})
    assert len({digest(thing) for thing in (Path("a"), Path("b"), None, "a")}) == 4
    assert None not in (digest(Path("a")), digest(Path.cwd()))


def test_processes_agree(tmp_path, monkeypatch):
    (tmp_path / "module_of_both.py").write_text(NAMED)
    monkeypatch.syspath_prepend(tmp_path)
    from module_of_both import Named

    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # sets are in another order than here
    roots = os.pathsep.join([str(tmp_path), str(Path(sklearn_mm.__file__).parents[1])])
    code = (
        "from module_of_both import Named; from sklearn_mm.utils._fingerprint import fingerprint\n"
        "print(fingerprint(Named().eval()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": roots}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{fingerprint(Named().eval())}\n" != "None\n"
