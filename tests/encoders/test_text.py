import pytest
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklearn_mm.encoders import BagEncoder, RNNEncoder
from sklearn_mm.preprocessing import TextSpec

SPEC = TextSpec(shape=(9,), vocab_size=20, tokenizer="word")
IDS = torch.tensor([[3, 4, 5, 0, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9]])
LENGTHS = torch.tensor([3, 1, 9])
TORCH_CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def n_weights(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_masks_do_what_packing_does(cell, n_layers, bidirectional):
    encoder = RNNEncoder(6, 5, cell, n_layers=n_layers, bidirectional=bidirectional).build(SPEC).eval()
    packed = TORCH_CELLS[cell](6, 5, n_layers, batch_first=True, bidirectional=bidirectional)
    weights = {}
    for layer in range(n_layers):
        for name, weight in encoder.rightward[layer].state_dict().items():
            weights[name.replace("_l0", f"_l{layer}")] = weight
        if bidirectional:
            for name, weight in encoder.leftward[layer].state_dict().items():
                weights[name.replace("_l0", f"_l{layer}_reverse")] = weight
    packed.load_state_dict(weights)

    with torch.no_grad():
        features = encoder(IDS)
        inputs = pack_padded_sequence(encoder.embedding(IDS), LENGTHS, batch_first=True, enforce_sorted=False)
        states, last = packed(inputs)
    states, _ = pad_packed_sequence(states, batch_first=True)
    last = (last[0] if cell == "lstm" else last)[-(1 + bidirectional) :]  # of the last layer, by direction
    torch.testing.assert_close(features.tokens, states)
    torch.testing.assert_close(features.pooled, torch.cat(list(last), 1))


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        ("mean", lambda tokens: tokens.mean(0)),
        ("max", lambda tokens: tokens.amax(0)),
        ("last", lambda tokens: tokens[-1]),
    ],
)
def test_pooling_sees_the_tokens_only(pool, expected):
    encoder = RNNEncoder(6, 5, pool=pool, dense_units=4).build(SPEC).eval()
    with torch.no_grad():
        pooled, tokens, mask = encoder(IDS)
    assert torch.equal(mask, IDS != 0)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(pooled[row], expected(tokens[row, :length]))
        assert not tokens[row, length:].any()


@pytest.mark.parametrize("pool", ["mean", "max", "last", "flatten"])
def test_a_text_without_tokens_is_zeros(pool):
    encoder = RNNEncoder(6, 5, pool=pool, dense_units=4, bidirectional=True).build(SPEC).eval()
    features = encoder(torch.zeros(2, 9, dtype=torch.long))
    assert not features.pooled.any()
    assert not features.mask.any()


def test_rnn_expresses_the_keras_stack():
    spec = TextSpec(shape=(10,), vocab_size=1000, tokenizer="word")
    encoder = RNNEncoder(128, 64, "lstm", pool="flatten", dense_units=64).build(spec)
    assert n_weights(encoder.embedding) == 128_000
    assert n_weights(encoder.rightward) == 4 * (128 * 64 + 64 * 64 + 64) + 4 * 64  # Keras's, and a second bias
    assert n_weights(encoder.dense) == 64 * 64 + 64
    assert n_weights(encoder) == 128_000 + 49_664 + 4_160
    assert encoder.out_features == 10 * 64
    pooled, tokens, _ = encoder(torch.randint(1, 1000, (2, 10)))
    assert torch.equal(pooled, tokens.flatten(1))


def test_only_flatten_fixes_the_length():
    assert RNNEncoder(pool="flatten").fixed_length
    assert not any(RNNEncoder(pool=pool).fixed_length for pool in ("last", "mean", "max"))


@pytest.mark.filterwarnings("ignore:The tensor attributes")
def test_rnn_can_be_exported():
    encoder = RNNEncoder(4, 3, "gru", bidirectional=True).build(SPEC).eval()
    program = torch.export.export(encoder, (IDS,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    more = torch.cat([IDS, IDS.flip(0)])
    with torch.no_grad():
        torch.testing.assert_close(program.module()(more)[0], encoder(more).pooled)


@pytest.mark.parametrize("encoder", [RNNEncoder(4, 3, n_layers=2, dropout=0.5), BagEncoder(4)])
def test_dropout_acts_in_training_only(encoder):
    encoder = encoder.build(SPEC)
    assert not torch.equal(encoder(IDS).pooled, encoder(IDS).pooled)
    encoder.eval()
    assert torch.equal(encoder(IDS).pooled, encoder(IDS).pooled)


def test_bag_by_hand():
    encoder = BagEncoder(embedding_dim=2).build(SPEC).eval()
    with torch.no_grad():
        encoder.embedding.weight[3:6] = torch.tensor([[1.0, 2.0], [3.0, 0.0], [2.0, -5.0]])
    pooled, tokens, mask = encoder(IDS[:1])
    torch.testing.assert_close(pooled, torch.tensor([[2.0, -1.0]]))
    torch.testing.assert_close(tokens[0, :3], torch.tensor([[1.0, 2.0], [3.0, 0.0], [2.0, -5.0]]))
    assert mask.sum() == 3


def test_bag_does_not_depend_on_order():
    encoder = BagEncoder(8).build(SPEC).eval()
    torch.testing.assert_close(encoder(IDS[2:]).pooled, encoder(IDS[2:].flip(1)).pooled)


def test_bag_outlives_the_loss_of_all_tokens():
    encoder = BagEncoder(4, token_dropout=0.99).build(SPEC)
    pooled = encoder(IDS).pooled
    pooled.sum().backward()
    assert pooled.isfinite().all()
    assert encoder.embedding.weight.grad.isfinite().all()


@pytest.mark.parametrize("encoder", [RNNEncoder(4, 3), BagEncoder(4)])
def test_padding_is_never_trained(encoder):
    encoder = encoder.build(SPEC)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=1.0)
    encoder(IDS).pooled.sum().backward()
    optimizer.step()
    assert not encoder.embedding.weight[0].any()
