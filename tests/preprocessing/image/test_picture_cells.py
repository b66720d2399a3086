"""One picture in all the ways in which cells hold it: the same array, the same key, decoded once."""

import base64
import io
import textwrap
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sklearn_mm.preprocessing import ImageTransformer
from sklearn_mm.preprocessing.cells._missing import is_missing, missing_rows
from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.image._picture_cells import (
    can_hold_picture,
    common_layout,
    looks_like_picture,
    plain_cell,
)
from sklearn_mm.preprocessing.image._picture_decoder import PictureDecoder
from sklearn_mm.preprocessing.media._cell_keys import hash_cells
from sklearn_mm.preprocessing.media._unreadable import UnreadableError

FORMATS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "ICO", "JPEG2000", "DDS", "QOI"]


def keys_of(cells):
    return hash_cells(as_cells(cells)[0], PictureDecoder())


def picture(seed=0, size=(12, 10)):
    pixels = np.random.default_rng(seed).integers(256, size=(size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image, format="PNG"):
    buffer = io.BytesIO()
    try:
        image.save(buffer, format)
    except KeyError:
        pytest.skip(f"this Pillow writes no {format}")
    return buffer.getvalue()


def base64_of(content):
    return base64.b64encode(content).decode()


def ways_of_bytes(content):
    text = base64_of(content)
    return {
        "bytes": content,
        "base64": text,
        "base64 in lines": "\n".join(textwrap.wrap(text, 76)) + "\n",
        "base64 in lines of Windows": "\r\n".join(textwrap.wrap(text, 64)),
        "base64 for URLs": base64.urlsafe_b64encode(content).decode(),
        "base64 without padding": text.rstrip("="),
        "data URI": f"data:image/png;base64,{text}",
        "data URI, whatever its type": f"data:application/octet-stream;base64,{text}",
        "data URI, no type, in capitals": f" DATA:;BASE64,{text}",
        "data URI with a parameter": f"data:image/png;name=a.png;base64,{text}",
        "data URI with escapes": f"data:image/png,{urllib.parse.quote(content)}",
        "data URI with escaped base64": f"data:image/png;base64,{urllib.parse.quote(text)}",
        "dict of both": {"bytes": content, "path": "elsewhere.png"},
        "dict of bytes": {"bytes": content, "path": None},
        "dict of bytes alone": {"bytes": bytearray(content)},
        "dict of base64": {"bytes": text, "path": None},
    }


WAYS = ways_of_bytes(encoded(picture()))


class TestBytes:
    @pytest.mark.parametrize("way", WAYS)
    def test_same_picture_and_key(self, way):
        expected = ImageTransformer((10, 12)).fit_transform([WAYS["bytes"]])
        np.testing.assert_array_equal(expected[0], np.asarray(picture()))
        np.testing.assert_array_equal(ImageTransformer((10, 12)).fit_transform([WAYS[way]]), expected)
        assert keys_of([WAYS[way]]) == hash_cells(as_cells([WAYS["bytes"]])[0], PictureDecoder())
        assert looks_like_picture(WAYS[way])

    def test_decoded_once(self, tmp_path, monkeypatch):
        opened, open_ = [], Image.open
        monkeypatch.setattr(Image, "open", lambda source: opened.append(source) or open_(source))
        pictures = ImageTransformer(8, memory=str(tmp_path), n_jobs=1).fit_transform(list(WAYS.values()))
        assert len(opened) == 2  # for its header, and to decode it
        assert len({rows.tobytes() for rows in pictures}) == 1
        ImageTransformer(8, memory=str(tmp_path), n_jobs=1).fit_transform([WAYS["data URI"]])
        assert len(opened) == 2  # for its header, and to decode it

    @pytest.mark.parametrize("format", FORMATS)
    def test_base64_of_every_format_is_told_by_its_start(self, format):
        content = encoded(picture(size=(16, 16)), format)
        text = base64_of(content)
        assert looks_like_picture(text)
        assert looks_like_picture(content)
        assert plain_cell(text) == content

    @pytest.mark.parametrize("format", ["PNG", "GIF", "JPEG"])
    def test_the_smallest_pictures(self, format):
        content = encoded(Image.new("L", (1, 1)), format)
        assert plain_cell(base64_of(content)) == content

    @pytest.mark.parametrize(
        ("cell", "cause"),
        [
            (WAYS["base64"] + "!?", "damaged base64"),
            (WAYS["base64"] + "A", "damaged base64"),
            ("data:image/png;base64,a", "damaged base64"),
            ("data:image/png;base64,äöü", "damaged base64"),
            ("data:image/png;base64", "data URI without a comma"),
            ("data:image/png;base64,", "empty"),
            ("data:,", "empty"),
            ("data:text/plain,Dear%20reader", "no picture"),
            ("data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing.*loader="),
            ("A" * 2000, "too long; if it is base64, say so with 'data:;base64,' before it"),
            ("A" * 64, r"no such file \(.*\); if it is base64, say so with 'data:;base64,'"),
            ({"bytes": b"", "path": "a.png"}, "empty"),
            ({"bytes": None, "path": "nowhere.png"}, r"'path': 'nowhere.png'}: no such file"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_cannot_be_read(self, cell, cause, tmp_path):
        with pytest.raises(ValueError, match=rf"(?s)cannot read 1 of 1 cells.*{cause}"):
            ImageTransformer(8).fit([cell])
        keys_of([cell])  # no error: it is who decodes that reports
        with pytest.raises(ValueError, match=rf"(?s)cannot read 1 of 1 cells.*{cause}"):
            ImageTransformer(8, memory=str(tmp_path)).fit([cell])

    @pytest.mark.parametrize(
        "cell",
        [
            "a red bicycle", "/9j/photo", "/9j/4AAQ/photo-of-a-cat-on-a-roof-in-the-sun.txt",
            "QkxBQ0sgYW5kIHdoaXRl" * 3, f"{0:064x}", "A" * 100, "data:text/plain,hello",
            "data:text/plain;base64,aGVsbG8gd29ybGQ=",
            "/home/user/pictures/of/the/last/summer/holidays/0001", {"bytes": b"RIFF....WAVE", "path": "a.wav"},
            {"bytes": None, "path": "a.wav"}, {"path": "a.png", "label": 3}, {}, b"hello", 3, None,
        ],
        ids=lambda value: str(value)[:30],
    )  # fmt: skip
    def test_what_does_not_look_like_a_picture(self, cell):
        assert not looks_like_picture(cell)

    @pytest.mark.parametrize("cell", [{}, {"path": "a.png", "label": 3}, {"bytes": 3, "path": "a.png"}, {"id": 1}])
    def test_other_dicts_are_not_read(self, cell):
        assert not can_hold_picture(cell)
        with pytest.raises(TypeError, match=r"data: URIs.*dicts of 'bytes' and 'path'; got dict in row 0.*loader="):
            ImageTransformer(8).fit([cell])

    @pytest.mark.parametrize("cell", [{"bytes": None, "path": None}, {"bytes": None}, {"bytes": None, "path": " "}])
    def test_dicts_of_nothing_are_missing(self, cell):
        assert is_missing(cell)
        assert missing_rows(as_cells([cell, WAYS["dict of bytes"]])[0]).tolist() == [True, False]
        assert ImageTransformer(8).fit_read([cell, WAYS["bytes"]])[1].tolist() == [False, True]
        assert keys_of([cell]) == np.void(bytes(16))

    def test_lists_of_dicts(self):
        cells = [[WAYS["dict of both"], {"bytes": None, "path": None}, WAYS["base64"]], WAYS["data URI"]]
        assert ImageTransformer(8).fit_transform(cells).counts.tolist() == [2, 1]


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "a picture ü 100%.png"
        picture().save(path)
        return path

    def test_file_uris(self, path):
        uri = path.as_uri()
        assert "%20" in uri
        for cell in (uri, uri.replace("file://", "file://localhost"), uri.replace("file://", "FILE:"), f" {uri} "):
            np.testing.assert_array_equal(ImageTransformer((10, 12)).fit_transform([cell])[0], np.asarray(picture()))
            assert keys_of([cell]) == hash_cells(as_cells([path])[0], PictureDecoder())

    @pytest.mark.parametrize(
        ("uri", "cause"),
        [
            ("file://server/share/a.png", "on the host 'server'.*three slashes"),
            ("file://a.png", "on the host 'a.png'.*three slashes"),
            ("file:///no/where.png", r"no such file"),
            ("file:///a%00b.png", "null"),
            ("file:///a\ud800.png", "damaged URI"),
        ],
    )
    def test_file_uris_that_lead_nowhere(self, uri, cause):
        with pytest.raises(ValueError, match=rf"(?s)cannot read 1 of 1 cells.*{cause}"):
            ImageTransformer(8).fit([uri])
        keys_of([uri])

    def test_dicts_of_paths(self, path):
        cells = [{"bytes": None, "path": str(path)}, {"path": path}, {"bytes": None, "path": path.as_uri()}]
        pictures = ImageTransformer((10, 12)).fit_transform(cells)
        np.testing.assert_array_equal(pictures, np.stack([np.asarray(picture())] * 3))
        below = ImageTransformer((10, 12), root=path.parent).fit_transform([{"bytes": None, "path": path.name}])
        np.testing.assert_array_equal(below, pictures[:1])
        assert len({key.tobytes() for key in keys_of([*cells, path])}) == 1

    def test_a_changed_file_in_a_dict_is_decoded_anew(self, path, tmp_path):
        transformer = ImageTransformer(8, memory=str(tmp_path / "store"))
        cells = [{"bytes": None, "path": str(path)}, path.as_uri()]
        before = np.asarray(transformer.fit_transform(cells))
        picture(1, size=(20, 20)).save(path)
        after = np.asarray(transformer.transform(cells))
        assert (before != after).any(axis=(1, 2, 3)).all()
        np.testing.assert_array_equal(after, ImageTransformer(8).fit_transform(cells))

    def test_a_file_of_a_dict_that_changes_while_it_is_decoded_is_not_kept(self, path, tmp_path, monkeypatch):
        open_ = Image.open

        def change_then_open(source):
            picture(1, size=(20, 20)).save(path)
            return open_(source)

        monkeypatch.setattr(Image, "open", change_then_open)
        ImageTransformer(8, memory=str(tmp_path / "store"), n_jobs=1).fit([{"bytes": None, "path": str(path)}])
        assert not list((tmp_path / "store").rglob("*.rows*"))
        assert not any(file.stat().st_size for file in (tmp_path / "store").rglob("*") if file.is_file())


class TestArrays:
    @pytest.mark.parametrize("shape", [(3, 9, 7), (1, 9, 7), (4, 9, 7)], ids=str)
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.uint16, bool])
    def test_channels_first(self, shape, dtype):
        first = (np.random.default_rng(0).random(shape) * (1 if dtype is np.float32 else 2)).astype(dtype)
        last = np.ascontiguousarray(np.moveaxis(first, 0, -1))
        cells = [last, first, torch.tensor(first), torch.tensor(last)]
        assert all(map(looks_like_picture, cells))
        pictures = ImageTransformer((9, 7)).fit_transform(cells)
        for other in pictures[1:]:
            np.testing.assert_array_equal(other, pictures[0])
        assert len({key.tobytes() for key in keys_of(cells)}) == 1

    def test_tensors(self):
        pixels = torch.tensor(np.asarray(picture())).permute(2, 0, 1)
        cells = [pixels, pixels / 255, (pixels / 255).half(), (pixels / 255).requires_grad_(), (pixels / 255).double()]
        pictures = ImageTransformer((10, 12)).fit_transform(cells)
        for other in pictures:
            np.testing.assert_allclose(other, np.asarray(picture()), atol=1)
        brain = ImageTransformer((10, 12)).fit_transform([(pixels / 255).bfloat16()])
        np.testing.assert_allclose(brain[0].astype(int), np.asarray(picture()), atol=2)  # of eight bits

    def test_grey_tensors(self):
        grey = torch.arange(63, dtype=torch.uint8).reshape(9, 7)
        pictures = ImageTransformer((9, 7), color="L").fit_transform([grey, grey[None], grey[..., None]])
        for other in pictures:
            np.testing.assert_array_equal(other[..., 0], grey.numpy())

    def test_where_both_ends_may_be_channels_the_column_decides(self):
        rng = np.random.default_rng(0)
        first, last = (rng.integers(256, size=shape, dtype=np.uint8) for shape in [(3, 9, 7), (9, 7, 3)])
        open_ = rng.integers(256, size=(3, 8, 4), dtype=np.uint8)  # 8 x 4 with channels first, 3 x 8 with them last
        as_first, as_last = ImageTransformer(8).fit_transform([np.moveaxis(open_, 0, -1), Image.fromarray(open_)])
        tensor = torch.tensor(open_)
        for cell, others, expected in [
            (open_, [], as_last),
            (open_, [last], as_last),
            (open_, [first], as_first),
            (open_, [first, first, last], as_first),
            (open_, [first, last], as_last),
            (open_, [torch.tensor(first)], as_first),
            (open_, [[first, first], last], as_first),
            (tensor, [], as_first),
            (tensor, [first, last], as_first),
            (tensor, [last], as_last),
        ]:
            transformer = ImageTransformer(8, lists=True).fit([*others, cell])
            np.testing.assert_array_equal(transformer.transform([cell]).items[0], expected)  # alone as among others
        assert common_layout(["a.png", None, open_]) is None

    def test_keys_know_what_the_column_decided(self, tmp_path):
        open_ = np.random.default_rng(0).integers(256, size=(3, 8, 4), dtype=np.uint8)
        first, last = np.zeros((3, 9, 7), np.uint8), np.zeros((9, 7, 3), np.uint8)
        keys = {}
        for other in (first, last):
            transformer = ImageTransformer(8, memory=str(tmp_path))
            before = transformer.content_keys([other, open_])
            expected = ImageTransformer(8).fit_transform([other, open_])
            np.testing.assert_array_equal(transformer.fit_transform([other, open_]), expected)
            np.testing.assert_array_equal(transformer.content_keys([other, open_]), transformer.settle_keys(before))
            keys[other.shape] = before[1].tobytes()
        assert len(set(keys.values())) == 2

    @pytest.mark.parametrize("container", [np.asarray, torch.tensor])
    def test_a_stack_is_a_column_or_a_list(self, container):
        pixels = np.random.default_rng(0).integers(256, size=(5, 9, 7, 3), dtype=np.uint8)
        first = np.ascontiguousarray(np.moveaxis(pixels, 3, 1))
        for stack in (container(pixels), container(first)):
            np.testing.assert_array_equal(ImageTransformer((9, 7)).fit_transform(stack), pixels)
            ragged = ImageTransformer((9, 7)).fit_transform([stack, stack[:2]])
            assert ragged.counts.tolist() == [5, 2]
            np.testing.assert_array_equal(ragged.items[:5], pixels)

    @pytest.mark.parametrize(
        ("array", "is_picture"),
        [
            (np.zeros((5, 6), np.uint8), True),
            (np.zeros((5, 6, 2), np.uint8), True),  # told by its type, and refused by who reads it
            (np.zeros((5, 6)), False),
            (np.zeros((5, 6, 2)), False),
            (np.zeros((5, 6, 3), complex), False),
            (np.full((5, 6, 3), "a"), False),
            (np.zeros(6, np.uint8), False),
            (torch.zeros(5, 6), False),
            (torch.zeros(5, 6, dtype=torch.uint8), True),
            (torch.zeros(3, 5, 6, dtype=torch.complex64), False),
        ],
        ids=lambda value: f"{value.dtype}{tuple(value.shape)}" if hasattr(value, "dtype") else None,
    )
    def test_which_arrays_look_like_pictures(self, array, is_picture):
        assert looks_like_picture(array) is is_picture


def test_plain_cells_are_left_as_they_are():
    for cell in ("a.png", Path("a.png"), b"abc", picture(), np.zeros((4, 5, 3), np.uint8), 3):
        assert plain_cell(cell) is cell


def test_damaged_cells_are_unreadable():
    with pytest.raises(UnreadableError):
        plain_cell("data:image/png;base64,a")
