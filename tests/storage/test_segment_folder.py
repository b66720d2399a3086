"""Rows on the disk, and all that may happen to them."""

import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import threading
import time
import zlib

import numpy as np
import pytest

from sklearn_mm.storage import _segment_folder
from sklearn_mm.storage._segment_folder import SegmentFolder

SHAPE = (50, 100)
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # Python 3.12


def keys_of(numbers):
    return np.array([b"%016d" % number for number in numbers], dtype="V16")


def rows_of(numbers):
    return np.stack(
        [np.full(SHAPE, number % 251, dtype=np.uint8) + np.arange(100, dtype=np.uint8) for number in numbers]
    )


def open_anew(folder):
    """The log as another process would have it."""
    return SegmentFolder(str(folder), np.dtype(np.uint8), SHAPE)


def found(log, numbers):
    """Return which rows are there; those that are must be the right ones."""
    numbers = list(numbers)
    there = []
    for number, segment, row in zip(numbers, *log.find(keys_of(numbers)), strict=True):
        if segment is not None:
            np.testing.assert_array_equal(segment.take(np.array([row]))[0], rows_of([number])[0])
            there.append(number)
    return there


@pytest.fixture
def folder(tmp_path):
    """A folder with the rows 0 to 9 in one segment."""
    open_anew(tmp_path / "log").add(keys_of(range(10)), rows_of(range(10)))
    return tmp_path / "log"


def only(folder, ending):
    (path,) = folder.glob(f"*{ending}")
    return path


def test_what_was_added_is_found_by_all(folder):
    log, other = open_anew(folder), open_anew(folder)
    assert found(log, [11, 3, 3, 9, 12]) == [3, 3, 9]
    log.add(keys_of([11]), rows_of([11]))
    assert found(log, [11]) == found(other, [11]) == [11]
    other.add(keys_of([12, 11]), rows_of([12, 11]))  # once more, which does no harm
    assert found(log, range(13)) == [*range(10), 11, 12]
    assert len(list(folder.glob("*.rows"))) == 3, "a writer has a segment of its own"


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert found(open_anew(tmp_path / "nowhere"), range(3)) == []
    (tmp_path / "file").touch()
    assert found(open_anew(tmp_path / "file"), range(3)) == []


def start(function, *arguments):
    """Start another process; it is forked, as imports take seconds."""
    process = multiprocessing.get_context("fork").Process(target=function, args=arguments)
    process.start()
    return process


def write_until_killed(folder, left):
    log = open_anew(folder)
    log.add(keys_of(range(100, 103)), rows_of(range(100, 103)))
    write = os.write

    def write_some_and_die(file, content):
        nonlocal left
        if len(content) > left:
            write(file, content[:left])
            os.kill(os.getpid(), signal.SIGKILL)
        left -= len(content)
        return write(file, content)

    os.write = write_some_and_die
    log.add(keys_of(range(103, 106)), rows_of(range(103, 106)))


@needs_fork
@pytest.mark.slow
def test_killed_in_the_middle_of_a_write(folder, tmp_path):
    killed_after = [0, 7000, 15_000, 15_001, 15_032, 15_095]  # 3 rows of 5,000 bytes come first, then 3 records of 32
    copies = {n_bytes: shutil.copytree(folder, tmp_path / "copies" / str(n_bytes)) for n_bytes in killed_after}
    for n_bytes, copy in copies.items():
        writer = start(write_until_killed, copy, n_bytes)
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
    for n_bytes, copy in copies.items():
        n_whole = max(0, n_bytes - 15_000) // 32
        log = open_anew(copy)
        assert found(log, range(110)) == [*range(10), *range(100, 103 + n_whole)], n_bytes
        lost = range(103 + n_whole, 106)
        log.add(keys_of(lost), rows_of(lost))
        assert found(open_anew(copy), range(110)) == [*range(10), *range(100, 106)], n_bytes


def write_endlessly(folder, first):
    log = open_anew(folder)
    for number in itertools.count(first, 7):
        log.add(keys_of(range(number, number + 7)), rows_of(range(number, number + 7)))


@needs_fork
@pytest.mark.slow
def test_several_writers_at_once_read_while_they_write_and_killed_at_any_time(folder):
    writers = [start(write_endlessly, folder, first) for first in (1000, 2000)]
    log, counts = open_anew(folder), []
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (counts and min(counts[-1]) > 200):
            counts.append([len(found(log, range(first, first + 1000))) for first in (1000, 2000)])
            if not all(counts[-1]):
                time.sleep(0.1)  # they still begin
    finally:
        for writer in writers:
            writer.kill()
            writer.join()
    assert min(counts[-1]) > 200
    assert counts == sorted(counts), "what was there stays there"
    again = open_anew(folder)
    for first, count in zip((1000, 2000), counts[-1], strict=True):
        there = found(again, range(first, first + 1000))
        assert there == list(range(first, first + len(there)))
        assert len(there) >= count


def test_rows_that_were_cut_off(folder):
    other = open_anew(folder)
    assert len(found(other, range(10))) == 10
    os.truncate(only(folder, ".rows"), 5000 * 4 + 17)
    assert found(open_anew(folder), range(10)) == found(other, range(10)) == [0, 1, 2, 3]
    other.add(keys_of(range(4, 10)), rows_of(range(4, 10)))
    assert found(other, range(10)) == found(open_anew(folder), range(10)) == list(range(10))


def test_rows_that_were_garbled(folder):
    other = open_anew(folder)
    assert len(found(other, range(10))) == 10
    path = only(folder, ".rows")
    content = bytearray(path.read_bytes())
    content[5000 * 2 + 1234] ^= 1
    content[5000 * 7 : 5000 * 8] = bytes(5000)
    path.write_bytes(content)
    assert found(open_anew(folder), range(10)) == found(other, range(10)) == [0, 1, 3, 4, 5, 6, 8, 9]


def test_a_file_that_is_shorter_than_it_looks(folder, monkeypatch):
    log, path = open_anew(folder), only(folder, ".rows")
    before = os.stat(path)
    os.truncate(path, 5000 * 2)
    monkeypatch.setattr(os, "stat", lambda path: before)  # as another host may remember it
    assert found(log, range(10)) == [0, 1]


def test_one_of_two_copies_was_garbled(folder):
    open_anew(folder).add(keys_of([3]), rows_of([3]))
    for path in folder.glob("*.rows"):
        whole = path.read_bytes()
        path.write_bytes(bytes(len(whole)))
        assert found(open_anew(folder), [3]) == [3]
        path.write_bytes(whole)


@pytest.mark.parametrize("place", [0, 20, 40, 32 + 3 * 32 + 5, 32 + 3 * 32 + 18])
def test_an_index_that_was_garbled(folder, place):
    path = only(folder, ".index")
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    there = found(open_anew(folder), range(10))
    lost = set() if place < 32 else {(place - 32) // 32}
    assert there == ([] if place < 32 else [number for number in range(10) if number not in lost])


@pytest.mark.parametrize("size", [0, 10, 32, 32 + 4 * 32 + 31])
def test_an_index_that_was_cut_off(folder, size):
    os.truncate(only(folder, ".index"), size)
    assert found(open_anew(folder), range(10)) == list(range(max(0, size - 32) // 32))


def test_an_index_without_rows(folder):
    only(folder, ".rows").unlink()
    assert found(open_anew(folder), range(10)) == []


def test_a_record_that_comes_in_pieces_is_seen_when_it_is_whole(folder):
    """As an index may look that grows on another host: its size is known before its content."""
    path = only(folder, ".index")
    content = path.read_bytes()
    path.write_bytes(content[: 32 + 5 * 32] + bytes(40))
    log = open_anew(folder)
    assert found(log, range(10)) == list(range(5))
    path.write_bytes(content)
    assert found(log, range(10)) == list(range(10))


def test_another_format(folder):
    path = only(folder, ".index")
    path.write_bytes(b"sklearn_mm rows0" + path.read_bytes()[16:])
    assert found(open_anew(folder), range(10)) == []
    assert found(SegmentFolder(str(folder), np.dtype(np.uint8), (50, 99)), range(0)) == []


def test_rows_of_another_size(folder):
    segments, _ = SegmentFolder(str(folder), np.dtype(np.uint8), (50, 99)).find(keys_of(range(10)))
    assert segments == [None] * 10


def test_cleared_while_somebody_reads_and_writes(folder):
    log = open_anew(folder)
    log.add(keys_of([20]), rows_of([20]))
    (segment,), (row,) = log.find(keys_of([4]))
    for path in folder.iterdir():
        path.unlink()
    np.testing.assert_array_equal(segment.take(np.array([row])), rows_of([4]))  # it had been mapped
    assert found(log, [4, 20]) == []
    log.add(keys_of([5]), rows_of([5]))
    assert found(log, [4, 5, 20]) == found(open_anew(folder), [4, 5, 20]) == [5]


class SmallDisk:
    """A disk that has room for so many bytes."""

    def __init__(self, room):
        self.room = room
        self._write = os.write

    def write(self, file, content):
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        n_written = self._write(file, content[: self.room])
        self.room -= n_written
        return n_written


@pytest.mark.parametrize("room", [0, 13, 9_999, 10_000, 10_030, 10_063])
def test_a_full_disk(folder, monkeypatch, room):
    log = open_anew(folder)
    log.add(keys_of([20]), rows_of([20]))
    size = sum(path.stat().st_size for path in folder.iterdir())
    disk = SmallDisk(room)
    monkeypatch.setattr(_segment_folder.os, "write", disk.write)
    with pytest.raises(OSError, match="No space") as caught:
        log.add(keys_of([21, 22]), rows_of([21, 22]))
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert sum(path.stat().st_size for path in folder.iterdir()) == size, "what was written in vain takes no room"
    assert found(log, range(20, 23)) == found(open_anew(folder), range(20, 23)) == [20]
    log.add(keys_of([21]), rows_of([21]))  # when there is room again
    assert found(open_anew(folder), range(20, 23)) == [20, 21]


@pytest.mark.parametrize("room", [0, 20, 32, 100, 5_010])
def test_a_disk_that_was_full_before_is_not_filled_with_empty_files(tmp_path, monkeypatch, room):
    disk = SmallDisk(room)
    monkeypatch.setattr(_segment_folder.os, "write", disk.write)
    log = open_anew(tmp_path / "log")
    for _ in range(3):
        with pytest.raises(OSError, match="No space"):
            log.add(keys_of([21]), rows_of([21]))
        disk.room = room
    assert list((tmp_path / "log").iterdir()) == []
    monkeypatch.undo()
    log.add(keys_of([21]), rows_of([21]))
    assert found(open_anew(tmp_path / "log"), [21]) == [21]


def test_what_others_add_need_not_be_verified_again(folder, monkeypatch):
    reader, writer = open_anew(folder), open_anew(folder)
    writer.add(keys_of([20]), rows_of([20]))
    assert found(reader, range(30)) == [*range(10), 20]
    checked = []
    monkeypatch.setattr(_segment_folder, "zlib", Noting(checked))
    writer.add(keys_of([21]), rows_of([21]))
    checked.clear()
    assert found(reader, range(30)) == [*range(10), 20, 21]
    assert checked.count(5000) == 1
    checked.clear()
    assert found(reader, range(30)) == [*range(10), 20, 21]
    assert checked == []


class Noting:
    """Notes how many bytes a checksum is taken of."""

    def __init__(self, sizes):
        self.sizes = sizes

    def crc32(self, content):
        self.sizes.append(len(content))
        return zlib.crc32(content)


def test_a_disk_that_says_late_that_it_is_full(folder, monkeypatch):
    log = open_anew(folder)

    def fail(file):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(_segment_folder.os, "fsync", fail)
    with pytest.raises(OSError, match="quota"):
        log.add(keys_of([20]), rows_of([20]))
    monkeypatch.undo()
    assert found(log, [20]) == found(open_anew(folder), [20]) == []


def test_threads_share_a_log(folder):
    log, errors = open_anew(folder), []

    def work(start):
        try:
            for number in range(start, start + 20):
                log.add(keys_of([number]), rows_of([number]))
                assert found(log, [number, number - 1]) == [number, number - 1][: 2 if number > start else 1]
        except BaseException as error:
            errors.append(error)
            raise

    threads = [threading.Thread(target=work, args=(start,)) for start in (100, 200, 300, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(found(open_anew(folder), range(100, 500))) == 80


@needs_fork
def test_a_fork_writes_to_a_segment_of_its_own(tmp_path):
    arguments = (str(tmp_path / "forked"), np.uint8, SHAPE)
    _segment_folder.open_folder(*arguments).add(keys_of([0]), rows_of([0]))
    child = os.fork()
    if child == 0:
        log = _segment_folder.open_folder(*arguments)
        log.add(keys_of([1]), rows_of([1]))
        os._exit(0 if found(log, range(2)) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0
    _segment_folder.open_folder(*arguments).add(keys_of([2]), rows_of([2]))
    assert found(_segment_folder.open_folder(*arguments), range(3)) == [0, 1, 2]
    assert len(list((tmp_path / "forked").glob("*.rows"))) == 2


def test_room(folder):
    log = open_anew(folder)
    assert [log.n_rows_in(room) for room in (-5, 0, 5032, 5063, 5064, 5064 + 5032)] == [0, 0, 0, 0, 1, 2]
    log.add(keys_of([20]), rows_of([20]))
    assert [log.n_rows_in(room) for room in (0, 5031, 5032)] == [0, 0, 1]
