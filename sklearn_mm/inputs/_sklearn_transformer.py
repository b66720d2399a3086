"""Any scikit-learn transformer's output as a block of table rows."""

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks import TabularSpec
from sklearn_mm.inputs._column_contents import holds_strings
from sklearn_mm.preprocessing import BlockTransformer, TabularTransformer
from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.preprocessing.tabular._vectors import is_vector
from sklearn_mm.utils._messages import first_few

__all__ = ["NumbersTransformer"]


class NumbersTransformer(BlockTransformer):
    """Read a table through a scikit-learn transformer, whose output is the numbers of the block.

    Parameters
    ----------
    transformer : transformer
        What maps a pandas DataFrame to numbers: a dense or sparse matrix, or a table, with one row per row.
    scale : bool, default=False
        Whether its output is read as the numbers of a table are, scaled and with columns that say where one is missing:
        for numbers of any size and with gaps. It must name its columns then. Without, its output is taken as it is, and
        must be finite.

    Attributes
    ----------
    transformer_ : transformer
        The fitted transformer.
    scaler_ : TabularTransformer
        What reads its output, with ``scale``.
    spec_ : TabularSpec
        Number of columns of its output.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.preprocessing import OneHotEncoder
    >>> from sklearn_mm.inputs._sklearn_transformer import NumbersTransformer
    >>> rows = NumbersTransformer(OneHotEncoder()).fit_transform(pd.DataFrame({"city": ["Rome", "Oslo"]}))
    >>> rows["numbers"]
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """

    def __init__(self, transformer, scale=False):
        self.transformer = transformer
        self.scale = scale

    def fit_read(self, X, y=None):
        """Fit the transformer to a table and its target, and return rows of its output and where they are present."""
        self.transformer_ = clone(self.transformer)
        try:
            # In one go: for some, such as TargetEncoder, `fit_transform` is not `fit` and `transform`.
            numbers = self._as_numbers(self.transformer_.fit_transform(X, y), X)
        except (TypeError, ValueError) as error:
            vectors = [label for label, column in X.items() if any(map(is_vector, column))]
            if not vectors:
                raise
            name = type(self.transformer).__name__
            raise ValueError(
                f"{name} cannot read the columns {vectors}, whose cells are vectors: {error} Read them beside it by an "
                f"Input of their own, as in inputs=[('vectors', TabularInput({vectors})), ('table', "
                f"TabularInput(columns, transformer={name}(...)))]."
            ) from error
        if self.scale:
            frame = self._name_columns(numbers)
            self.scaler_ = TabularTransformer(dict.fromkeys(frame.columns, "numeric"))
            numbers = self.scaler_.fit_transform(frame)["numbers"]
        n_numbers = numbers.shape[1]
        self.spec_ = TabularSpec(
            name="tabular", columns=tuple(map(str, X.columns)), shape=(n_numbers,), n_numbers=n_numbers
        )
        return self._assemble(numbers, X)

    def read(self, X):
        """Return rows of the transformer's output for a table, and where they are present."""
        check_is_fitted(self)
        numbers = self._as_numbers(self.transformer_.transform(X), X)
        if self.scale:
            numbers = self.scaler_.transform(self._name_columns(numbers))["numbers"]
        return self._assemble(numbers, X)

    def get_feature_names_out(self, input_features=None):
        """Return the names that the transformer gives to the numbers, if it does."""
        check_is_fitted(self)
        if self.scale:
            return self.scaler_.get_feature_names_out()
        if hasattr(self.transformer_, "get_feature_names_out"):
            return self.transformer_.get_feature_names_out()
        return super().get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        return tags

    def _as_numbers(self, output, X):
        name = type(self.transformer).__name__
        output = output.toarray() if sparse.issparse(output) else np.asarray(output)
        if output.ndim != 2 or len(output) != len(X) or not output.shape[1]:
            raise ValueError(
                f"{name} must return a table of at least one column with {len(X)} rows for {len(X)} rows, got an "
                f"output of shape {output.shape}."
            )
        try:
            with np.errstate(over="ignore"):
                return output.astype(np.float64 if self.scale else np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must return numbers, got an output of dtype {output.dtype} ({error}). Encode strings and "
                f"dates in it, for example with OrdinalEncoder."
            ) from error

    def _name_columns(self, numbers):
        return pd.DataFrame(numbers, columns=self.transformer_.get_feature_names_out())

    def _assemble(self, numbers, X):
        name = type(self.transformer).__name__
        if numbers.shape[1] != self.spec_.n_numbers:
            raise ValueError(
                f"{name} returned {numbers.shape[1]} columns, in `fit` it had {self.spec_.n_numbers}. It must always "
                f"return as many."
            )
        present = ~np.logical_and.reduce([_missing(column) for _, column in X.items()])
        bad = present & ~np.isfinite(numbers).all(axis=1)
        if bad.any():
            rows = first_few(np.flatnonzero(bad))
            raise ValueError(
                f"{name} must return finite numbers, got missing or infinite ones in {bad.sum()} of {len(bad)} rows "
                f"(rows {rows}). Impute them in it, for example make_pipeline(SimpleImputer(), {name}(...))."
            )
        array = np.zeros(len(numbers), dtype=[("numbers", np.float32, self.spec_.shape), ("codes", np.int32, (0,))])
        array["numbers"][present] = numbers[present]
        return array, present


def _missing(column):
    return missing_rows(column.to_numpy(dtype=object)) if holds_strings(column) else column.isna().to_numpy()
