"""Short names of fusions."""

from sklearn_mm.fusion._attention import AttentionFusion
from sklearn_mm.fusion._base import Fusion
from sklearn_mm.fusion._bilinear import BilinearFusion
from sklearn_mm.fusion._bottleneck import BottleneckFusion
from sklearn_mm.fusion._elementwise import ConcatFusion, MaxFusion, ProductFusion, SumFusion
from sklearn_mm.fusion._film import FiLMFusion
from sklearn_mm.fusion._gated import GatedFusion
from sklearn_mm.fusion._late import LateFusion
from sklearn_mm.fusion._lowrank import LowRankTensorFusion
from sklearn_mm.utils._registry import Registry

__all__ = ["fusions", "resolve_fusion"]

fusions = Registry("fusion", Fusion)
fusions.register("attention", AttentionFusion)
fusions.register("auto", ConcatFusion)
fusions.register("bilinear", BilinearFusion)
fusions.register("bottleneck", BottleneckFusion)
fusions.register("concat", ConcatFusion)
fusions.register("film", FiLMFusion)
fusions.register("gated", GatedFusion)
fusions.register("late", LateFusion)
fusions.register("lowrank", LowRankTensorFusion)
fusions.register("max", MaxFusion)
fusions.register("product", ProductFusion)
fusions.register("sum", SumFusion)

resolve_fusion = fusions.resolve
