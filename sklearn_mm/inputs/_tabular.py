"""`TabularInput`: columns of numbers, categories, dates and vectors."""

from typing import Any

import pandas as pd

from sklearn_mm.blocks import TabularSpec
from sklearn_mm.encoders import Encoder
from sklearn_mm.inputs._base import Input, own
from sklearn_mm.inputs._column_contents import detect_table_kind
from sklearn_mm.inputs._sklearn_transformer import NumbersTransformer
from sklearn_mm.preprocessing import BlockTransformer, TabularTransformer, TextNumbers
from sklearn_mm.utils._validation import HasMethods, StrOptions

__all__ = ["TabularInput"]

_TRANSFORMER = TabularTransformer()  # what the signature shows; each Input has one of its own


class TabularInput(Input):
    """Columns of numbers, categories, dates and ready-made vectors, how they are read and encoded.

    All columns together are one block, named "tabular" or, in ``inputs=``, as the Input is.

    Parameters
    ----------
    columns : "auto", str, int or list of these, default="auto"
        Names or positions of the columns; "auto" finds all columns of numbers, categories, dates and vectors
        (embeddings computed elsewhere: 1-D arrays, or lists or tuples of numbers, all of one length, or strings of
        these).
    transformer : transformer, default=TabularTransformer()
        How cells become numbers and codes. Any transformer of scikit-learn's kind that maps a DataFrame to numbers
        does. A `TabularTransformer` is told the kind of each column by the rules of `detect_kinds`, unless its own
        ``kinds`` says otherwise; columns that ``kinds`` names belong to the table also under ``columns="auto"``. What
        is as by default in it, an encoder that asks for something else sets. The output of others is taken as it is,
        but for that of a `TextNumbers`, which is scaled, with columns that say where a number is missing. A column of
        texts that these read may belong to a `TextInput` too.
    encoder : str or Encoder, default="auto"
        What encodes the rows: a registered name such as "mlp", or an instance. "auto" leaves it to the estimator.

    Examples
    --------
    >>> from sklearn.impute import SimpleImputer
    >>> from sklearn_mm import TabularInput
    >>> TabularInput(["width", "height"], transformer=SimpleImputer()).set_params(transformer__strategy="median")
    TabularInput(columns=['width', 'height'],
                 transformer=SimpleImputer(strategy='median'))

    Vectors are numbers of the table:

    >>> import pandas as pd
    >>> from sklearn_mm import ModalityTransformer
    >>> X = pd.DataFrame({"embedding": [[0.1, 0.7, 0.2], [0.3, 0.1, 0.9]]})
    >>> ModalityTransformer(tabular=TabularInput("embedding")).fit_transform(X)["tabular"]["numbers"].shape
    (2, 3)
    """

    kind = "tabular"
    detects = ("numeric", "categorical", "datetime", "vector")
    warns_of = ("strings",)
    together = True
    example_spec = TabularSpec(name="tabular", shape=(), n_numbers=4, cardinalities=(5, 4))

    _parameter_constraints = {
        **Input._parameter_constraints,
        "transformer": [StrOptions({"auto"}), HasMethods(["fit", "transform"])],
    }

    def __init__(
        self, columns: str | int | list = "auto", *, transformer: Any = _TRANSFORMER, encoder: str | Encoder = "auto"
    ):
        self.columns = columns
        self.transformer = own(transformer, _TRANSFORMER)
        self.encoder = encoder

    @property
    def shares_columns_with(self) -> tuple:
        """Texts where a scikit-learn transformer makes numbers of them, which takes nothing from their words."""
        is_own = isinstance(self.transformer, str | BlockTransformer)
        return () if is_own else ("text",)

    def told_columns(self) -> list:
        kinds = getattr(self.transformer, "kinds", None)
        return list(kinds) if isinstance(self.transformer, TabularTransformer) and isinstance(kinds, dict) else []

    def make_transformer(self, columns: pd.DataFrame) -> BlockTransformer:
        transformer = super().make_transformer(columns)
        if isinstance(transformer, TabularTransformer):
            named = transformer.kinds if isinstance(transformer.kinds, dict) else {}
            detected = {label: detect_table_kind(column) for label, column in columns.items() if label not in named}
            return transformer.set_params(kinds={**detected, **named})
        if isinstance(transformer, BlockTransformer):
            return transformer
        # The numbers of texts come as they are written: of any size, and few texts have all of them.
        return NumbersTransformer(transformer, scale=isinstance(transformer, TextNumbers))
