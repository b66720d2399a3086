import errno
import os
import pickle
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from sklearn_mm.preprocessing import BlockStore
from sklearn_mm.storage._fetch import fetch
from sklearn_mm.storage._segment_folder import SegmentFolder
from sklearn_mm.storage._store import resolve_store


def keys_of(numbers):
    return np.array([b"%016d" % number for number in numbers], dtype="V16")


class Maker:
    """Makes rows that hold their number, and notes which."""

    def __init__(self, lasting=lambda numbers: numbers >= 0):
        self.made = []
        self.lasting = lasting

    def fetch(self, store, numbers, settings="some", shape=(1000,)):
        numbers = np.asarray(numbers)

        def make(places):
            self.made += numbers[places].tolist()
            rows = np.tile(numbers[places, np.newaxis].astype(np.int32), shape)
            return rows, np.ones(len(places), dtype=bool), self.lasting(numbers[places])

        rows = fetch(store, "number", settings, np.int32, shape, keys_of(numbers), make)
        np.testing.assert_array_equal(rows, np.tile(numbers[:, np.newaxis], shape))
        return rows


@pytest.fixture
def store(tmp_path):
    return BlockStore(tmp_path / "store")


def test_each_row_is_made_once(store):
    maker = Maker()
    maker.fetch(store, [3, 1, 3, 2, 1])
    assert maker.made == [3, 1, 2], "in the order of the rows, and duplicates once"
    maker.fetch(store, [2, 1])
    maker.fetch(clone(store), [5, 3, 2, 4])
    assert maker.made == [3, 1, 2, 5, 4]
    maker.fetch(store, [3], settings="others")
    maker.fetch(store, [3], shape=(1001,))
    assert maker.made == [3, 1, 2, 5, 4, 3, 3]
    assert maker.fetch(store, []).shape == (0, 1000)


def test_rows_come_from_few_files_however_many_were_added_at_a_time(store, monkeypatch):
    monkeypatch.setattr("sklearn_mm.storage._fetch._AT_ONCE", 8000)
    maker = Maker()
    assert len(maker.fetch(store, range(20)).sources) == 1
    assert len(maker.fetch(store, range(30)).sources) == 1
    assert maker.made == list(range(30))


def test_what_does_not_last_is_served_and_not_kept(store):
    maker = Maker(lasting=lambda numbers: numbers % 2 == 0)
    for _ in range(2):
        maker.fetch(store, range(6))
    assert maker.made == [0, 1, 2, 3, 4, 5, 1, 3, 5]


def test_what_is_not_there_is_zeros_and_takes_no_memory(store):
    def make(places):
        return np.ones((len(places), 5)), places % 2 == 0, places % 4 == 0

    for _ in range(2):
        rows = fetch(store, "number", (), np.float64, (5,), keys_of(range(8)), make)
        assert np.asarray(rows)[:, 0].tolist() == [1, 0] * 4
        assert sum(len(source) for source in rows.sources if isinstance(source, np.ndarray)) == 2


def test_location(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    maker = Maker()
    for location in ("a/b", tmp_path / "a" / "b", "~/a/b", os.path.join("a", "..", "a", "b")):
        maker.fetch(BlockStore(location), [1])
    assert maker.made == [1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_clear_removes_what_is_the_stores_and_nothing_else(store, tmp_path):
    store.clear()  # nothing is there yet
    maker = Maker()
    maker.fetch(store, [1, 2])
    assert store.n_bytes == 32 + 2 * (4000 + 32)
    mine = tmp_path / "store" / "letter.txt"
    mine.write_text("Dear reader")
    older = tmp_path / "store" / "sklearn_mm-rows-0"
    older.mkdir()
    store.clear()
    assert store.n_bytes == 0
    assert list((tmp_path / "store").iterdir()) == [mine]
    maker.fetch(store, [1])
    assert maker.made == [1, 2, 1]


def test_clear_where_the_file_system_keeps_what_is_mapped(store, tmp_path, monkeypatch):
    maker = Maker()
    maker.fetch(store, [1, 2])

    def remove(path):  # as NFS does, which refuses to remove that one again
        folder, name = os.path.split(path)
        if name.startswith(".nfs"):
            raise OSError(errno.EBUSY, "Device or resource busy")
        os.rename(path, os.path.join(folder, f".nfs{name.replace('.', '')}"))

    monkeypatch.setattr(os, "remove", remove)
    store.clear()
    store.clear()
    maker.fetch(store, [1])
    assert maker.made == [1, 2, 1]


def test_a_folder_of_an_older_version_is_left_alone(store, tmp_path):
    Maker().fetch(store, [1])
    (current,) = (tmp_path / "store").iterdir()
    current.rename(current.with_name("sklearn_mm-rows-0"))
    maker = Maker()
    maker.fetch(store, [1])
    assert maker.made == [1]
    assert len(list((tmp_path / "store").iterdir())) == 2


@pytest.mark.parametrize("max_bytes", [0, 31, 4063, 4064, 4064 + 4032, 10**6])
def test_max_bytes(tmp_path, max_bytes):
    store, maker = BlockStore(tmp_path, max_bytes=max_bytes), Maker()
    n_kept = min(4, max(0, max_bytes - 32) // 4032)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            maker.fetch(store, range(4))
    assert maker.made == [0, 1, 2, 3, *range(n_kept, 4)]
    assert store.n_bytes <= max_bytes
    assert [str(warning.message) for warning in caught] == [
        f"The store in {str(tmp_path)!r} keeps nothing more: it has reached max_bytes={max_bytes}. What it does not "
        "hold is decoded or computed each time, and held in memory as without a store. Raise the limit, or clear it."
    ] * (n_kept < 4)


def test_max_bytes_counts_what_others_keep_there(tmp_path):
    Maker().fetch(BlockStore(tmp_path), range(10))
    maker = Maker()
    with pytest.warns(UserWarning, match="has reached max_bytes=40000"):
        maker.fetch(BlockStore(tmp_path, max_bytes=40_000), range(10, 12), settings="others")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maker.fetch(BlockStore(tmp_path, max_bytes=40_000), range(10))
    assert maker.made == [10, 11]


def test_a_full_disk_is_told_once_and_costs_nothing_but_time(store, monkeypatch):
    maker = Maker()
    maker.fetch(store, [1])
    add = SegmentFolder.add

    def no_room(self, keys, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentFolder, "add", no_room)
    with pytest.warns(UserWarning, match=r"keeps nothing more: No space left .*\(errno ENOSPC\).* Make room for it\."):
        rows = maker.fetch(store, [1, 2, 3])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows[2:])), np.full((1, 1000), 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maker.fetch(store, [2, 1, 3])
        monkeypatch.setattr(SegmentFolder, "add", add)
        for _ in range(2):  # when there is room again
            maker.fetch(store, [1, 2, 3])
    assert maker.made == [1, 2, 3, 2, 3, 2, 3]


def test_after_a_write_that_failed_no_other_is_tried_in_the_same_call(store, monkeypatch):
    monkeypatch.setattr("sklearn_mm.storage._fetch._AT_ONCE", 8000)
    tried = []

    def no_room(self, keys, rows):
        tried.append(len(rows))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SegmentFolder, "add", no_room)
    with pytest.warns(UserWarning, match="No space"):
        Maker().fetch(store, range(10))
    assert tried == [2]


def test_a_place_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match=r"\(errno E\w+\).* Choose a folder that can be written to\."):
        Maker().fetch(BlockStore(tmp_path / "file" / "store"), [1])


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users")
def test_a_folder_that_may_only_be_read(tmp_path):
    store, maker = BlockStore(tmp_path / "store"), Maker()
    maker.fetch(store, [1])
    for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    opened = [tmp_path, *list(tmp_path.parents)[:-2]]
    modes = [path.stat().st_mode for path in opened]
    is_root = os.geteuid() == 0
    try:
        if is_root:  # who may write everywhere
            for path in opened:
                path.chmod(0o755)
            os.seteuid(65534)
        with pytest.warns(UserWarning, match=r"keeps nothing more: Permission denied \(errno EACCES\)"):
            maker.fetch(store, [1, 2])
    finally:
        if is_root:
            os.seteuid(0)
            for path, mode in zip(opened, modes, strict=True):
                path.chmod(mode)
        for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]:
            path.chmod(0o755)
    assert maker.made == [1, 2]


def test_what_memory_may_be(tmp_path):
    assert resolve_store(None) is None
    assert resolve_store(joblib.Memory(None)) is None
    assert resolve_store(str(tmp_path)).location == str(tmp_path)
    store = BlockStore(tmp_path, max_bytes=5)
    assert resolve_store(store) is store
    with pytest.raises(ValueError, match="'max_bytes' parameter of BlockStore must be"):
        resolve_store(BlockStore(tmp_path, max_bytes=-1))


def test_joblib_memory_clears_it_too(tmp_path):
    memory, maker = joblib.Memory(tmp_path, verbose=0), Maker()
    maker.fetch(resolve_store(memory), [1])
    memory.reduce_size(bytes_limit=10**9)
    maker.fetch(resolve_store(pickle.loads(pickle.dumps(memory))), [1])
    assert maker.made == [1]
    memory.clear(warn=False)
    maker.fetch(resolve_store(memory), [1])
    assert maker.made == [1, 1]


def test_it_is_a_parameter_like_others(store):
    assert repr(BlockStore("folder", max_bytes=10)) == "BlockStore(location='folder', max_bytes=10)"
    for copied in (clone(store), pickle.loads(pickle.dumps(store))):
        assert copied.get_params() == store.get_params()
