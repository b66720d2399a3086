"""`RetrievalDisplay`: queries and the rows that a search found for them, as thumbnails."""

from os import PathLike
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.cells._lists import STACK_OF_PICTURES, is_list
from sklearn_mm.preprocessing.cells._missing import is_missing
from sklearn_mm.preprocessing.containers._frame import as_frame
from sklearn_mm.preprocessing.image._picture_cells import looks_like_picture
from sklearn_mm.utils._messages import abbreviate
from sklearn_mm.utils._optional import import_extra

__all__ = ["RetrievalDisplay"]

_WHO = "RetrievalDisplay"


class RetrievalDisplay:
    """Queries and their nearest rows as thumbnails (image search results), one row of the figure per query.

    It is recommended to use ``RetrievalDisplay.from_estimator`` or ``RetrievalDisplay.from_predictions``. All
    parameters are stored as attributes.

    Parameters
    ----------
    queries : list
        A picture, a text, or a row of a table (a Series) for each query.
    rows : DataFrame of shape (n_rows, n_columns)
        The table that was searched.
    indices : ndarray of shape (n_queries, n_neighbors), dtype int
        Positions of the rows that were found, the nearest first; -1 for none.
    similarities : ndarray of shape (n_queries, n_neighbors)
        Theirs.
    root : str or path, default=None
        Folder of relative paths of pictures.

    Attributes
    ----------
    figure_ : matplotlib Figure
        The figure, once plotted.
    axes_ : ndarray of shape (n_queries, 1 + n_neighbors)
        Its axes: the query, then the rows found.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn_mm.inspection import RetrievalDisplay
    >>> X = pd.DataFrame({
    ...     "photo": [np.full((16, 16, 3), shade, dtype=np.uint8) for shade in (10, 200, 90)],
    ...     "title": ["a dark night", "white snow", "in between, grey"],
    ... })
    >>> display = RetrievalDisplay.from_predictions(["winter"], X, [[1, 2]], [[0.7, 0.4]])
    >>> display.plot().axes_.shape
    (1, 3)
    """

    def __init__(
        self,
        queries: list,
        rows: pd.DataFrame,
        indices: np.ndarray,
        similarities: np.ndarray,
        root: str | PathLike | None = None,
    ):
        self.queries = queries
        self.rows = rows
        self.indices = indices
        self.similarities = similarities
        self.root = root

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        queries: Any,
        X: Any = None,
        *,
        n_neighbors: int = 5,
        root: str | PathLike | None = None,
        ax: Any = None,
        size: float = 1.4,
    ) -> Self:
        """Search, and plot what was found.

        Parameters
        ----------
        estimator : MultimodalRetriever, or another estimator with ``kneighbors``
            Fitted, whose distances are one less the similarity, as cosine distances are.
        queries : table, str, picture, row, dict, or list of these
            What it is asked for, in a form that it takes.
        X : table of shape (n_rows, n_columns), default=None
            The rows that it was fitted on, in order. By default its ``table_``.
        n_neighbors : int, default=5
            How many rows are shown for each query.
        root : str or path, default=None
            Folder of relative paths of pictures; by default the current one.
        ax : matplotlib Axes, default=None
            What is divided among the thumbnails; a new figure by default.
        size : float, default=1.4
            Side of a thumbnail in inches, in a new figure.

        Returns
        -------
        display : RetrievalDisplay
            The display, plotted.
        """
        X = estimator.table_ if X is None else X
        distances, indices = estimator.kneighbors(queries, n_neighbors, return_distance=True)
        return cls.from_predictions(queries, X, indices, 1 - np.asarray(distances), root=root, ax=ax, size=size)

    @classmethod
    def from_predictions(
        cls,
        queries: Any,
        X: Any,
        indices: ArrayLike,
        similarities: ArrayLike,
        *,
        root: str | PathLike | None = None,
        ax: Any = None,
        size: float = 1.4,
    ) -> Self:
        """Plot what was found.

        Parameters
        ----------
        queries : table, str, picture, dict, or list of these
            What was asked for.
        X : table of shape (n_rows, n_columns)
            What was searched.
        indices : array-like of shape (n_queries, n_neighbors), dtype int
            Positions in ``X``, the nearest first; -1 for none.
        similarities : array-like of shape (n_queries, n_neighbors)
            Theirs.
        root : str or path, default=None
            Folder of relative paths of pictures; by default the current one.
        ax : matplotlib Axes, default=None
            What is divided among the thumbnails; a new figure by default.
        size : float, default=1.4
            Side of a thumbnail in inches, in a new figure.

        Returns
        -------
        display : RetrievalDisplay
            The display, plotted.
        """
        rows, _ = as_frame(X, _WHO)
        queries, indices, similarities = _as_list(queries), np.asarray(indices), np.asarray(similarities)
        if indices.ndim != 2 or len(indices) != len(queries) or similarities.shape != indices.shape:
            raise ValueError(
                f"{_WHO} needs indices and similarities of shape (n_queries, n_neighbors), got {indices.shape} and "
                f"{similarities.shape} for {len(queries)} queries."
            )
        if indices.size and not -1 <= indices.min() <= indices.max() < len(rows):
            raise ValueError(
                f"{_WHO} got indices from {indices.min()} to {indices.max()}, but X has {len(rows)} rows: hand in the "
                f"rows that were searched."
            )
        return cls(queries, rows, indices, similarities, root).plot(ax=ax, size=size)

    def plot(self, ax: Any = None, *, size: float = 1.4) -> Self:
        """Plot the thumbnails.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What is divided among the thumbnails; a new figure by default.
        size : float, default=1.4
            Side of a thumbnail in inches, in a new figure.

        Returns
        -------
        display : RetrievalDisplay
            This display.
        """
        n_queries, n_neighbors = self.indices.shape
        shape = n_queries, n_neighbors + 1
        if ax is None:
            pyplot = import_extra("matplotlib.pyplot", "plot", _WHO)
            self.figure_ = pyplot.figure(figsize=(size * shape[1], size * 1.25 * shape[0]), layout="constrained")
            grid = self.figure_.add_gridspec(*shape)
        else:
            ax.set_axis_off()
            self.figure_, grid = ax.figure, ax.get_subplotspec().subgridspec(*shape)
        axes = [[self.figure_.add_subplot(grid[i, j]) for j in range(shape[1])] for i in range(shape[0])]
        self.axes_ = np.array(axes, dtype=object).reshape(shape)
        for row_axes, query, found, similarities in zip(
            self.axes_, self.queries, self.indices, self.similarities, strict=True
        ):
            _show(row_axes[0], query, "query", self.root)
            for axis, row, similarity in zip(row_axes[1:], found, similarities, strict=True):
                found_row, title = (self.rows.iloc[row], f"{similarity:.2f}") if row >= 0 else (None, "")
                _show(axis, found_row, title, self.root)
        return self


def _as_list(queries):
    if isinstance(queries, str | dict | pd.Series) or looks_like_picture(queries):
        return [queries]
    if isinstance(queries, list | tuple):
        return list(queries)
    frame, _ = as_frame(queries, _WHO)
    return [frame.iloc[row] for row in range(len(frame))]


def _show(axis, thing, title, root):
    """Show the first picture of a row, query or cell, and its first text below, or in place of one."""
    cells = list(dict(thing).values()) if isinstance(thing, dict | pd.Series) else [thing]
    cells = [item for cell in cells for item in (cell if is_list(cell, STACK_OF_PICTURES) else [cell])]
    cells = [cell for cell in cells if not is_missing(cell)]
    pictures = [cell for cell in cells if looks_like_picture(cell)]
    text = next((cell for cell in cells if isinstance(cell, str) and not looks_like_picture(cell)), "")
    axis.set_title(title, fontsize=8)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    if pictures:
        axis.imshow(ImageTransformer(128, resize="pad", root=root).fit_transform(pictures[:1])[0])
        axis.set_xlabel(abbreviate(text, 24), fontsize=7)
    else:
        axis.text(0.5, 0.5, abbreviate(text, 60), ha="center", va="center", wrap=True, fontsize=8)
