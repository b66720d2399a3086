"""Short names of wide parts, and where there is one."""

from sklearn_mm.networks.wide._block_model import has_model, is_frozen
from sklearn_mm.networks.wide._wide_linear import WideLinear
from sklearn_mm.utils._registry import Registry

__all__ = ["resolve_wide", "wides"]

wides = Registry("wide part", WideLinear)
wides.register("auto", WideLinear)
wides.register("linear", WideLinear)


def resolve_wide(wide, specs):
    """Return the wide part for blocks, its parameters checked, or None if it would see none of them."""
    if wide is None:
        return None
    wide = wides.resolve(wide)
    if not any(has_model(spec) or is_frozen(spec) for spec in specs.values()):
        return None
    wide._validate_params()
    return wide
