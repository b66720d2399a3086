"""Any scikit-learn transformer's output as a block of table rows."""

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from sklearn_mm.blocks import TabularSpec
from sklearn_mm.inputs._column_contents import holds_strings
from sklearn_mm.preprocessing import BlockTransformer
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

    Attributes
    ----------
    transformer_ : transformer
        The fitted transformer.
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

    def __init__(self, transformer):
        self.transformer = transformer

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
        n_numbers = numbers.shape[1]
        self.spec_ = TabularSpec(
            name="tabular", columns=tuple(map(str, X.columns)), shape=(n_numbers,), n_numbers=n_numbers
        )
        return self._assemble(numbers, X)

    def read(self, X):
        """Return rows of the transformer's output for a table, and where they are present."""
        check_is_fitted(self)
        return self._assemble(self._as_numbers(self.transformer_.transform(X), X), X)

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
                return output.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must return numbers, got an output of dtype {output.dtype} ({error}). Encode strings and "
                f"dates in it, for example with OrdinalEncoder."
            ) from error

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
