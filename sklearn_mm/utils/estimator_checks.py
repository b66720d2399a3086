"""Checks for people who write encoders, fusions, transformers or estimators of their own."""

from typing import Any

import pandas as pd
import torch
from numpy.typing import ArrayLike

from sklearn_mm.blocks import BlockSpec
from sklearn_mm.encoders import Encoder
from sklearn_mm.fusion import Fusion
from sklearn_mm.preprocessing import BlockTransformer
from sklearn_mm.testing._component_checks import yield_encoder_checks, yield_fusion_checks
from sklearn_mm.testing._estimator_checks import yield_estimator_checks, yield_transformer_checks

__all__ = ["check_encoder", "check_estimator", "check_fusion", "check_transformer"]


def check_encoder(
    encoder: Encoder, spec: BlockSpec | None = None, rows: torch.Tensor | dict[str, torch.Tensor] | None = None
) -> None:
    """Check that an encoder does what estimators rely on; raise AssertionError with the reason where it does not.

    It is cloned and built, pickled and copied, run on rows in another order, in other batches and with other padding,
    and trained for some steps.

    Parameters
    ----------
    encoder : Encoder
        What to check, not built.
    spec : BlockSpec, default=None
        Description of a block that the encoder reads. None takes that of a small block of the encoder's ``kind``, read
        as its ``reading`` asks, where that is "image", "text" or "tabular". For a kind of one's own it is to be passed,
        such as the ``example_spec`` of its `Input`.
    rows : torch.Tensor or dict of torch.Tensor, default=None
        At least eight rows of such a block, all different, as the block stores them. None draws 24 at random, as
        ``example_rows`` of the spec makes them; where it makes none, they are float32, from the normal distribution.

    Examples
    --------
    >>> from sklearn_mm.encoders import BagEncoder
    >>> from sklearn_mm.utils.estimator_checks import check_encoder
    >>> check_encoder(BagEncoder(embedding_dim=16))
    """
    for _, check in yield_encoder_checks(encoder, spec, rows):
        check()


def check_fusion(fusion: Fusion) -> None:
    """Check that a fusion does what estimators rely on; raise AssertionError with the reason where it does not.

    It is cloned and built for one, two and four blocks, pickled and copied, run on rows in another order and in other
    batches, with blocks and tokens absent, and trained for some steps.

    Parameters
    ----------
    fusion : Fusion
        What to check, not built. The blocks that it is built for are called "image", "text", "tabular" and "audio".

    Examples
    --------
    >>> from sklearn_mm.fusion import SumFusion
    >>> from sklearn_mm.utils.estimator_checks import check_fusion
    >>> check_fusion(SumFusion(width=16))
    """
    for _, check in yield_fusion_checks(fusion):
        check()


def check_estimator(estimator: Any, X: pd.DataFrame, y: ArrayLike | None = None) -> None:
    """Check that a multimodal estimator does what scikit-learn's tools and its users rely on.

    It is fitted some thirty times: choose few epochs and few rows. An AssertionError says what does not hold.

    Parameters
    ----------
    estimator : estimator
        What to check, not fitted; `MultimodalClassifier`, `MultimodalRegressor`, `MultimodalEmbedder` or
        `MultimodalRetriever` with one's own parts.
    X : pandas.DataFrame of shape (n_rows, n_columns)
        At least 12 rows without missing cells.
    y : array-like of shape (n_rows,), default=None
        Their targets, for what learns from any.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm import MultimodalRegressor
    >>> from sklearn_mm.utils.estimator_checks import check_estimator
    >>> X = pd.DataFrame({"size": np.arange(12.0), "colour": ["red", "blue"] * 6})
    >>> check_estimator(MultimodalRegressor(max_epochs=1), X, np.arange(12.0))
    """
    for _, check in yield_estimator_checks(estimator, X, y):
        check()


def check_transformer(transformer: BlockTransformer, column: pd.Series) -> None:
    """Check that a transformer of cells does what `ModalityTransformer` relies on.

    An AssertionError says what does not hold.

    Parameters
    ----------
    transformer : BlockTransformer
        What to check, not fitted.
    column : pandas.Series of shape (n_rows,)
        At least four cells that it reads, none of them missing.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mm.preprocessing import TextTransformer
    >>> from sklearn_mm.utils.estimator_checks import check_transformer
    >>> check_transformer(TextTransformer(), pd.Series(["one", "two words", "and three words", "four"]))
    """
    for _, check in yield_transformer_checks(transformer, column):
        check()
