import pytest
import torch
import torch.nn as nn

from sklearn_mm.encoders import SelfAttentionEncoder, ViTEncoder
from sklearn_mm.encoders._self_attention_layers import AttentionLayers
from sklearn_mm.preprocessing import ImageSpec, TextSpec
from sklearn_mm.utils._waves import waves

MASK = torch.tensor([[True, True, True, False, False], [True, False, False, False, False], [True] * 5])


def torchs_own(layers):
    """torch's encoder with the same weights, which has no gains."""
    for layer in layers.layers:
        for gain in (layer.attention_gain, layer.mlp_gain):
            nn.init.ones_(gain)
    layer = nn.TransformerEncoderLayer(8, 2, 24, 0.0, "gelu", batch_first=True, norm_first=True)
    other = nn.TransformerEncoder(layer, len(layers.layers), nn.LayerNorm(8), enable_nested_tensor=False)
    names = {
        "attention_norm": "norm1",
        "queries_keys_values.weight": "self_attn.in_proj_weight",
        "queries_keys_values.bias": "self_attn.in_proj_bias",
        "attention_out": "self_attn.out_proj",
        "mlp_norm": "norm2",
        "mlp.0": "linear1",
        "mlp.3": "linear2",
    }
    state = {}
    for name, weight in layers.state_dict().items():
        if name.endswith("gain"):
            continue
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = weight
    other.load_state_dict(state)
    return other


@pytest.mark.parametrize("n_layers", [1, 3])
def test_layers_are_those_of_torch(n_layers):
    layers = AttentionLayers(8, n_layers, n_heads=2, mlp_ratio=3, dropout=0.0, pool="mean")
    tokens = torch.randn(3, 5, 8)
    expected = torchs_own(layers)(tokens, src_key_padding_mask=~MASK)
    _, got = layers(tokens, MASK)
    torch.testing.assert_close(got[MASK], expected[MASK])
    assert not got[~MASK].any()


@pytest.mark.parametrize("pool", ["mean", "max", "token"])
def test_what_is_pooled(pool):
    layers = AttentionLayers(8, 1, n_heads=2, mlp_ratio=1, dropout=0.0, pool=pool)
    tokens = torch.randn(3, 5, 8)
    pooled, read = layers(tokens, MASK)
    assert read.shape == tokens.shape
    for row in range(3):
        kept = read[row][MASK[row]]
        if pool != "token":
            torch.testing.assert_close(pooled[row], kept.mean(0) if pool == "mean" else kept.amax(0))
    if pool == "token":
        alone = AttentionLayers(8, 1, n_heads=2, mlp_ratio=1, dropout=0.0, pool="mean")
        alone.load_state_dict({k: v for k, v in layers.state_dict().items() if k != "class_token"})
        _, read = alone(torch.cat([torch.zeros(1, 1, 8), tokens[2:]], 1), torch.ones(1, 6, dtype=torch.bool))
        torch.testing.assert_close(pooled[2:], read[:, 0])


@pytest.mark.parametrize("pool", ["mean", "max", "token"])
@pytest.mark.parametrize("mode", [False, True])
def test_rows_without_tokens_are_zeros_and_have_finite_gradients(pool, mode):
    layers = AttentionLayers(8, 2, n_heads=2, mlp_ratio=1, dropout=0.1, pool=pool).train(mode)
    tokens = torch.randn(3, 5, 8, requires_grad=True)
    pooled, read = layers(tokens, MASK & torch.tensor([[True], [False], [True]]))
    assert not pooled[1].any()
    assert not read[1].any()
    (pooled.sum() + read.square().sum()).backward()
    assert tokens.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in layers.parameters())


def test_evaluation_computes_what_training_does():
    layers = AttentionLayers(8, 2, n_heads=2, mlp_ratio=1, dropout=0.0, pool="mean")
    tokens = torch.randn(3, 5, 8)
    with torch.no_grad():
        torch.testing.assert_close(layers.eval()(tokens, MASK), layers.train()(tokens, MASK))


@pytest.mark.parametrize("width", [1, 2, 7, 64])
def test_waves_tell_places_apart(width):
    table = waves(50, width, torch.zeros(1))
    assert table.shape == (50, width)
    assert table.abs().max() <= 1
    assert len(table.unique(dim=0)) == 50
    torch.testing.assert_close(waves(9, width, torch.zeros(1)), table[:9])


def test_waves_by_hand():
    expected = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.841471, 0.0099998, 0.540302, 0.99995]])
    torch.testing.assert_close(waves(2, 4, torch.zeros(1)), expected)


@pytest.mark.parametrize("encoder", [SelfAttentionEncoder(width=10, n_heads=4), ViTEncoder(width=10, n_heads=4)])
def test_heads_share_out_the_width(encoder):
    text = TextSpec(shape=(9,), vocab_size=20, tokenizer="word")
    picture = ImageSpec(shape=(8, 8, 1), mean=(0.5,), std=(0.5,))
    with pytest.raises(
        ValueError, match=f"{type(encoder).__name__} needs .* multiple of n_heads, got width=10 and n_heads=4"
    ):
        encoder.build(text if encoder.kind == "text" else picture)
