import pytest
import torch

from sklearn_mm.encoders import Features
from sklearn_mm.fusion import AttentionFusion, BottleneckFusion
from sklearn_mm.fusion._parts import Parts


def test_parts_are_the_pooled_vector_and_the_tokens(by_hand):
    read = Parts(3, 2, width=4)
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    features = Features(torch.randn(3, 3), torch.randn(3, 2, 2), mask)
    parts, there = read(features, torch.tensor([True, True, False]))
    assert there.tolist() == [[True, True, True], [True, True, False], [False, False, False]]
    for row in (0, 1):
        expected = torch.from_numpy(by_hand.parts(read, features, row)).float()
        torch.testing.assert_close(parts[row][there[row]], expected)


@pytest.mark.parametrize("fusion", [AttentionFusion, BottleneckFusion])
def test_width_must_be_shared_out_among_the_heads(fusion):
    message = f"{fusion.__name__} needs a width that is a multiple of n_heads, got width=10 and n_heads=4"
    with pytest.raises(ValueError, match=message):
        fusion(width=10).build({"image": 3}, 2, {"image": 3})
