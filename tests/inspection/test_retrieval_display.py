import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from sklearn_mm.inspection import RetrievalDisplay

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed (the extra plot)")


class TitleRetriever:
    """Finds rows by the words of their titles."""

    def fit(self, X):
        self.table_ = X
        self.vectorizer = TfidfVectorizer()
        self.index = NearestNeighbors(metric="cosine").fit(self.vectorizer.fit_transform(X["title"]))
        return self

    def kneighbors(self, queries, n_neighbors, return_distance=True):
        texts = queries["title"] if isinstance(queries, pd.DataFrame) else queries
        return self.index.kneighbors(self.vectorizer.transform(texts), n_neighbors, return_distance)


@pytest.fixture(autouse=True)
def no_window():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.fixture
def table():
    shades = [np.full((16, 20, 3), shade, dtype=np.uint8) for shade in (10, 120, 240)]
    return pd.DataFrame({"photo": shades, "title": ["dark night", "grey sky", "white snow at night"]})


def test_from_estimator_shows_each_query_and_its_nearest_rows(table):
    retriever = TitleRetriever().fit(table)
    display = RetrievalDisplay.from_estimator(retriever, ["white snow", "dark night"], n_neighbors=2)
    assert display.axes_.shape == (2, 3)
    assert [axis.get_title() for axis in display.axes_[:, 0]] == ["query", "query"]
    assert display.axes_[0, 0].texts[0].get_text() == "white snow"
    distances, indices = retriever.kneighbors(["white snow", "dark night"], 2)
    for axes, rows, ds in zip(display.axes_[:, 1:], indices, distances, strict=True):
        for axis, row, distance in zip(axes, rows, ds, strict=True):
            assert axis.get_title() == f"{1 - distance:.2f}"
            assert axis.get_xlabel() == table["title"][row]
            shown = axis.images[0].get_array()
            assert shown[len(shown) // 2, len(shown) // 2, 0] == table["photo"][row][0, 0, 0]
    np.testing.assert_array_equal(display.indices, indices)


def test_rows_of_a_table_are_queries(table):
    display = RetrievalDisplay.from_estimator(TitleRetriever().fit(table), table[:1], table, n_neighbors=1)
    assert display.axes_[0, 0].images
    assert display.axes_[0, 0].get_xlabel() == "dark night"
    assert display.axes_[0, 1].get_title() == "1.00"


@pytest.mark.parametrize("query", [np.zeros((8, 8, 3), dtype=np.uint8), {"image": Image.new("RGB", (8, 8))}])
def test_a_single_picture_is_one_query(table, query):
    display = RetrievalDisplay.from_predictions(query, table, [[2, -1]], [[0.25, 0.0]])
    assert display.axes_[0, 0].images
    assert not display.axes_[0, 2].images
    assert display.axes_[0, 2].get_title() == ""


def test_paths_below_a_root_lists_and_gaps(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "red.png")
    rows = pd.DataFrame({"photos": [["red.png", "lost.png"], None], "title": ["one", "only words"]})
    display = RetrievalDisplay.from_predictions("red", rows, [[0, 1]], [[0.5, 0.1]], root=tmp_path)
    assert display.axes_[0, 1].images[0].get_array()[64, 64].tolist() == [255, 0, 0]
    assert display.axes_[0, 2].texts[0].get_text() == "only words"


def test_it_is_plotted_into_axes_and_again(table):
    figure, axes = pyplot.subplots(1, 2)
    display = RetrievalDisplay.from_predictions(["a", "b"], table, [[0], [1]], [[1.0], [0.5]], ax=axes[1])
    assert display.figure_ is figure
    assert len(figure.axes) == 2 + 4
    assert display.plot() is display
    assert display.figure_ is not figure


def test_errors(table):
    with pytest.raises(ValueError, match="of shape \\(n_queries, n_neighbors\\), got \\(1, 1\\)"):
        RetrievalDisplay.from_predictions(["a", "b"], table, [[0]], [[1.0]])
    with pytest.raises(ValueError, match="indices from 3 to 3, but X has 3 rows"):
        RetrievalDisplay.from_predictions("a", table, [[3]], [[1.0]])


def test_matplotlib_is_imported_in_plot_only():
    code = (
        "import sys\nsys.modules['matplotlib'] = None\nimport numpy as np\n"
        "from sklearn_mm.inspection import RetrievalDisplay\n"
        "try:\n    RetrievalDisplay.from_predictions('a', np.array([['b']], dtype=object), [[0]], [[1.0]])\n"
        "except ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "sklearn-mm[plot]"' in done.stdout
