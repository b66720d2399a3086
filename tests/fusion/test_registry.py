import pytest
import torch.nn as nn

from sklearn_mm import fusion
from sklearn_mm.fusion import Fusion
from sklearn_mm.fusion._registry import fusions, resolve_fusion


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("attention", fusion.AttentionFusion),
        ("bilinear", fusion.BilinearFusion),
        ("bottleneck", fusion.BottleneckFusion),
        ("concat", fusion.ConcatFusion),
        ("film", fusion.FiLMFusion),
        ("gated", fusion.GatedFusion),
        ("late", fusion.LateFusion),
        ("lowrank", fusion.LowRankTensorFusion),
        ("max", fusion.MaxFusion),
        ("product", fusion.ProductFusion),
        ("sum", fusion.SumFusion),
    ],
)
def test_names(name, expected):
    resolved = resolve_fusion(name)
    assert type(resolved) is expected
    assert resolve_fusion(resolved) is resolved


def test_every_public_fusion_has_a_name():
    public = {getattr(fusion, name) for name in fusion.__all__} - {Fusion}
    assert {type(make()) for _, make in fusions.items()} == public


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("gatd", ValueError, "Unknown fusion 'gatd'. Did you mean 'gated'"),
        (fusion.GatedFusion, TypeError, r"write GatedFusion\(\)"),
        (nn.Linear(2, 2), TypeError, "instance of Fusion, got an object of type Linear"),
        (None, TypeError, "got an object of type NoneType"),
    ],
)
def test_what_is_not_a_fusion(what, error, message):
    with pytest.raises(error, match=message):
        resolve_fusion(what)
