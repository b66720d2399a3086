import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_mm.inputs import ImageInput, Input
from sklearn_mm.preprocessing import BlockSpec, BlockTransformer, ImageTransformer
from sklearn_mm.preprocessing.cells._missing import missing_rows
from sklearn_mm.preprocessing.containers._columns import as_cells

TITLES = ["a dark and rainy night", "white snow on the roof", "grey cat, sleeping", "black dog in the yard"]


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Paths of four small pictures of one shade each."""
    folder = tmp_path_factory.mktemp("photos")
    paths = [folder / f"{shade}.png" for shade in (10, 90, 170, 250)]
    for path in paths:
        Image.new("RGB", (12, 10), (int(path.stem),) * 3).save(path)
    return [str(path) for path in paths]


@pytest.fixture
def X(photos):  # noqa: N802
    """Twelve rows of each kind of column, some cells missing."""
    return pd.DataFrame(
        {
            "photo": photos * 3,
            "title": [*TITLES, *TITLES[:3], None, *TITLES],
            "price": [1.5, 2.0, np.nan, 4.5] * 3,
            "colour": ["red", "blue", "red", None] * 3,
            "sold": pd.to_datetime(["2024-01-31", "2024-02-29", "2023-12-24", None] * 3),
            "currency": ["EUR"] * 12,
            "note": [None, np.nan, "", "  "] * 3,
        }
    )


@pytest.fixture
def small():
    """An ImageInput that reads quickly."""
    return ImageInput(transformer=ImageTransformer(size=6, n_jobs=1))


class SeriesTransformer(BlockTransformer):
    """A modality of one's own: cells are short lists of numbers."""

    def __init__(self, length=3):
        self.length = length

    def fit_read(self, X, y=None):
        self.spec_ = BlockSpec(kind="series", shape=(self.length,))
        return self.read(X)

    def read(self, X):
        cells, _ = as_cells(X)
        present = ~missing_rows(cells)
        array = np.zeros((len(cells), self.length), dtype=np.float32)
        for row in np.flatnonzero(present):
            array[row, : len(cells[row])] = cells[row][: self.length]
        return array, present


class SeriesInput(Input):
    kind = "series"

    def __init__(self, columns="auto", transformer=None, encoder="auto", shared=False):
        self.columns = columns
        self.transformer = transformer
        self.encoder = encoder
        self.shared = shared


@pytest.fixture
def series_input():
    """Makes an Input of the modality of one's own."""

    def make(columns, length=3, **kwargs):
        return SeriesInput(columns, transformer=SeriesTransformer(length), **kwargs)

    return make
