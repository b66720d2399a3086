"""Vectors in files: what safetensors reads, no slice of a file that was changed, and no crash."""

import copy
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from sklearn_mm.retrieval._search import nearest
from sklearn_mm.retrieval._vector_file import VectorFile, digest_of, write_vectors
from sklearn_mm.retrieval._vectors import Vectors


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((100, 6)).astype(np.float16)


@pytest.fixture
def file(rows, tmp_path):
    return write_vectors(str(tmp_path / "new" / "folder"), iter([rows[:70], rows[70:].astype(np.float32)]))


def test_slices_are_those_of_the_array(file, rows):
    assert file.shape == (100, 6)
    for some in (slice(0, 100), slice(13, 71), slice(90, 500), slice(40, 40)):
        np.testing.assert_array_equal(file[some], rows[some])
    assert file.digest == digest_of(rows)
    assert copy.deepcopy(file) is file


def test_safetensors_reads_it(file, rows):
    safetensors = pytest.importorskip("safetensors")
    np.testing.assert_array_equal(pytest.importorskip("safetensors.numpy").load_file(file.path)["vectors"], rows)
    with safetensors.safe_open(file.path, framework="np") as opened:
        assert opened.metadata() == {"blake2b": file.digest}


def test_nothing_is_left_of_a_write_that_fails(rows, tmp_path):
    def parts():
        yield rows
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        write_vectors(str(tmp_path), parts())
    assert os.listdir(tmp_path) == []


def test_a_changed_file_is_an_error_and_never_a_crash(file, rows, tmp_path):
    """Each of 60 mutations is noticed, and with the file as it was all is well again."""
    good, rng = shutil.copy(file.path, tmp_path / "good"), np.random.default_rng(1)
    content = Path(good).read_bytes()
    for number in range(60):
        changed = bytearray(content)
        place = int(rng.integers(len(changed)))
        if number % 3 == 0:
            changed[place] ^= 1 << int(rng.integers(8))
        elif number % 3 == 1:
            del changed[place:]
        else:
            changed[place:place] = rng.bytes(int(rng.integers(1, 50)))
        with open(file.path, "wb") as opened:
            opened.write(changed)
        os.utime(file.path, ns=(number, number))  # clocks may be coarse
        for looked_at in (file, VectorFile(file.path, file.shape, file.digest)):
            with pytest.raises(ValueError, match="was changed or cut"):
                nearest(rows.astype(np.float32)[:3], looked_at, 5)
    shutil.copy(good, file.path)
    np.testing.assert_array_equal(file[:], rows)
    os.remove(file.path)
    with pytest.raises(FileNotFoundError, match="fit again"):
        file[:]


def test_parts_are_one_array_and_pickle_without_files(file, rows):
    vectors = Vectors([rows[:30].astype(np.float32)]).plus(file).plus(rows[:1])
    whole = np.concatenate([rows[:30], rows, rows[:1]])
    assert vectors.shape == (131, 6)
    for some in (slice(0, 131), slice(29, 31), slice(30, 130), slice(5, 9), slice(20, 131), slice(50, 50)):
        np.testing.assert_array_equal(vectors[some], whole[some])
    content = pickle.dumps(vectors)
    digest = vectors.digest()
    os.remove(file.path)
    loaded = pickle.loads(content)
    np.testing.assert_array_equal(loaded[:], whole)
    assert loaded.digest() == digest
    assert Vectors([rows]).digest() != digest
