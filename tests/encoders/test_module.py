import copy
import pickle

import pytest
import torch
import torch.nn as nn
from sklearn.base import clone

from sklearn_mm.encoders import CNNEncoder, ModuleEncoder
from sklearn_mm.preprocessing import BlockSpec, ImageSpec, TabularSpec, TextSpec

IMAGE = ImageSpec(name="photo", shape=(8, 8, 3), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
TEXT = TextSpec(name="title", shape=(5,), vocab_size=10, tokenizer="word")
TABLE = TabularSpec(name="tabular", shape=(), n_numbers=3, cardinalities=(4, 3))
PICTURES = torch.randint(256, (4, 8, 8, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IDS = torch.tensor([[3, 4, 0, 0, 0], [1, 2, 3, 4, 5]], dtype=torch.int32)


class NumbersAndCodes(nn.Module):
    def forward(self, numbers, codes):
        return torch.cat([numbers, codes.float()], 1)


def encode(encoder, rows):
    return encoder(encoder.prepare(rows))


@pytest.mark.parametrize(
    ("module", "n_tokens"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 6)), 1),
        (nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Flatten(2), nn.Flatten(), nn.Unflatten(1, (4, 6))), 4),
        (nn.Conv2d(3, 6, 2, 2), 16),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(6)), 1),
    ],
    ids=["vectors", "tokens", "maps", "lazy"],
)
def test_what_a_module_may_return(module, n_tokens):
    encoder = ModuleEncoder(module).build(IMAGE)
    pooled, tokens, mask = encode(encoder, PICTURES)
    assert encoder.out_features == encoder.token_features == 6
    assert tokens.shape == (4, n_tokens, 6)
    assert mask.all()
    torch.testing.assert_close(pooled, tokens.mean(1))


def test_pictures_come_normalised():
    module = nn.Flatten()
    pooled = encode(ModuleEncoder(module).build(IMAGE), PICTURES).pooled
    expected = (PICTURES.permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    torch.testing.assert_close(pooled, expected.flatten(1))


def test_padding_is_left_out_of_the_mean():
    module = nn.Embedding(10, 2)
    pooled, _, mask = encode(ModuleEncoder(module).build(TEXT), IDS)
    assert torch.equal(mask, IDS != 0)
    torch.testing.assert_close(pooled[0], module.weight[[3, 4]].mean(0))
    torch.testing.assert_close(pooled[1], module.weight[1:6].mean(0))


def test_tables_come_as_numbers_and_codes():
    rows = {"numbers": torch.ones(2, 3), "codes": torch.tensor([[1, 2], [3, 0]], dtype=torch.int32)}
    pooled = encode(ModuleEncoder(NumbersAndCodes()).build(TABLE), rows).pooled
    assert pooled.tolist() == [[1, 1, 1, 1, 2], [1, 1, 1, 3, 0]]


def test_a_frozen_module_stays_as_it_is():
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5))
    encoder = ModuleEncoder(module).build(IMAGE).train()
    before = copy.deepcopy(encoder.state_dict())
    first, second = encode(encoder, PICTURES).pooled, encode(encoder, PICTURES).pooled
    assert encoder.training
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert not any(weight.requires_grad for weight in encoder.parameters())
    assert all(torch.equal(before[key], value) for key, value in encoder.state_dict().items())


def test_a_trained_module_is_trained_and_keeps_what_its_author_froze():
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))
    module[0].requires_grad_(False)
    encoder = ModuleEncoder(module, trainable="all").build(IMAGE)
    assert encoder.layers[1].training
    encode(encoder, PICTURES).pooled.sum().backward()
    assert encoder.layers[1].weight.grad is not None
    assert encoder.layers[0].weight.grad is None
    assert encoder.layers[1].num_batches_tracked == 1


@pytest.mark.parametrize("trainable", ["none", "all"])
def test_the_users_instance_is_left_alone(trainable):
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)).eval()
    before = copy.deepcopy(module.state_dict())
    encoder = ModuleEncoder(module, trainable=trainable).build(IMAGE).train()
    encode(encoder, PICTURES)
    assert encoder.module is module
    assert not module.training
    assert all(weight.requires_grad for weight in module.parameters())
    assert all(torch.equal(before[key], value) for key, value in module.state_dict().items())
    assert clone(encoder).module is module  # nothing is copied before it is built
    assert clone(encoder).build(IMAGE).layers is not module


def test_the_weights_of_the_module_are_kept():
    module = nn.Linear(3, 2)
    spec = TabularSpec(shape=(), n_numbers=3)
    rows = {"numbers": torch.randn(4, 3), "codes": torch.zeros(4, 0, dtype=torch.int32)}
    encoder = clone(ModuleEncoder(module)).build(spec)
    torch.testing.assert_close(encode(encoder, rows).pooled, module(rows["numbers"]))
    again = pickle.loads(pickle.dumps(encoder))
    assert torch.equal(encode(again, rows).pooled, encode(encoder, rows).pooled)


def test_other_kinds_need_a_width():
    spec = BlockSpec(name="smell", kind="scent", shape=(7,))
    with pytest.raises(ValueError, match=r"width Linear returns for block 'smell' of kind 'scent'.*width=\.\.\."):
        ModuleEncoder(nn.Linear(7, 4)).build(spec)
    assert encode(ModuleEncoder(nn.Linear(7, 4), width=4).build(spec), torch.zeros(2, 7)).pooled.shape == (2, 4)


def test_a_wrong_width():
    encoder = ModuleEncoder(nn.Conv2d(3, 6, 3), width=5).build(IMAGE)
    with pytest.raises(ValueError, match=r"width=5\): Conv2d returned a tensor of shape \(4, 6, 6, 6\)"):
        encode(encoder, PICTURES)


def test_a_module_that_cannot_read_the_block():
    with pytest.raises(ValueError, match=r"Linear cannot read block 'photo' \(image, one row of shape \(8, 8, 3\)\)"):
        ModuleEncoder(nn.Linear(7, 4)).build(IMAGE)


@pytest.mark.parametrize(
    ("module", "got"), [(nn.LSTM(3, 4, batch_first=True), "a tuple"), (nn.Flatten(0), "1 dimensions")]
)
def test_a_module_that_returns_something_else(module, got):
    spec = TabularSpec(name="tabular", shape=(), n_numbers=3)
    with pytest.raises(TypeError, match=f"2, 3 or 4 dimensions .*got {got}.*Wrap it"):
        ModuleEncoder(module).build(spec)


def test_an_encoder_is_not_wrapped():
    with pytest.raises(TypeError, match=r"got the encoder CNNEncoder. Pass it as it is: encoder=CNNEncoder\("):
        ModuleEncoder(CNNEncoder()).build(IMAGE)


@pytest.mark.parametrize("params", [{"module": "resnet"}, {"module": nn.Linear}, {"trainable": True}, {"width": 0}])
def test_senseless_parameters(params):
    with pytest.raises(ValueError, match="parameter of ModuleEncoder must be"):
        ModuleEncoder(**{"module": nn.Linear(2, 2), **params})._validate_params()


def test_batch_normalisation_of_one_value_says_what_to_do():
    spec = ImageSpec(shape=(4, 4, 3), mean=(0.5,) * 3, std=(0.2,) * 3)
    module = nn.Sequential(nn.Conv2d(3, 6, 4), nn.BatchNorm2d(6))
    encoder = ModuleEncoder(module, trainable="all").build(spec).train()
    pictures = encoder.prepare(torch.zeros(2, 4, 4, 3, dtype=torch.uint8))
    assert encoder(pictures).pooled.shape == (2, 6)
    with pytest.raises(ValueError, match=r"ModuleEncoder: a batch normalisation of Sequential .* Pass batch_size=2"):
        encoder(pictures[:1])


@pytest.mark.parametrize("trainable", ["none", "all"])
def test_what_is_frozen_is_said_before_and_after_build(trainable):
    module = nn.Linear(3, 2).requires_grad_(False)
    encoder = ModuleEncoder(module, trainable=trainable)
    built = clone(encoder).build(TabularSpec(shape=(), n_numbers=3))
    assert encoder.frozen is built.frozen is (trainable == "none")
    assert built.requires_grad_().frozen is encoder.frozen


def frozen(seed=0, **params):
    torch.manual_seed(seed)
    return ModuleEncoder(nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)), **params)


def test_frozen_modules_that_are_the_same_are_copied_once():
    first = frozen().build(IMAGE)
    assert frozen().build(IMAGE).layers is first.layers
    assert clone(first).build(IMAGE).layers is first.layers
    assert copy.deepcopy(first).layers is first.layers
    assert pickle.loads(pickle.dumps(first)).layers is first.layers
    assert frozen(seed=1).build(IMAGE).layers is not first.layers
    trained = [frozen(trainable="all").build(IMAGE).layers for _ in range(2)]
    assert trained[0] is not trained[1]


def test_copies_have_a_module_of_their_own():
    first = frozen().build(IMAGE)
    for other in (pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        assert other.module is not first.module
        assert other.module is not first.layers
        with torch.no_grad():
            other.module[0].weight.zero_()
        torch.testing.assert_close(encode(other, PICTURES).pooled, encode(first, PICTURES).pooled)
        assert other.module.training
        assert all(weight.requires_grad for weight in other.module.parameters())
    assert copy.copy(first).module is first.module


def test_a_module_that_is_changed_after_build_changes_nothing_that_was_built():
    encoder = frozen().build(IMAGE)
    before = encode(encoder, PICTURES).pooled
    with torch.no_grad():
        encoder.module[0].weight.mul_(2)
    for built in (encoder, pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder)):
        assert torch.equal(encode(built, PICTURES).pooled, before)
        assert torch.equal(built.module[0].weight, encoder.module[0].weight)
    assert not torch.allclose(encode(clone(encoder).build(IMAGE), PICTURES).pooled, before)


def test_what_is_converted_or_loaded_leaves_other_encoders_alone():
    first, second, third = frozen().build(IMAGE), frozen().build(IMAGE), frozen().build(IMAGE)
    before = encode(first, PICTURES).pooled
    second.double()
    third.load_state_dict(frozen(seed=1).build(IMAGE).state_dict())
    assert second.layers[0].weight.dtype == second.mean.dtype == torch.float64
    assert list(second.state_dict()) == list(first.state_dict())
    assert first.layers[0].weight.dtype == torch.float32
    assert torch.equal(encode(first, PICTURES).pooled, before)
    assert not torch.allclose(encode(third, PICTURES).pooled, before)
    assert second.float().layers is first.layers


def test_a_pickle_has_a_frozen_module_once():
    encoder = ModuleEncoder(nn.Linear(500, 500))
    built = clone(encoder).build(TabularSpec(shape=(), n_numbers=500))
    size = len(pickle.dumps(encoder.module))
    assert len(pickle.dumps([encoder, built, clone(encoder)])) < 1.05 * size
    encoder.module.weight.data.zero_()
    assert len(pickle.dumps([encoder, built])) > 1.9 * size
