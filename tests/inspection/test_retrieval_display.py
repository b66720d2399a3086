import inspect
import runpy
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sklearn_mm import ImageInput, MultimodalEmbedder, MultimodalRetriever
from sklearn_mm.encoders import CNNEncoder
from sklearn_mm.inspection import RetrievalDisplay
from sklearn_mm.preprocessing import ImageTransformer

pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed (the extra plot)")


@pytest.fixture(autouse=True)
def no_window():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.fixture
def table():
    shades = [np.full((16, 20, 3), shade, dtype=np.uint8) for shade in (10, 120, 240)]
    return pd.DataFrame({"photo": shades, "title": ["dark night", "grey sky", "white snow at night"]})


@pytest.fixture(scope="module")
def catalogue():
    rng = np.random.default_rng(0)
    photos = [rng.integers(0, 256, (16, 20, 3)).astype(np.uint8) for _ in range(24)]
    return pd.DataFrame({"photo": photos, "title": [f"{'dark' if n % 2 else 'white'} snow {n}" for n in range(24)]})


@pytest.fixture(scope="module", params=[None, "csls"])
def retriever(request, catalogue):
    image = ImageInput(transformer=ImageTransformer(size=12), encoder=CNNEncoder(channels=(4,)))
    embedder = MultimodalEmbedder(image=image, n_components=4, max_epochs=1, random_state=0)
    return MultimodalRetriever(embedder, rescale=request.param).fit(catalogue).remove([3, 4])


def assert_shows(axis, row):
    """Compare a thumbnail with a row; pictures are made larger, and keep their middle."""
    assert axis.get_xlabel() == row["title"]
    expected = ImageTransformer(128, resize="pad").fit_transform([row["photo"]])[0]
    np.testing.assert_array_equal(axis.images[0].get_array(), expected)


@pytest.mark.parametrize("form", ["texts", "pictures", "both", "table", "columns"])
def test_from_estimator_shows_each_query_and_its_nearest_rows(retriever, catalogue, form):
    row = catalogue.iloc[5]
    queries = {
        "texts": ["white snow", "dark night"],
        "pictures": list(catalogue["photo"][:2]),
        "both": ["white snow", {"image": row["photo"], "text": "dark"}, row["photo"]],
        "table": catalogue[:2],
        "columns": catalogue[["photo"]][:3],
    }[form]
    display = RetrievalDisplay.from_estimator(retriever, queries, n_neighbors=3)
    assert display.axes_.shape == (len(queries), 4)
    assert [axis.get_title() for axis in display.axes_[:, 0]] == ["query"] * len(queries)
    distances, indices = retriever.kneighbors(queries, 3)
    for axes, rows, ds in zip(display.axes_[:, 1:], indices, distances, strict=True):
        for axis, row, distance in zip(axes, rows, ds, strict=True):
            assert axis.get_title() == f"{1 - distance:.2f}"
            assert_shows(axis, retriever.table_.iloc[row])
    if form == "texts":
        assert [axis.texts[0].get_text() for axis in display.axes_[:, 0]] == queries
    elif form == "table":
        for axis, row in zip(display.axes_[:, 0], range(2), strict=True):
            assert_shows(axis, catalogue.iloc[row])
    else:
        assert [bool(axis.images) for axis in display.axes_[:, 0]] == [form != "both", *[True] * (len(queries) - 1)]


@pytest.mark.parametrize("form", ["text", "picture", "row", "dict"])
def test_a_single_query_of_any_form(retriever, catalogue, form):
    row = catalogue.iloc[7]
    query = {"text": "white snow", "picture": row["photo"], "row": row, "dict": {"photo": row["photo"]}}[form]
    display = RetrievalDisplay.from_estimator(retriever, query, n_neighbors=2)
    np.testing.assert_array_equal(display.indices, retriever.kneighbors(query, 2)[1])
    assert bool(display.axes_[0, 0].images) == (form != "text")


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


def test_matplotlib_is_imported_in_plot_only(monkeypatch):
    for loaded in {"matplotlib", *(name for name in sys.modules if name.startswith("matplotlib."))}:
        monkeypatch.setitem(sys.modules, loaded, None)
    anew = runpy.run_path(inspect.getfile(RetrievalDisplay))["RetrievalDisplay"]
    with pytest.raises(ImportError, match=r"pip install \"sklearn-mm\[plot\]\""):
        anew.from_predictions("a", np.array([["b"]], dtype=object), [[0]], [[1.0]])
