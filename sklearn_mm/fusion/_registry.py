"""Short names of fusions."""

from sklearn_mm.fusion._base import Fusion
from sklearn_mm.fusion._elementwise import ConcatFusion, MaxFusion, ProductFusion, SumFusion
from sklearn_mm.fusion._gated import GatedFusion
from sklearn_mm.fusion._late import LateFusion
from sklearn_mm.utils._registry import Registry

__all__ = ["fusions", "resolve_fusion"]

fusions = Registry("fusion", Fusion)
fusions.register("auto", ConcatFusion)
fusions.register("concat", ConcatFusion)
fusions.register("gated", GatedFusion)
fusions.register("late", LateFusion)
fusions.register("max", MaxFusion)
fusions.register("product", ProductFusion)
fusions.register("sum", SumFusion)

resolve_fusion = fusions.resolve
