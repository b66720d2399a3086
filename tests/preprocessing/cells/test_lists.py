"""Columns whose cells are lists, as image and text transformers read them."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image

from sklearn_mm.preprocessing import ImageTransformer, Ragged, TextTransformer
from sklearn_mm.preprocessing.cells._lists import holds_nothing, is_list


def shade(value):
    return np.full((6, 6, 3), value, dtype=np.uint8)


def shades(rows):
    return [row[:, 0, 0, 0].tolist() for row in rows]


@pytest.fixture
def reader():
    return ImageTransformer(4, n_jobs=1)


@pytest.fixture
def paths(tmp_path):
    for value in (10, 90, 170):
        Image.fromarray(shade(value)).save(tmp_path / f"{value}.png")
    return [str(tmp_path / f"{value}.png") for value in (10, 90, 170)]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ([1], True),
        ((), True),
        (np.array(["a", "b"]), True),
        (np.array([None, "b"], dtype=object), True),
        (np.zeros((2, 6, 6, 3)), True),
        (np.zeros(3), False),
        (shade(0), False),
        ("ab", False),
        (b"ab", False),
        (None, False),
        ({"a"}, False),
    ],
)
def test_lists(cell, expected):
    assert is_list(cell) is expected


@pytest.mark.parametrize(
    ("cell", "expected"), [([], True), ([None, " "], True), ([None, "a"], False), (None, True), ("", True), (0, False)]
)
def test_cells_that_hold_nothing(cell, expected):
    assert holds_nothing(cell) is expected


def test_pictures_of_all_kinds_in_lists_of_all_kinds(reader, paths):
    objects = np.empty(2, dtype=object)
    objects[:] = [Image.fromarray(shade(5)), shade(6)]
    with open(paths[2], "rb") as file:
        content = file.read()
    cells = [paths, (shade(1), content), objects, shade(2), np.array(paths[:1]), np.stack([shade(7), shade(8)])]
    pictures, present = reader.fit_read(pd.Series(cells, dtype=object))
    assert isinstance(pictures, Ragged)
    assert pictures.dtype == np.uint8
    assert shades(pictures) == [[10, 90, 170], [1, 170], [5, 6], [2], [10], [7, 8]]
    assert present.all()
    assert reader.spec_.shape == (4, 4, 3) == pictures.shape[1:]
    assert reader.spec_.pool == "mean"


def test_missing_cells_and_missing_items(reader):
    cells = [None, [], [None, np.nan], [shade(1), None, shade(2)], "", np.nan, [pd.NA, shade(3), ""]]
    pictures, present = reader.fit_read(pd.Series(cells, dtype=object))
    assert shades(pictures) == [[], [], [], [1, 2], [], [], [3]]
    assert present.tolist() == [False, False, False, True, False, False, True]


def test_what_a_loader_calls_missing_is_left_out():
    reader = ImageTransformer(4, n_jobs=1, loader={"a": shade(1), "b": None, "c": shade(3)}.__getitem__)
    pictures, present = reader.fit_read([["a", "b", "c"], ["b"]])
    assert shades(pictures) == [[1, 3], []]
    assert present.tolist() == [True, False]


def test_lists_false_hands_lists_to_the_loader(paths):
    reader = ImageTransformer(4, lists=False, loader=lambda cell: cell[1], n_jobs=1)
    assert reader.fit_transform([("a", paths[0]), ("b", paths[1])]).shape == (2, 4, 4, 3)
    with pytest.raises(TypeError, match="got list in row 0"):
        ImageTransformer(4, lists=False).fit([[paths[0]]])


def test_single_cells_are_lists_of_one_where_fit_had_lists(reader):
    reader.fit([[shade(1), shade(2)], shade(3)])
    pictures, present = reader.read([shade(7), None, shade(8)])
    assert shades(pictures) == [[7], [], [8]]
    assert present.tolist() == [True, False, True]
    assert shades(reader.transform([])) == []


def test_lists_where_fit_had_none(reader):
    reader.fit([shade(1), shade(2)])
    assert reader.spec_.pool is None
    pictures, present = reader.read([[shade(3)], shade(4), []])
    assert pictures[:, 0, 0, 0].tolist() == [3, 4, 0]
    assert present.tolist() == [True, True, False]
    column = pd.Series([shade(1), [shade(3)] * 3, [shade(3)] * 2], name="photo")
    with pytest.raises(ValueError, match=r"2 of 3 cells of column 'photo' .* row 1 holds 3.*lists=True") as error:
        reader.transform(column)
    assert "ImageTransformer was fitted on a column without lists" in str(error.value)
    assert shades(ImageTransformer(4, lists=True, n_jobs=1).fit([shade(1)]).transform(column)) == [
        [1],
        [3] * 3,
        [3] * 2,
    ]


def test_an_unreadable_item_is_named_by_row_and_place(reader, paths):
    column = pd.Series([[shade(1)], [None, paths[0], "gone.png", "lost.png"], "stray.png"], name="photos")
    with pytest.raises(
        ValueError, match=r"cannot read 3 of 5 items of the lists in column 'photos' \(rows 1, 2\)"
    ) as e:
        reader.fit(column)
    assert "row 1, item 2 of its list: 'gone.png': no such file" in str(e.value)
    assert "row 2, item 0 of its list: 'stray.png'" in str(e.value)
    reader.set_params(on_error="warn")
    with pytest.warns(UserWarning, match="row 1, item 3 of its list"):
        pictures, present = reader.fit_read(column)
    assert shades(pictures) == [[1], [10], []]
    assert present.tolist() == [True, True, False]
    assert reader.unreadable_rows_.tolist() == [1, 2]


def test_all_may_be_unreadable_later():
    reader = ImageTransformer(4, n_jobs=1, on_error="ignore").fit([[shade(1)]])
    assert reader.read([["gone.png", "lost.png"]])[1].tolist() == [False]
    assert reader.read([["gone.png"], ["lost.png"]])[1].tolist() == [False, False]
    with pytest.raises(ValueError, match="These are all that are not missing"):
        reader.fit([["gone.png"], ["lost.png"]])


def test_an_item_of_the_wrong_type_is_named(reader):
    with pytest.raises(TypeError, match=r"got dict in row 1, item 1 of its list of column 'x'"):
        reader.fit(pd.Series([shade(1), [shade(1), {"a": 1}]], name="x"))
    with pytest.raises(TypeError, match="got list in row 0, item 0 of its list"):
        reader.fit([[[shade(1)]]])


def test_dataset_statistics_are_those_of_all_pictures():
    pictures = [shade(value) for value in (0, 60, 255, 120)]
    flat = ImageTransformer(4, mean="dataset", std="dataset").fit(pictures)
    listed = ImageTransformer(4, mean="dataset", std="dataset").fit([pictures[:3], [], pictures[3:]])
    np.testing.assert_array_equal(listed.mean_, flat.mean_)
    np.testing.assert_array_equal(listed.std_, flat.std_)


def test_pictures_are_stored_once(reader):
    cells = [[np.zeros((40, 40, 3), dtype=np.uint8)] * 3] * 300
    reader.set_params(size=40)
    tracemalloc.start()
    try:
        pictures = reader.fit_transform(cells)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pictures.items.nbytes == 300 * 3 * 40 * 40 * 3
    assert peak < 1.2 * pictures.items.nbytes


def test_content_keys(reader, paths):
    cells = [
        paths[:2],
        paths[:2],
        paths[1::-1],
        [paths[0], None, paths[1]],
        paths[0],
        [],
        [None],
        [*paths[:2], paths[2]],
    ]
    keys = reader.content_keys(cells)
    assert keys.shape == (8,)
    assert keys[0] == keys[1] == keys[3]
    assert len({key.tobytes() for key in keys}) == 5  # another order, and one path, are other content
    assert keys[5] == keys[6] == np.void(bytes(16))


@pytest.mark.parametrize("container", [pd.Series, pl.Series, pa.array, list], ids=["pandas", "polars", "arrow", "list"])
def test_texts_of_all_libraries(container):
    cells = [["a dog runs", "it barks"], None, ["a cat", None], []]
    ids, present = TextTransformer().fit_read(container(cells))
    assert ids.counts.tolist() == [2, 0, 1, 0]
    assert present.tolist() == [True, False, True, False]


def test_texts_in_lists_are_read_as_single_ones_are():
    texts = ["a dog runs", "it barks", "cat", "the long tail of a dog"]
    flat = TextTransformer().fit(texts)
    listed = TextTransformer().fit([texts[:2], [], texts[2], (texts[3],)])
    assert listed.vocabulary_ == flat.vocabulary_
    assert listed.spec_.shape == flat.spec_.shape
    ids = listed.transform([[texts[3], "unknown"], "cat", None])
    np.testing.assert_array_equal(ids.items, flat.transform([texts[3], "unknown", "cat"]))
    assert ids.counts.tolist() == [2, 1, 0]
    assert listed.transform([[], None]).items.shape == (0, 6)


def test_texts_in_lists_come_back():
    transformer = TextTransformer()
    ids = transformer.fit_transform([["a dog runs", "it barks"], [], "cat"])
    assert transformer.inverse_transform(ids).tolist() == [["a dog runs", "it barks"], [], ["cat"]]


def test_lists_of_texts_where_fit_had_none():
    transformer = TextTransformer().fit(["a dog", "a cat"])
    assert transformer.transform([["a dog"], []]).tolist() == transformer.transform(["a dog", None]).tolist()
    with pytest.raises(ValueError, match=r"TextTransformer was fitted on a column without lists"):
        transformer.transform([["a dog", "a cat"]])
    with pytest.raises(TypeError, match="list"):
        TextTransformer(lists=False).fit(["a dog", ["a cat"]])


def test_an_item_that_is_no_text_is_named():
    column = pd.Series([["a"], ["b", None, 3], "c"], name="notes")
    message = r"1 of 4 items of the lists in column 'notes' are something else \(row 1\). First, row 1, item 2 of its"
    with pytest.raises(TypeError, match=message):
        TextTransformer().fit(column)


def test_nothing_but_empty_lists():
    with pytest.raises(ValueError, match="at least one text"):
        TextTransformer().fit([[], [None]])
    pictures, present = ImageTransformer(4).fit_read([[], [None]])
    assert pictures.shape == (2, 4, 4, 3)
    assert not present.any()


def test_pickle(reader):
    twin = pickle.loads(pickle.dumps(reader.fit([[shade(1), shade(2)]])))
    assert shades(twin.transform([shade(3)])) == [[3]]
