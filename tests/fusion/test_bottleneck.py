import numpy as np
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import BottleneckFusion

WIDTHS = {"image": 3, "text": 2}
TOKEN_WIDTHS = {"image": 5, "text": 2}
PRESENT = torch.tensor([[True, True], [True, False], [False, True]])


def features():
    generator = torch.Generator().manual_seed(0)
    mask = {
        "image": torch.tensor([[True, True, False], [True] * 3, [False] * 3]),
        "text": torch.tensor([[True, False], [False, False], [True, True]]),
    }
    return {
        name: Features(
            torch.randn(3, WIDTHS[name], generator=generator),
            torch.randn(*mask[name].shape, TOKEN_WIDTHS[name], generator=generator),
            mask[name],
        )
        for name in WIDTHS
    }


def build(**params):
    torch.manual_seed(0)
    fusion = BottleneckFusion(width=4, n_heads=2, **params).build(WIDTHS, 3, TOKEN_WIDTHS).eval()
    with torch.no_grad():
        for weight in fusion.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.3)  # so that biases and norms matter
    return fusion


def fused_by_hand(fusion, blocks, row, by_hand):
    """Work out one row from the blocks that it has."""
    here = [place for place, name in enumerate(blocks) if PRESENT[row, place]]
    parts = {place: by_hand.parts(fusion.parts[place], blocks[list(blocks)[place]], row) for place in here}
    shared = fusion.bottlenecks.detach().double().numpy()
    for layers in fusion.layers:
        told = {}
        for place in here:
            layer, x = layers[place], np.concatenate([parts[place], shared])
            x = by_hand.norm(layer.attention_norm, x + by_hand.attend(layer.attention, x, x))
            x = by_hand.norm(layer.mlp_norm, x + by_hand.think(layer, x))
            parts[place], told[place] = x[: -len(shared)], x[-len(shared) :]
        shared = np.mean(list(told.values()), 0)
    return np.mean([parts[place][0] for place in here], 0)


def test_by_hand(by_hand):
    fusion = build(n_bottlenecks=2, n_layers=3)
    blocks = features()
    with torch.no_grad():
        fused = fusion(blocks, PRESENT)
    for row in range(len(PRESENT)):
        np.testing.assert_allclose(fused[row], fused_by_hand(fusion, blocks, row, by_hand), atol=1e-5)


def test_blocks_hear_of_each_other_through_the_bottleneck_alone():
    fusion = build()
    blocks = features()

    def influence():
        """Return how much a change of the text changes what becomes of the image's pooled vector."""
        seen = []
        handle = fusion.layers[-1][0].register_forward_hook(lambda layer, inputs, out: seen.append(out[0, 0]))
        with torch.no_grad():
            for text in (blocks["text"], blocks["text"]._replace(pooled=blocks["text"].pooled + 1)):
                fusion({**blocks, "text": text}, PRESENT)
        handle.remove()
        return (seen[0] - seen[1]).abs().max().item()

    assert influence() > 1e-4
    with torch.no_grad():  # in the first layer, what the text tells the bottleneck
        for weight in fusion.layers[0][1].attention.out.parameters():
            weight.zero_()
    assert influence() == 0
