import base64
import datetime
import decimal
import io
import pathlib

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sklearn_mm import ImageInput, ModalityTransformer
from sklearn_mm.inputs import detect_kinds
from sklearn_mm.inputs._column_contents import detect_table_kind, is_all_missing
from sklearn_mm.preprocessing import ImageTransformer

RNG = np.random.default_rng(0)
WORDS = np.array(["cat", "dog", "house", "tree", "night", "snow", "rain", "light", "road", "river"], dtype=object)
SENTENCES = [" ".join(words) for words in WORDS[RNG.integers(10, size=(60, 6))]]
NAMES = ["".join(letters) for letters in np.array([*"abcdefghij"])[RNG.integers(10, size=(60, 6))]]


def encoded(kind):
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, kind)
    return file.getvalue()


def in_base64(kind):
    return base64.b64encode(encoded(kind)).decode()


def kind_of(cells, dtype=None):
    column = cells if isinstance(cells, pd.Series) else pd.Series(cells, dtype=dtype)
    return detect_kinds(pd.DataFrame({"c": column}))["c"].kind


@pytest.mark.parametrize(
    ("cells", "kind"),
    {
        "paths": (["a/b.png", "c.JPEG", None], "image"),
        "one path, always": (["a.png"] * 3, "image"),
        "paths with spaces": (["my photos/a cat on the roof.jpg", "my photos/b.webp"], "image"),
        "pathlib": ([pathlib.Path("a.png"), pathlib.Path("b.bmp")], "image"),
        "urls": (["https://x.org/a.png?width=300", "http://x.org/b.gif#x"], "image"),
        "data urls": (["data:image/png;base64,iVBORw0KGgo="] * 2, "image"),
        "data urls without a type": ([f"data:;base64,{in_base64(kind)}" for kind in ("PNG", "JPEG")], "image"),
        "other data urls": (["data:text/plain;base64,aGVsbG8=", "data:text/plain,you"], "categorical"),
        "file urls": (["file:///a%20b.png", "file:///c.jpg"], "image"),
        "base64": ([in_base64(kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")], "image"),
        "base64 of something else": (["aGVsbG8gYW5kIGdvb2QgbW9ybmluZyB0byB5b3UgYWxs" * 3] * 2 + [None], "categorical"),
        "rare endings": (["a.jpe", "b.mpo", "c.j2k", "d.apng", "e.jxl", "f.heif", "g.qoi"], "image"),
        "what needs a loader": (["a.svg", "b.dcm", "c.npy", "d.cr2", "e.NEF", "f.dng"], "image"),
        "dicts of bytes": ([{"bytes": encoded("PNG"), "path": None}, {"bytes": None, "path": None}], "image"),
        "dicts of paths": ([{"bytes": None, "path": "a.png"}, None], "image"),
        "dicts of nothing": ([{"bytes": None, "path": None}] * 2, "ignored"),
        "most are paths": (["a.png", "b.png", "none"], "image"),
        "few are paths": (["a.png", "none", "none"], "categorical"),
        "sentences with file names": ([f"{text} as in a.png, maybe" for text in SENTENCES], "text"),
        "PIL": ([Image.new("L", (3, 3)), None, Image.new("RGB", (3, 3))], "image"),
        "arrays": ([np.zeros((3, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)], "image"),
        "arrays with channels first": ([np.zeros((3, 4, 5)), np.zeros((1, 4, 5), np.float32)], "image"),
        "arrays of numbers with channels last": ([np.zeros((4, 5, 3)), np.zeros((4, 5, 1), np.uint16)], "image"),
        "tensors": ([torch.zeros(3, 4, 5), torch.zeros(4, 5, dtype=torch.uint8)], "image"),
        "jpeg bytes": ([encoded("JPEG"), None], "image"),
        "png bytes": ([encoded("PNG")] * 2, "image"),
        "webp bytes": ([encoded("WEBP")] * 2, "image"),
        "gif, tiff and bmp bytes": ([encoded("GIF"), encoded("TIFF"), encoded("BMP")], "image"),
        "mixed pictures": (["a.png", encoded("PNG"), Image.new("L", (3, 3))], "image"),
        "other bytes": ([b"hello", b"you"], "ignored"),
        "other bytearrays": ([bytearray(b"hello"), bytearray(b"you")], "ignored"),
        "other paths": ([pathlib.Path("a.pdf"), pathlib.Path("b.pdf")], "ignored"),
        "sentences": (SENTENCES, "text"),
        "two sentences": (["It is warm.", "It is cold outside."], "text"),
        "few long answers": (["I strongly agree with this", "I do not agree at all"] * 30, "categorical"),
        "Chinese": (["我喜欢这部电影", "很好看", "不推荐给大家"], "text"),
        "Japanese": (["とても良い映画でした", "おすすめしません"], "text"),
        "Thai": (["ภาพยนตร์เรื่องนี้ดีมาก", "ไม่แนะนำ"], "text"),
        "names": (NAMES, "text"),
        "few names": (NAMES[:20], "categorical"),
        "names that come back": (NAMES[:20] * 3, "categorical"),
        "words": (["red", "blue", "red", None], "categorical"),
        "identifiers": ([f"A-{number}" for number in range(60)], "ignored"),
        "few identifiers": ([f"A-{number}" for number in range(20)], "categorical"),
        "uuids": ([f"{number:032x}" for number in range(60)], "ignored"),
        "codes": (["01234", "99999", "01234"], "categorical"),
        "digits, one sign of a missing one among them": ([*map(str, range(50, 90)), "?"], "numeric"),
        "numbers as strings": (["1.5", "-2", " 3e4 ", "", None], "numeric"),
        "ISO dates": (["2024-01-31", "2024-02-29T12:30", None], "datetime"),
        "other dates": (["31.1.2024", "29.2.2024"], "datetime"),
        "dates of several forms": (["31.1.2024", "2024-02-29"], "categorical"),
        "floats": ([1.5, 2.5, np.nan], "numeric"),
        "whole numbers, all different": (range(1000), "numeric"),
        "decimals": ([decimal.Decimal("1.5"), decimal.Decimal("2.5")], "numeric"),
        "objects of numbers": (pd.Series([1, 2.5, None], dtype=object), "numeric"),
        "durations": (pd.to_timedelta([1, 2, None], unit="h"), "numeric"),
        "booleans": ([True, False, None], "categorical"),
        "numbers and a sign of a missing one": ([1.5, 2.5, "?", 3.5], "numeric"),
        "mixed": ([1.5, 2.5, "none of these", 3.5], "categorical"),
        "dates": ([datetime.date(2024, 1, 31), datetime.date(2024, 2, 29)], "datetime"),
        "timestamps": (pd.to_datetime(["2024-01-31", "2024-02-29", None]), "datetime"),
        "timestamps with time zone": (pd.to_datetime(["2024-01-31", "2024-02-29"]).tz_localize("UTC"), "datetime"),
        "constant": (["EUR", "EUR"], "ignored"),
        "constant number": ([3, 3, 3], "ignored"),
        "constant sentence": (["It is warm."] * 3, "ignored"),
        "constant but missing": (["EUR", None, "EUR"], "categorical"),
        "one row": ([3.0], "numeric"),
        "nothing": ([None, None], "ignored"),
        "NaN": ([np.nan, np.nan], "ignored"),
        "blank": ([" ", "", None], "ignored"),
    }.values(),
)
def test_kinds(cells, kind):
    assert kind_of(pd.Series(cells) if not isinstance(cells, list) else cells) == kind


@pytest.mark.parametrize("dtype", [object, "string", "string[pyarrow]", pd.StringDtype("python")], ids=str)
@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["a.png", "b.png", None], "image"),
        ([*SENTENCES, None], "text"),
        (["red", "blue", None, "red"], "categorical"),
        (["1.5", "2.5", None], "numeric"),
        (["2024-01-31", "2024-02-29", None], "datetime"),
        ([None, " "], "ignored"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_string_dtypes(cells, kind, dtype):
    assert kind_of(cells, dtype) == kind


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]", "Float32", "double[pyarrow]", "float16", "uint8"])
def test_numeric_dtypes(dtype):
    assert kind_of([1, 2, 3], dtype) == "numeric"


@pytest.mark.parametrize("dtype", ["bool", "boolean", "bool[pyarrow]"])
def test_boolean_dtypes(dtype):
    assert kind_of([True, False, True], dtype) == "categorical"


@pytest.mark.parametrize("dtype", ["timestamp[ns][pyarrow]", "date32[pyarrow]", "datetime64[s]"])
def test_datetime_dtypes(dtype):
    assert kind_of(pd.Series(pd.to_datetime(["2024-01-31", "2024-02-29"])).astype(dtype)) == "datetime"


@pytest.mark.parametrize("cells", [SENTENCES, ["a.png", "b.png"], [1, 2], ["a", "a"]], ids=str)
def test_the_category_dtype_is_taken_at_its_word(cells):
    assert kind_of(cells, "category") == "categorical"


@pytest.mark.parametrize(
    ("cell", "type_name"),
    [
        ({"a": 1}, "dict"),
        ([1, 2], "list"),
        ((1, 2), "tuple"),
        ({1}, "set"),
        (range(2), "range"),
        (np.zeros(3), "ndarray"),
    ],
    ids=str,
)
def test_many_containers_are_refused_wherever_they_are(cell, type_name):
    cells = [1.5] * 1234 + [cell] * 250 + [1.5] * 1000
    with pytest.raises(TypeError, match=rf"column 'c': argument must be a string or a number, not '{type_name}'.*1234"):
        kind_of(cells, object)


@pytest.mark.parametrize(
    ("cells", "kind"),
    {
        "vectors": ([np.zeros(3), None, np.ones(3)], "vector"),
        "lists of numbers": ([[1.5, 2], [3, 4], []], "vector"),
        "tuples of numbers": ([(1, 2), (3, 4)], "vector"),
        "tensors": (list(torch.eye(3)), "vector"),
        "vectors of several lengths, about which the reader complains": ([[1], [1, 2], [1, 2, 3]], "vector"),
        "lists of paths": ([["a.png", "b.jpg"], ["c.png"], None], "image"),
        "tuples of paths": ([("a.png", "b.jpg"), ("c.png",)], "image"),
        "arrays of paths": ([np.array(["a.png", "b.png"]), np.array(["c.png", None], dtype=object)], "image"),
        "lists of arrays": ([[np.zeros((4, 4), np.uint8)] * 2, [np.zeros((4, 4, 3), np.uint8)]], "image"),
        "lists of dicts": ([[{"bytes": encoded("PNG"), "path": None}] * 2, []], "image"),
        "stacks of tensors": ([torch.zeros(2, 3, 4, 5), torch.zeros(1, 3, 4, 5)], "image"),
        "stacks of arrays": ([np.zeros((2, 4, 4, 3), np.uint8), np.zeros((1, 4, 4, 3), np.uint8)], "image"),
        "lists with PIL images and bytes": ([[Image.new("L", (2, 2)), b"\x89PNG\r\n..."]], "image"),
        "lists of pictures beside single ones": (["a.png", ["b.png", None], [], "c.png"], "image"),
        "few lists of pictures": (["a.png"] * 5000 + [["b.png", "c.png"]], "image"),
        "lists of texts": ([SENTENCES, SENTENCES[:1], []], "text"),
        "lists of texts beside single ones": ([*SENTENCES, SENTENCES[:2], [None, SENTENCES[0]]], "text"),
        "few lists of texts": ([f"a text of number {number}" for number in range(5000)] + [SENTENCES], "text"),
        "empty lists": ([[], [None], None], "ignored"),
    }.values(),
)
def test_vectors_and_lists(cells, kind):
    assert kind_of(pd.Series(cells, dtype=object)) == kind


@pytest.mark.parametrize(
    "cells",
    [
        [["red", "blue"], ["green"], ["red"]],  # tags
        [["1", "2"], ["3", "4"]],
        [["red"], [1, 2], ["green"]],
        [[["a.png"]], [["b.png"]]],
        [["a.png", {"a": 1}], ["b.png", {"a": 1}]],
        [np.zeros((2, 3)), np.ones((2, 3))],
        [torch.zeros(2, 3), torch.ones(2, 3)],
        [{"bytes": b"%PDF-1.7", "path": "a.pdf"}, {"bytes": None, "path": "b.pdf"}],
        ["red", "blue", ["red", "blue"]],
        [*SENTENCES, {"a": 1}, SENTENCES],
        [*SENTENCES, {"a": 1}],
        [np.zeros(3), np.zeros(3), {"a": 1}],
        [np.zeros(3), np.zeros(3), ["a", "b"]],
        ["a.png", ["b.png"], {"a": 1}],
    ],
    ids=str,
)
def test_other_containers(cells):
    with pytest.raises(TypeError, match="'c': argument must be a string or a number, not"):
        kind_of(pd.Series(cells, dtype=object))


@pytest.mark.parametrize("cell", [[1, 2], (1, 2), range(2), np.zeros(3)], ids=str)
@pytest.mark.parametrize(("cells", "kind"), [([1.5, 2.5] * 50, "numeric"), (["red", "blue"] * 50, "categorical")])
def test_few_containers_are_odd_cells(cells, kind, cell):
    cells = pd.Series(cells, dtype=object)
    cells[17] = cell
    assert kind_of(cells) == kind


@pytest.mark.parametrize(("cell", "type_name"), [({"a": 1}, "dict"), ({1}, "set")], ids=str)
def test_structures_are_refused_wherever_they_are(cell, type_name):
    cells = [1.5] * 1234 + [cell] + [1.5] * 1000
    with pytest.raises(TypeError, match=rf"argument must be a string or a number, not '{type_name}'.*1234"):
        kind_of(cells, object)


def test_numbers_as_people_write_them_are_no_identifiers():
    numbers = RNG.permutation(10_000)[:60]
    prices = detect_kinds(pd.DataFrame({"c": [f"${number:,}" for number in numbers]}))["c"]
    assert prices == ("numeric", "strings that are numbers with the unit '$'")
    days = (pd.Timestamp("2000-01-31") + pd.to_timedelta(numbers, unit="D")).strftime("%m/%d/%Y")
    assert kind_of(list(days)) == "datetime"
    assert kind_of([f"[0.{number}, 1.5]" for number in numbers]) == "vector"
    assert kind_of([f"{number} {'km' if number % 2 else 'miles'}" for number in numbers]) == "text"


def test_the_reason_tells_of_lists():
    detected = detect_kinds(pd.DataFrame({"a": [["a.png"], "b.png", None], "b": [[1, 2], [3, 4], None]}))
    assert detected["a"].reason == "2 of 2 cells looked at are pictures or paths of pictures, 1 of them lists"
    assert detected["b"].reason == "2 of 2 cells looked at are vectors"


class TestFilesWithoutEndings:
    @pytest.fixture
    def paths(self, tmp_path):
        for number in range(40):
            (tmp_path / f"{number:04x}").write_bytes(encoded("PNG" if number % 2 else "JPEG"))
        return [str(tmp_path / f"{number:04x}") for number in range(40)]

    def test_paths_of_pictures(self, paths):
        assert kind_of(paths) == kind_of(list(map(pathlib.Path, paths))) == "image"
        assert kind_of([*paths, None, ""]) == "image"
        assert detect_kinds(pd.DataFrame({"c": paths}))["c"].reason == "paths that lead to pictures"

    def test_relative_paths(self, paths, tmp_path, monkeypatch):
        names = [pathlib.Path(path).name for path in paths]
        X = pd.DataFrame({"c": names})
        monkeypatch.chdir(tmp_path)
        assert kind_of([f"./{name}" for name in names]) == "image"
        assert kind_of(names) == "ignored"  # identifiers, until a root says that names are those of files
        reader = ModalityTransformer(image=ImageInput(transformer=ImageTransformer(8, root=tmp_path)))
        assert reader.fit_transform(X)["c"].shape == (40, 8, 8, 3)

    def test_other_files_and_no_files(self, paths, tmp_path):
        (tmp_path / "notes").write_text("Dear reader")
        assert kind_of([*paths[:5], str(tmp_path / "notes"), *paths[5:]]) != "image"
        assert kind_of([*paths[:5], str(tmp_path / "nowhere"), *paths[5:]]) != "image"
        assert kind_of([str(tmp_path), str(tmp_path / "notes")]) != "image"
        assert kind_of(["and/or", "either/or", "a\0/b", "x/" * 5000]) == "categorical"

    def test_at_most_ten_files_are_opened(self, paths, monkeypatch):
        opened = []
        monkeypatch.setattr("builtins.open", lambda path, mode: opened.append(path) or io.BytesIO(encoded("PNG")))
        assert kind_of(paths) == "image"
        assert len(opened) == 10

    @pytest.mark.parametrize("cells", [SENTENCES, NAMES, ["a.png", "b/c.png"], ["https://a.b/c.jpg"] * 2])
    def test_no_file_is_looked_up_for_other_columns(self, cells, monkeypatch):
        monkeypatch.setattr("os.stat", lambda *args, **kwargs: pytest.fail("looked up"))
        kind_of(cells)


def test_the_sample_is_always_the_same_and_sees_the_whole_column():
    cells = ["red", "blue"] * 100 + [f"photo/{number}.png" for number in range(5000)]
    first = detect_kinds(pd.DataFrame({"c": cells}))
    np.random.default_rng().random()
    assert first == detect_kinds(pd.DataFrame({"c": cells}))
    assert first["c"].kind == "image"


def test_mostly_blank_columns_are_judged_by_what_is_there():
    assert kind_of([""] * 5000 + SENTENCES) == "text"


def test_kinds_do_not_depend_on_the_number_of_rows():
    texts = pd.Series(SENTENCES)
    assert kind_of(texts) == kind_of(pd.concat([texts] * 5, ignore_index=True)) == "text"


def test_each_column_has_a_reason():
    detected = detect_kinds(pd.DataFrame({"a": ["EUR"] * 2, "b": [None] * 2, "c": ["a.png", "x"]}))
    assert detected["a"].reason == "all of its 2 cells are the same"
    assert detected["b"].reason == "all of its 2 cells are missing"
    assert all(reason for _, reason in detected.values())


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (SENTENCES, "categorical"),
        (["01234", "99999"], "categorical"),
        (["1.5", "2"], "numeric"),
        (["-1", "2"], "numeric"),
        (["1.5", "x"], "categorical"),
        (["2024-01-31", None], "datetime"),
        ([1, 1], "numeric"),
        ([True, False], "categorical"),
        ([np.zeros(2), np.ones(2), None], "vector"),
        ([["a", "b"], ["c"]], "categorical"),
    ],
)
def test_kinds_within_a_table(cells, kind):
    assert detect_table_kind(pd.Series(cells)) == kind


@pytest.mark.parametrize(
    ("cells", "expected"), [([None, "", " "], True), ([None, "a"], False), ([0], False), ([[], [None]], True)]
)
def test_all_missing(cells, expected):
    assert is_all_missing(pd.Series(cells, dtype=object)) is expected


def test_the_table_is_left_as_it_was():
    X = pd.DataFrame({"a": pd.Series(["x", None, " "], dtype=object), "b": [1.0, np.nan, 3]})
    before = X.copy(deep=True)
    detect_kinds(X)
    pd.testing.assert_frame_equal(X, before)
