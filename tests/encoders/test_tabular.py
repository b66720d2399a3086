import numpy as np
import pytest
import torch

from sklearn_mm import MultimodalRegressor
from sklearn_mm.encoders import MLPEncoder
from sklearn_mm.preprocessing import Blocks, TabularSpec

SPEC = TabularSpec(name="tabular", shape=(), n_numbers=2, cardinalities=(4, 3))
ROWS = {
    "numbers": torch.tensor([[0.5, -1.0], [2.0, 3.0]]),
    "codes": torch.tensor([[2, 0], [3, 2]]),
}


def test_without_layers_by_hand():
    encoder = MLPEncoder(hidden_layer_sizes=(), embedding_dim=1, n_bins=None).build(SPEC).eval()
    with torch.no_grad():
        encoder.embedding.weight[:, 0] = torch.arange(10.0, 17.0)  # codes 0–3 of the first column, 0–2 of the second
    expected = torch.tensor([[0.5, -1.0, 12.0, 14.0], [2.0, 3.0, 13.0, 16.0]])
    features = encoder(ROWS)
    assert torch.equal(features.pooled, expected)
    assert torch.equal(features.tokens[:, 0], expected)
    assert encoder.out_features == encoder.token_features == 4


def test_one_layer_by_hand():
    encoder = MLPEncoder(hidden_layer_sizes=(2,), activation="relu", n_bins=None)
    encoder = encoder.build(TabularSpec(shape=(), n_numbers=2)).eval()
    with torch.no_grad():
        encoder.layers[0].weight.copy_(torch.tensor([[1.0, 1.0], [2.0, 0.0]]))
        encoder.layers[0].bias.copy_(torch.tensor([0.25, -1.0]))
    rows = {"numbers": ROWS["numbers"], "codes": torch.zeros(2, 0, dtype=torch.long)}
    torch.testing.assert_close(encoder(rows).pooled, torch.tensor([[0.0, 0.0], [5.25, 3.0]]))


def table_of(name, numbers, n_codes=0):
    rows = np.zeros(len(numbers), dtype=[("numbers", np.float32, (numbers.shape[1],)), ("codes", np.int32, (n_codes,))])
    rows["numbers"] = numbers
    return rows, TabularSpec(name=name, shape=(), n_numbers=numbers.shape[1])


def start(encoder, tables, present=None):
    arrays = {name: rows for name, (rows, _) in tables.items()}
    blocks = Blocks(arrays, {name: spec for name, (_, spec) in tables.items()}, present)
    encoder.start(blocks, None, np.ones(len(blocks)), torch.Generator())
    return encoder.bins.low


def test_bins_are_those_of_the_rows_that_have_the_block():
    table = table_of("table", np.arange(20.0)[:, None])
    present = np.arange(20)[:, None] >= 10
    low = start(MLPEncoder(n_bins=3).build(table[1]), {"table": table}, present)
    assert low.tolist() == [[10, 13, 16]]


def test_bins_of_a_shared_encoder_are_those_of_all_its_blocks():
    one, two = table_of("one", np.arange(10.0)[:, None]), table_of("two", np.arange(10.0, 20.0)[:, None])
    low = start(MLPEncoder(n_bins=2).build(one[1]), {"one": one, "two": two})
    assert low.tolist() == [[0, 9]]


@pytest.mark.parametrize(
    ("n_numbers", "n_bins", "expected"), [(3, 8, 8), (100, 32, 10), (512, 32, 2), (513, 32, 0), (3, None, 0)]
)
def test_many_numbers_have_fewer_bins(n_numbers, n_bins, expected):
    encoder = MLPEncoder(hidden_layer_sizes=(), n_bins=n_bins).build(TabularSpec(shape=(), n_numbers=n_numbers))
    assert encoder.out_features == n_numbers * (1 + expected)


def test_jumps_are_learnt():
    X = np.random.default_rng(0).uniform(-1, 1, size=(400, 1))
    y = np.floor(4 * X[:, 0]) % 2  # up and down at every quarter
    reg = MultimodalRegressor(max_epochs=20, random_state=0).fit(X[:300], y[:300])
    assert reg.score(X[300:], y[300:]) > 0.8


def test_what_is_unseen_or_missing_starts_as_nothing():
    encoder = MLPEncoder().build(SPEC)
    zero = (encoder.embedding.weight == 0).all(1)
    assert zero.tolist() == [True, True, False, False, True, True, False]


def test_unseen_categories_are_trained_for():
    encoder = MLPEncoder(code_dropout=0.5).build(SPEC)
    rows = {"numbers": torch.zeros(64, 2), "codes": torch.full((64, 2), 2)}
    encoder(rows).pooled.sum().backward()
    touched = encoder.embedding.weight.grad.any(1)
    assert touched.tolist() == [True, False, True, False, True, False, True]


@pytest.mark.parametrize("code_dropout", [0.0, 0.5])
def test_codes_are_hidden_in_training_only(code_dropout):
    encoder = MLPEncoder(code_dropout=code_dropout, dropout=0.0).build(SPEC)
    rows = {"numbers": torch.zeros(64, 2), "codes": torch.full((64, 2), 2)}
    with torch.no_grad():
        n_kinds = [len(encoder.train(mode)(rows).pooled.unique(dim=0)) for mode in (True, False)]
    assert n_kinds == [4 if code_dropout else 1, 1]
    assert (rows["codes"] == 2).all()


def test_a_table_without_columns():
    with pytest.raises(ValueError, match="block 'tabular' with neither numbers nor categories"):
        MLPEncoder().build(TabularSpec(name="tabular", shape=(), n_numbers=0))


@pytest.mark.parametrize(
    "params",
    [
        {"hidden_layer_sizes": 128},
        {"hidden_layer_sizes": (128, -1)},
        {"activation": "tanh"},
        {"n_bins": 1},
        {"code_dropout": 1.0},
    ],
)
def test_senseless_parameters(params):
    with pytest.raises(ValueError, match="parameter of MLPEncoder must be"):
        MLPEncoder(**params)._validate_params()
