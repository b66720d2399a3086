"""Whatever holds a table, as a pandas DataFrame of the same cells."""

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_array

from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.containers._tables import check_is_table, check_not_empty

__all__ = ["as_frame", "frame_of_array"]


def as_frame(X, who):
    """Return a pandas DataFrame with the cells of a table, and whether its columns have labels of the user's.

    Parameters
    ----------
    X : table, 2-D array or list of lists, or pictures
        pandas, polars and pyarrow tables keep their types. The columns of an array are labelled with their positions;
        those of an object array get the type that all of their cells have. An array or tensor of pictures, in four
        dimensions, or three of uint8, is one column of these.
    who : str
        Whose table it is, for error messages.

    Returns
    -------
    frame : pandas.DataFrame
        The table; ``X`` itself where that is one. It may share memory with ``X``: never write to it.
    has_labels : bool
        False for arrays and lists.
    """
    check_is_table(X, who)
    library = type(X).__module__.partition(".")[0]
    if isinstance(X, pd.DataFrame):
        frame, has_labels = X, True
    elif library == "polars" and hasattr(X, "get_columns"):
        frame, has_labels = pd.DataFrame({column.name: _polars_column(column) for column in X.get_columns()}), True
    elif library == "pyarrow" and hasattr(X, "column_names"):
        frame, has_labels = X.to_pandas(ignore_metadata=True), True  # else columns would come back as an index
    elif _is_stack_of_pictures(X):
        frame, has_labels = pd.DataFrame({0: as_cells(X, who)[0]}), False
    else:
        frame, has_labels = frame_of_array(X, who), False
    check_not_empty(frame.shape, who)
    return frame, has_labels


def _polars_column(column):
    if "Struct" in str(column.dtype):  # of which NumPy would make rows of a matrix, without names
        return pd.Series(column.to_list(), dtype=object)
    cells = column.to_numpy()
    if str(column.dtype).startswith(("Categorical", "Enum")):
        return pd.Categorical(cells)
    return pd.Series(list(cells) if cells.ndim > 1 else cells)  # of vectors of one length, polars makes a matrix


def _is_stack_of_pictures(X):
    is_array = isinstance(X, np.ndarray | torch.Tensor)
    return is_array and (X.ndim == 4 or (X.ndim == 3 and str(X.dtype).removeprefix("torch.") == "uint8"))


def frame_of_array(X, who):
    """Return a DataFrame with the cells of a 2-D array or a list of lists; columns of objects get their common type."""
    if isinstance(X, list | tuple):
        array = np.asarray(X)
        if array.dtype.kind not in "biufcMm":
            X = np.asarray(X, dtype=object)  # else numbers beside strings would be strings
    is_masked = isinstance(X, np.ma.MaskedArray)
    array = check_array(
        X, dtype=None, ensure_all_finite=False, ensure_min_samples=0, ensure_min_features=0, estimator=who
    )
    if array.dtype.kind in "SU":
        array = array.astype(object)
    frame = pd.DataFrame(X if is_masked else array, copy=False)
    return frame.infer_objects() if array.dtype.kind == "O" else frame
