import copy
import pickle

import pytest
import torch
import torch.nn as nn
from sklearn.base import clone
from sklearn.utils import estimator_html_repr

from sklearn_mm.utils._component import Component
from sklearn_mm.utils._registry import Registry


class Scale(Component):
    def __init__(self, factor=2.0, inner=None):
        self.factor = factor
        self.inner = inner

    def build(self, width):
        self.layer = nn.Linear(width, 1)
        return self

    def forward(self, x):
        return self.layer(x) * self.factor


class Twice(Scale):
    pass


def test_parameters_are_those_of_init():
    scale = Scale(factor=3.0)
    assert scale.get_params() == {"factor": 3.0, "inner": None}
    assert scale.set_params(factor=4.0) is scale
    assert scale.factor == 4.0
    with pytest.raises(ValueError, match="Invalid parameter 'width'"):
        scale.set_params(width=2)


def test_a_subclass_has_parameters_of_its_own():
    class More(Scale):
        def __init__(self, factor=2.0, bias=0.0):
            super().__init__(factor)
            self.bias = bias

    assert Scale().get_params() == {"factor": 2.0, "inner": None}
    assert More(bias=1.0).get_params() == {"bias": 1.0, "factor": 2.0}
    More._get_param_names().clear()  # of a copy
    assert More._get_param_names() == ["bias", "factor"]


def test_classes_are_pickled_by_value(monkeypatch):
    cloudpickle = pytest.importorskip("joblib.externals.cloudpickle")
    Scale()._get_param_names()
    monkeypatch.setattr(Scale, "__module__", "__main__")
    again = pickle.loads(cloudpickle.dumps(Scale(factor=3.0)))
    assert again.get_params() == {"factor": 3.0, "inner": None}


def test_nested_parameters():
    scale = Scale(inner=Scale())
    scale.set_params(inner__factor=5.0)
    assert scale.inner.factor == 5.0
    assert scale.get_params()["inner__factor"] == 5.0


def test_a_module_that_is_a_parameter_is_not_a_layer():
    scale = Scale(inner=nn.Linear(2, 3)).build(4)
    assert [name for name, _ in scale.named_children()] == ["layer"]
    assert sum(weight.numel() for weight in scale.parameters()) == 5
    scale.inner = nn.Linear(1, 1)
    assert [name for name, _ in scale.named_children()] == ["layer"]


def test_clone_gives_one_that_is_not_built():
    built = Scale(factor=3.0).build(4)
    again = clone(built)
    assert again.get_params() == built.get_params()
    assert not again.state_dict()
    assert built.state_dict()


def test_building_leaves_the_parameters_alone():
    scale = Scale(factor=3.0)
    before = scale.get_params()
    assert scale.build(4).get_params() == before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))], ids=["deepcopy", "pickle"])
def test_copies_keep_weights_and_parameters(copied):
    built = Twice(factor=3.0).build(4).eval()
    again = copied(built)
    x = torch.randn(2, 4)
    assert torch.equal(again(x), built(x))
    assert again.get_params() == built.get_params()
    assert not again.training


def test_repr_names_parameters_not_layers():
    assert repr(Scale(factor=3.0).build(4)) == "Scale(factor=3.0)"
    assert "Scale" in estimator_html_repr(Scale())


def test_each_instance_has_its_own_layers():
    one, two = Scale().build(2), Scale().build(3)
    assert one.layer is not two.layer
    assert Scale().__dict__["_modules"] is not Scale().__dict__["_modules"]


def test_a_component_is_a_torch_module():
    built = Scale().build(2)
    assert isinstance(nn.Sequential(built)[0], Scale)
    assert built.double()(torch.ones(1, 2, dtype=torch.float64)).dtype == torch.float64
    with pytest.raises(AttributeError, match="'Scale' object has no attribute 'layer'"):
        Scale().layer  # noqa: B018


@pytest.fixture
def registry():
    registry = Registry("scale", Scale)
    assert registry.register("twice", Twice) is Twice
    registry.register("half", lambda: Scale(0.5))
    return registry


def test_registered_names_stand_for_new_instances(registry):
    assert registry.names == ["half", "twice"]
    assert dict(registry.items())["twice"] is Twice
    assert type(registry.resolve("twice")) is Twice
    assert registry.resolve("half").factor == 0.5
    assert registry.resolve("half") is not registry.resolve("half")


def test_instances_pass_through_a_registry(registry):
    scale = Twice()
    assert registry.resolve(scale) is scale


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("twise", ValueError, "Unknown scale 'twise'. Did you mean 'twice'. Known names: half, twice"),
        ("zzz", ValueError, "Unknown scale 'zzz'. Known names: half, twice"),
        (Twice, TypeError, r"instance of Scale, got the class Twice; write Twice\(\)"),
        (7, TypeError, "instance of Scale, got an object of type int"),
    ],
)
def test_what_a_registry_refuses(registry, what, error, message):
    with pytest.raises(error, match=message):
        registry.resolve(what)
