"""Encoders of which the last layers are trained: what comes before is computed once, and is what it was without."""

import copy
import pickle

import pytest
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.encoders._frozen_stem import FrozenStem
from sklearn_mm.preprocessing import ImageSpec, TabularSpec, TextSpec

IMAGE = ImageSpec(name="photo", shape=(8, 8, 3), mean=(0.5, 0.4, 0.3), std=(0.25, 0.2, 0.3))
TEXT = TextSpec(name="title", shape=(5,), vocab_size=10, tokenizer="word")
TABLE = TabularSpec(name="tabular", shape=(), n_numbers=3)
PICTURES = torch.randint(256, (4, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]], dtype=torch.int32)
ROWS = {"numbers": torch.ones(4, 3), "codes": torch.zeros(4, 0, dtype=torch.int32)}


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Conv2d(6, 4, 3), nn.BatchNorm2d(4))


CASES = [
    pytest.param(convolutions(), "2", IMAGE, PICTURES, id="maps"),
    pytest.param(nn.Sequential(nn.Embedding(10, 6), nn.Linear(6, 4)), "1", TEXT, IDS, id="tokens"),
    pytest.param(nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 4)), "1", TABLE, ROWS, id="vectors"),
]


@pytest.mark.parametrize(("module", "trainable", "spec", "rows"), CASES)
def test_the_parts_make_what_the_whole_does(module, trainable, spec, rows):
    whole, cut = (ModuleEncoder(module, trainable=name).build(spec).eval() for name in ("all", trainable))
    x = whole.prepare(rows)
    tensors = cut.frozen_part(x)
    assert not any(part.requires_grad for part in tensors.values())
    for features in (cut(x), cut.rest(tensors), cut.rest({name: part.float() for name, part in tensors.items()})):
        for part, expected in zip(features, whole(x), strict=True):
            torch.testing.assert_close(part, expected)
    assert (cut.out_features, cut.token_features) == (whole.out_features, whole.token_features)


def test_what_comes_before_stays_as_it_is_and_the_rest_is_trained():
    module = convolutions()
    encoder = clone(ModuleEncoder(module, trainable="2")).build(IMAGE).train()
    before = copy.deepcopy(encoder.state_dict())
    encoder(encoder.prepare(PICTURES)).pooled.sum().backward()
    with torch.no_grad():
        for weight in encoder.parameters():
            if weight.requires_grad:
                weight.add_(1)
    changed = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"layers.{name}" for name in module[2:].state_dict()}
    assert {name for name, weight in encoder.named_parameters() if weight.grad is not None} < changed
    assert torch.equal(module[2].weight, before["layers.2.weight"]), "the user's own is not trained"
    assert module.training


@pytest.mark.parametrize("frozen", ["none", "all", "2"])
def test_what_an_encoder_says_of_itself(frozen):
    encoder = ModuleEncoder(convolutions(), trainable=frozen).build(IMAGE)
    assert encoder.frozen is (frozen == "none")
    assert encoder.partly_frozen is (frozen == "2")
    expected = {"none": encoder, "all": None, "2": encoder._modules.get("stem")}[frozen]
    assert encoder.frozen_part is expected


def test_layers_are_there_while_a_part_is_converted():
    """As another thread may be using them, in which nothing is to be converted."""
    stem = FrozenStem(IMAGE, convolutions())
    layers, seen = stem.layers, []

    def convert(tensor):
        seen.append(stem.layers is layers)
        return tensor.double()

    stem._apply(convert)
    assert len(seen) > len(layers.state_dict())
    assert all(seen)
    assert {tensor.dtype for tensor in stem.state_dict().values() if tensor.is_floating_point()} == {torch.float64}
    assert layers[0].weight.dtype == torch.float32


def test_the_frozen_part_is_shared_and_protected():
    module = convolutions()
    first, second = (ModuleEncoder(module, trainable="2").build(IMAGE) for _ in range(2))
    other = ModuleEncoder(module, trainable="1").build(IMAGE)
    assert first.stem.layers is second.stem.layers
    assert first.stem.layers is not other.stem.layers
    assert first.layers is not second.layers
    for copied in (copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert copied.stem.layers is first.stem.layers
        assert copied.layers is not first.layers
        assert torch.equal(copied.layers[0].weight, first.layers[0].weight)
    x = first.prepare(PICTURES)
    before = first.eval()(x).pooled
    second.double()
    with torch.no_grad():
        module[0].weight.mul_(2)
    assert torch.equal(first(x).pooled, before)


def test_layers_that_both_parts_use_are_trained_in_the_rest_alone():
    layer = nn.Linear(3, 3)
    encoder = ModuleEncoder(nn.Sequential(layer, nn.ReLU(), layer), trainable="1").build(TABLE)
    assert encoder.stem.layers[0] is not encoder.layers[1]
    assert not encoder.stem.layers[0].weight.requires_grad
    assert encoder.layers[1].weight.requires_grad


@pytest.mark.parametrize(
    ("module", "trainable"),
    [(convolutions(), "0"), (convolutions(), "4"), (convolutions(), "some"), (nn.Conv2d(3, 6, 3), "weight")],
)
def test_names_that_do_not_cut(module, trainable):
    with pytest.raises(ValueError, match=f'trainable=\'{trainable}\'\\): give "none", "all", or the name of a child'):
        ModuleEncoder(module, trainable=trainable).build(IMAGE)


def test_a_part_that_returns_something_else():
    module = nn.Sequential(nn.LSTM(3, 4), nn.Linear(4, 2))
    with pytest.raises(ValueError, match="layers that are not trained return a tuple"):
        ModuleEncoder(module, trainable="1").build(TABLE)
