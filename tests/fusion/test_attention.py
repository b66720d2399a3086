import numpy as np
import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import AttentionFusion

WIDTHS = {"image": 3, "text": 2, "tabular": 4}
TOKEN_WIDTHS = {"image": 5, "text": 2, "tabular": 4}
PRESENT = torch.tensor([[True, True, True], [True, True, False], [False, True, False], [True, False, True]])


def features(present=PRESENT):
    generator = torch.Generator().manual_seed(0)
    blocks = {}
    for (name, width), here, n_tokens in zip(WIDTHS.items(), present.unbind(1), (4, 3, 1), strict=True):
        mask = torch.rand(len(present), n_tokens, generator=generator) < 0.7
        tokens = torch.randn(len(present), n_tokens, TOKEN_WIDTHS[name], generator=generator)
        blocks[name] = Features(torch.randn(len(present), width, generator=generator), tokens, mask & here[:, None])
    return blocks


def fused_by_hand(fusion, blocks, row, by_hand):
    """Work out one row from the blocks that it has."""
    here = [place for place, name in enumerate(blocks) if PRESENT[row, place]]
    parts = {place: by_hand.parts(fusion.parts[place], blocks[list(blocks)[place]], row) for place in here}
    for layers in fusion.layers:
        after = {}
        for place in here:
            layer, x = layers[place], parts[place]
            others = np.concatenate([np.zeros((1, fusion.width)), *(parts[p] for p in here if p != place)])
            x = by_hand.norm(layer.attention_norm, x + by_hand.attend(layer.attention, x, x))
            x = by_hand.norm(layer.other_norm, x + by_hand.attend(layer.other_attention, x, others))
            after[place] = by_hand.norm(layer.mlp_norm, x + by_hand.think(layer, x))
        parts = after
    return np.mean([x.mean(0) for x in parts.values()], 0)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_by_hand(by_hand, n_layers):
    torch.manual_seed(0)
    fusion = AttentionFusion(width=4, n_heads=2, n_layers=n_layers).build(WIDTHS, 3, TOKEN_WIDTHS).eval()
    with torch.no_grad():
        for weight in fusion.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.3)  # so that biases and norms matter
    blocks = features()
    with torch.no_grad():
        fused = fusion(blocks, PRESENT)
    for row in range(len(PRESENT)):
        np.testing.assert_allclose(fused[row], fused_by_hand(fusion, blocks, row, by_hand), atol=1e-5)


def test_the_tokens_of_one_block_change_what_another_says():
    torch.manual_seed(0)
    fusion = AttentionFusion(width=8).build(WIDTHS, 3, TOKEN_WIDTHS).eval()
    present = torch.ones(1, 3, dtype=torch.bool)

    def fuse(image, text):
        blocks = features(present)
        for name, shift in (("image", image), ("text", text)):
            blocks[name] = blocks[name]._replace(tokens=blocks[name].tokens + shift, mask=blocks[name].mask | True)
        with torch.no_grad():
            return fusion(blocks, present)

    interplay = fuse(2, 2) - fuse(2, 0) - fuse(0, 2) + fuse(0, 0)  # zero if what the blocks say only added up
    assert interplay.abs().max() > 1e-2


def test_a_block_without_any_token_is_heard_by_its_pooled_vector():
    fusion = AttentionFusion(width=8).build(WIDTHS, 3, TOKEN_WIDTHS).eval()
    blocks = {name: f._replace(mask=torch.zeros_like(f.mask)) for name, f in features().items()}
    other = {**blocks, "text": blocks["text"]._replace(pooled=blocks["text"].pooled + 1)}
    with torch.no_grad():
        changed = (fusion(blocks, PRESENT) - fusion(other, PRESENT)).abs().amax(1) > 1e-4
    assert changed.tolist() == PRESENT[:, 1].tolist()
