"""The shared checks over every registered fusion."""

import pytest

from sklearn_mm.fusion import AttentionFusion, BottleneckFusion
from sklearn_mm.fusion._registry import fusions
from sklearn_mm.testing._component_checks import yield_fusion_checks

FUSIONS = {label: make() for label, make in fusions.items()}
FUSIONS["attention of pooled tokens"] = AttentionFusion(max_tokens=2)
FUSIONS["bottleneck of pooled tokens"] = BottleneckFusion(max_tokens=2)


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{label}-{name}")
        for label, fusion in FUSIONS.items()
        for name, check in yield_fusion_checks(fusion)
    ],
)
def test_fusion(check):
    check()
