"""Scaling of one column of numbers (robust, standard or by quantiles), huge and missing ones among them."""

import numpy as np
from sklearn.preprocessing import QuantileTransformer

__all__ = ["Scaling", "varies"]

_N_QUANTILES = 1000
_LARGEST = 1e9  # of a scaled number; its square is still far from the end of float32


class Scaling:
    """Centre and scale of one column of numbers; what is missing becomes the centre, 0."""

    def __init__(self, method):
        self.method = method

    def fit(self, values):
        present = values[~np.isnan(values)]
        self.is_constant = not varies(present)
        if self.is_constant:
            return
        # Dividing by a power of two costs no precision and keeps differences and squares of huge numbers finite.
        self.exponent = np.frexp(np.abs(present).max())[1]
        present = np.ldexp(present, -self.exponent)
        if self.method == "quantile":
            n_quantiles = min(_N_QUANTILES, len(present))
            self.quantiles = QuantileTransformer(
                n_quantiles=n_quantiles, output_distribution="normal", subsample=None
            ).fit(present[:, None])
        elif self.method == "standard":
            self.centre, self.width = present.mean(), present.std()
        else:
            low, first, self.centre, third, high = np.quantile(present, [0, 0.25, 0.5, 0.75, 1])
            self.width = third - first or (high - low) / 2

    def apply(self, values):
        if self.is_constant:
            return np.zeros(len(values), dtype=np.float32)
        with np.errstate(over="ignore"):
            values = np.ldexp(values, -self.exponent)
            if self.method != "quantile":
                values = (values - self.centre) / self.width
        values = np.clip(values, -_LARGEST, _LARGEST)
        if self.method == "quantile":
            values = self.quantiles.transform(values[:, None])[:, 0] if len(values) else values
        elif self.method == "robust":
            values = values / np.sqrt(1 + (values / 3) ** 2)
        return np.nan_to_num(values, nan=0.0).astype(np.float32)


def varies(values):
    """Return whether values that are not missing differ."""
    present = values[~np.isnan(values)]
    return len(present) > 0 and present.min() < present.max()
