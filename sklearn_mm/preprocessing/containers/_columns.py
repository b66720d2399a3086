"""One column of whatever holds one (pandas, polars, pyarrow, NumPy, lists), as a flat array of cells."""

import numpy as np
import pandas as pd
import torch

from sklearn_mm.utils._messages import abbreviated_repr, first_few
from sklearn_mm.utils._object_arrays import object_array

__all__ = ["as_cells", "check_in_memory"]


def as_cells(X, who="This transformer"):
    """Return the cells of one column, and the column's name.

    Parameters
    ----------
    X : Series, table of one column, list, tuple, array of shape (n,), (n, 1) or (n, ...), or tensor
        The column. pandas, polars and pyarrow are known; of an array or tensor with three dimensions or more, each
        ``X[i]`` is a cell.
    who : str, default="This transformer"
        Whose column it is, for error messages.

    Returns
    -------
    cells : numpy.ndarray of shape (n,), dtype object
        The cells as they are. It may share memory with ``X``: never write to it.
    name : object
        The column's name, None where it has none.
    """
    check_in_memory(X, who)
    library = type(X).__module__.partition(".")[0]
    if isinstance(X, pd.DataFrame):
        _check_one_column(list(X.columns), who)
        return X.iloc[:, 0].to_numpy(dtype=object), X.columns[0]
    if isinstance(X, (pd.Series, pd.Index)):
        return X.to_numpy(dtype=object), X.name
    if library == "polars" and hasattr(X, "get_columns"):
        _check_one_column(X.columns, who)
        X = X.to_series()
    if library == "polars" and hasattr(X, "to_list"):
        return object_array(X.to_list()), X.name or None
    if library == "pyarrow" and hasattr(X, "column_names"):
        _check_one_column(X.column_names, who)
        return object_array(X.column(0).to_pylist()), X.column_names[0]
    if library == "pyarrow" and hasattr(X, "to_pylist"):
        return object_array(X.to_pylist()), None
    if isinstance(X, (list, tuple)):
        return object_array(X), None
    if isinstance(X, torch.Tensor) and X.ndim >= 3:
        return object_array(list(X)), None  # not as NumPy's, whose channels are elsewhere
    # NumPy's own scalars have `__array__` too, and are cells rather than columns.
    if hasattr(X, "__array__") and not isinstance(X, np.generic):
        return _cells_of_array(X, who), None
    raise TypeError(
        f"{who} reads one column: a Series, a table of one column, a list, or an array of shape (n,) or (n, 1); got "
        f"{_describe(X)}. To read a single cell, put it in a list: [cell]."
    )


def check_in_memory(X, who):
    """Raise TypeError where a column or a table is a query of polars that has not been run."""
    if type(X).__module__.partition(".")[0] == "polars" and hasattr(X, "collect"):
        raise TypeError(f"{who} needs data in memory, got a polars LazyFrame. Call its collect() first.")


def _cells_of_array(X, who):
    array = np.asarray(X)
    if isinstance(X, np.ma.MaskedArray):
        array = np.where(np.ma.getmaskarray(X), None, array)
    if array.ndim == 0:
        raise TypeError(f"{who} reads one column, got an array without dimensions. To read one cell, put it in a list.")
    if array.ndim == 2:
        _check_one_column(list(range(array.shape[1])), who)
        array = array[:, 0]
    return array.astype(object) if array.ndim == 1 else object_array(array)


def _check_one_column(columns, who):
    if len(columns) != 1:
        raise ValueError(
            f"{who} reads one column, got {len(columns)}: [{first_few(columns, text=repr)}]. Select one, as in "
            f"X[['name']], or use ModalityTransformer, which reads tables."
        )


def _describe(X):
    if isinstance(X, (str, bytes)):
        return f"{type(X).__name__} {abbreviated_repr(X)}"
    return f"an object of type {type(X).__name__}"
