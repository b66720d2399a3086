import pytest
import torch
import torch.nn as nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import AttentionFusion, BottleneckFusion
from sklearn_mm.fusion._cross_attention import FusionLayer


def copy_attention(ours, theirs):
    """Let torch's attention have the weights of one of ours."""
    theirs.in_proj_weight.copy_(torch.cat([ours.queries.weight, ours.keys_values.weight]))
    theirs.in_proj_bias.copy_(torch.cat([ours.queries.bias, ours.keys_values.bias]))
    theirs.out_proj.load_state_dict(ours.out.state_dict())


def test_a_layer_is_that_of_torch():
    torch.manual_seed(0)
    layer = FusionLayer(8, 2, 0.0, looks_at_others=True)
    torchs = nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.3)  # so that biases and norms matter
        copy_attention(layer.attention, torchs.self_attn)
        copy_attention(layer.other_attention, torchs.multihead_attn)
    torchs.linear1.load_state_dict(layer.mlp[0].state_dict())
    torchs.linear2.load_state_dict(layer.mlp[3].state_dict())
    for theirs, ours in ((torchs.norm1, layer.attention_norm), (torchs.norm2, layer.other_norm)):
        theirs.load_state_dict(ours.state_dict())
    torchs.norm3.load_state_dict(layer.mlp_norm.state_dict())

    parts, others = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    mask, others_mask = torch.rand(3, 4) < 0.7, torch.rand(3, 5) < 0.7
    mask[:, 0] = others_mask[:, 0] = True
    expected = torchs(parts, others, tgt_key_padding_mask=~mask, memory_key_padding_mask=~others_mask)
    torch.testing.assert_close(layer(parts, parts, mask, others, others_mask), expected)
    some = layer(parts[:, :1], parts, mask, others, others_mask)  # who looks does not depend on who else does
    torch.testing.assert_close(some, expected[:, :1])


@pytest.mark.parametrize("fusion", [AttentionFusion(width=16), BottleneckFusion(width=16)])
def test_training_takes_the_fused_kernel_alone(fusion):
    mask = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])
    present = torch.tensor([[True, True], [True, False], [False, True]])
    features = {
        "image": Features(torch.randn(3, 3), torch.randn(3, 3, 5), mask & present[:, :1]),
        "text": Features(torch.randn(3, 2), torch.randn(3, 3, 2), mask & present[:, 1:]),
    }
    fusion.build({"image": 3, "text": 2}, 2, {"image": 5, "text": 2}).train()
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # or there is an error, as for any with dropout on a CPU
        fusion(features, present).sum().backward()
    assert all(weight.grad is not None for weight in fusion.parameters())
