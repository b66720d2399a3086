"""Vectors that were computed elsewhere, as they are."""

from typing import Any, Self

import torch

from sklearn_mm.blocks import BlockSpec, TabularSpec
from sklearn_mm.encoders._base import Encoder, Features

__all__ = ["VectorEncoder"]


class VectorEncoder(Encoder):
    """Pass on vectors (embeddings) that were computed elsewhere, as they are: nothing is learnt here (frozen).

    For blocks of vectors of any kind: what a function made of cells
    (`sklearn_mm.preprocessing.EmbeddingTransformer`), and, where all columns of a `sklearn_mm.TabularInput` are vectors
    or numbers, its numbers, which are scaled.

    Attributes
    ----------
    out_features : int
        Width of the vectors, set by `build`.
    token_features : int
        The same: a vector counts as one token.

    Examples
    --------
    >>> import torch
    >>> from sklearn_mm.encoders import VectorEncoder
    >>> from sklearn_mm.preprocessing import VectorSpec
    >>> encoder = VectorEncoder().build(VectorSpec(kind="text", shape=(3,)))
    >>> encoder(torch.tensor([[0.5, 1.0, 0.0]])).pooled
    tensor([[0.5000, 1.0000, 0.0000]])

    A column of vectors as a block of its own:

    >>> import pandas as pd
    >>> from sklearn_mm import ModalityTransformer, TabularInput
    >>> X = pd.DataFrame({"price": [1.5, 2.5], "embedding": [[0.1, 0.7, 0.2], [0.3, 0.1, 0.9]]})
    >>> own = TabularInput("embedding", encoder=VectorEncoder())
    >>> blocks = ModalityTransformer(inputs=[("embedding", own), ("rest", TabularInput("price"))]).fit_transform(X)
    >>> blocks["embedding"]["numbers"].shape
    (2, 3)
    """

    frozen = True
    reads_vectors = True
    length_costs = False

    def build(self, spec: BlockSpec) -> Self:
        is_table = isinstance(spec, TabularSpec)
        shape = (spec.n_numbers,) if is_table else spec.shape
        if len(shape) != 1 or spec.padded or (is_table and spec.cardinalities):
            held = f"{len(spec.cardinalities)} columns of categories" if is_table else f"rows of shape {spec.shape}"
            raise ValueError(
                f"VectorEncoder passes on vectors, but block {spec.name!r} of kind {spec.kind!r} holds "
                f"{'token ids' if spec.padded else held}. Take another encoder for it, or let an EmbeddingTransformer "
                f"make vectors of its cells."
            )
        self._is_table = is_table
        self.out_features = self.token_features = shape[0]
        return self

    def prepare(self, x: Any) -> torch.Tensor:
        """Return the vectors of rows, float32."""
        return (x["numbers"] if self._is_table else x).float()

    def forward(self, x: torch.Tensor) -> Features:
        return Features(x, x.unsqueeze(1), x.new_ones(len(x), 1, dtype=torch.bool))
