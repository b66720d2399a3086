"""The shared checks over every registered fusion."""

import pytest

from sklearn_mm.fusion._registry import fusions
from sklearn_mm.utils._component_checks import yield_fusion_checks


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{label}-{name}")
        for label, make in fusions.items()
        for name, check in yield_fusion_checks(make())
    ],
)
def test_fusion(check):
    check()
