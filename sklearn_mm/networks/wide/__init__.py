"""The wide part of a network: a linear model whose out-of-fold predictions are the offset of the rest (stacking)."""

from sklearn_mm.networks.wide._deep_share import settle_share
from sklearn_mm.networks.wide._registry import resolve_wide
from sklearn_mm.networks.wide._wide_linear import WideLinear

__all__ = ["WideLinear", "resolve_wide", "settle_share"]
