import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from sklearn_mm.preprocessing.containers._columns import as_cells
from sklearn_mm.preprocessing.image._picture_decoder import PictureDecoder
from sklearn_mm.preprocessing.media._cell_keys import hash_cells

NOTHING = bytes(16)


def keys_of(cells, root=None):
    return [key.tobytes() for key in hash_cells(as_cells(cells)[0], PictureDecoder(root=root))]


class TestCells:
    def test_missing_cells_are_zeros(self):
        keys = keys_of([None, float("nan"), "", "  ", b"x"])
        assert keys[:4] == [NOTHING] * 4
        assert keys[4] != NOTHING

    def test_shape_and_dtype(self):
        for cells in ([], ["a"], [None, None]):
            keys = hash_cells(as_cells(cells)[0], PictureDecoder())
            assert keys.shape == (len(cells),)
            assert keys.dtype == "V16"

    def test_paths_to_one_file_have_one_key(self, tmp_path, monkeypatch):
        path = tmp_path / "a.png"
        path.write_bytes(b"1")
        monkeypatch.chdir(tmp_path)
        assert len(set(keys_of([path, str(path), "a.png", Path("a.png"), f"../{tmp_path.name}/a.png"]))) == 1
        assert keys_of(["a.png"], root=tmp_path) == keys_of([path])

    def test_changed_file_has_another_key(self, tmp_path):
        path = tmp_path / "a.png"
        path.write_bytes(b"1")
        os.utime(path, ns=(0, 10**18))
        before = keys_of([path])
        os.utime(path, ns=(0, 10**18 + 1000))
        touched = keys_of([path])
        path.write_bytes(b"12")
        os.utime(path, ns=(0, 10**18))
        assert len({*before, *touched, *keys_of([path])}) == 3

    def test_paths_that_lead_nowhere(self, tmp_path):
        cells = [str(tmp_path / "a"), str(tmp_path / "b"), "https://a.b/c.png", "a\0b", "\ud800", "x" * 5000]
        keys = keys_of(cells)
        assert len({*keys, NOTHING}) == len(cells) + 1
        assert keys == keys_of(cells)

    def test_bytes(self):
        keys = keys_of([b"abc", bytearray(b"abc"), memoryview(b"xabc")[1:], b"abd", b""])
        assert len(set(keys[:3])) == 1
        assert len(set(keys)) == 3

    def test_arrays(self):
        zeros = np.zeros((2, 6), np.uint8)
        cells = [zeros, zeros.copy(order="F"), zeros.reshape(3, 4), zeros.astype(bool), zeros + np.uint8(1)]
        keys = keys_of(cells)
        assert keys[0] == keys[1]
        assert len(set(keys)) == 4

    def test_pil_images(self):
        red, other = Image.new("RGB", (4, 2), "red"), Image.new("RGB", (2, 4), "red")
        assert len(set(keys_of([red, red.copy(), other, red.convert("CMYK")]))) == 3

    def test_pil_images_that_differ_in_palette_or_orientation_only(self):
        first, second = Image.new("P", (2, 2)), Image.new("P", (2, 2))
        first.putpalette([1, 2, 3])
        second.putpalette([1, 2, 4])
        lying = Image.new("RGB", (2, 2))
        lying.getexif()[0x0112] = 6
        assert len(set(keys_of([first, second, lying, Image.new("RGB", (2, 2))]))) == 4

    def test_unreadable_pil_image_is_no_error(self):
        buffer = io.BytesIO()
        Image.new("RGB", (40, 40)).save(buffer, "BMP")
        truncated = Image.open(io.BytesIO(buffer.getvalue()[:200]))
        closed = Image.open(io.BytesIO(buffer.getvalue()))
        closed.close()
        assert NOTHING not in keys_of([truncated, closed])

    def test_what_only_a_loader_understands(self):
        keys = keys_of([{"id": 1}, {"id": 1}, {"id": 2}, 7, np.array([{"id": 1}, None])])
        assert keys[0] == keys[1]
        assert len(set(keys)) == 4

    def test_kinds_do_not_collide(self, tmp_path):
        assert len(set(keys_of(["abc", b"abc", np.frombuffer(b"abc", np.uint8), ("abc",)]))) == 4
