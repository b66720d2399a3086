"""Rows of one type on the disk, found by key: segments that grow, each by one process, and the index of each.

Nothing here locks. A process writes to a segment of its own, the rows before the records that tell of them, and reads
the segments of all. What a record says is believed only if its checksum and that of its row hold, so that neither a
process that was killed, nor a machine that went down, nor another host's view of a file that grows is ever served.
"""

import os
import struct
import zlib
from collections import defaultdict
from contextlib import suppress
from functools import lru_cache
from operator import itemgetter
from threading import Lock
from uuid import uuid4

import numpy as np

from sklearn_mm.storage._stored_rows import open_segment

__all__ = ["Shelf", "open_shelf"]

_MAGIC = b"sklearn_mm rows1"
_RECORD = struct.Struct("<16sQII")  # key, row, checksum of the row, checksum of what is before it
_CHECKED = _RECORD.size - 4
_N_OPEN = 16  # shelves whose index a process keeps in memory


def open_shelf(folder, dtype, row_shape):
    """Return the `Shelf` of a folder, the same one for all who ask in this process."""
    return _open_shelf(os.getpid(), folder, np.dtype(dtype), tuple(row_shape))  # a fork gets one of its own


@lru_cache(maxsize=_N_OPEN)
def _open_shelf(pid, folder, dtype, row_shape):
    return Shelf(folder, dtype, row_shape)


class Shelf:
    """The rows in a folder, and where a process adds more.

    Parameters
    ----------
    folder : str
        Where the segments are; made when the first row is added.
    dtype : numpy.dtype
        Type of a row's elements.
    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, folder, dtype, row_shape):
        self.folder = folder
        self.dtype = dtype
        self.row_shape = row_shape
        self.row_bytes = int(np.prod(row_shape, dtype=np.int64)) * dtype.itemsize
        self._header = _MAGIC + self.row_bytes.to_bytes(_RECORD.size - len(_MAGIC), "little")
        self._writer = None
        self._lock = Lock()  # of the threads of this process
        self._known = {}  # what is known of each segment, by its name
        self._records = {}  # by key: lists of [segment, row, checksum of the row, version that it was verified in]

    def find(self, keys):
        """Return where rows are.

        Parameters
        ----------
        keys : array of shape (n,), dtype V16
            Their keys.

        Returns
        -------
        segments : list of Segment or None
            The file of each row, None for a row that is not there.
        rows : list of int
            The number of each row in its file. Every row has been verified by this process since its file last changed.
        """
        places = [(None, 0)] * len(keys)
        keys = keys.tolist()
        with self._lock:
            self._refresh()
            unverified = keys
            while unverified:
                unverified = self._verify(unverified)
            for place, key in enumerate(keys):
                for known, row, *_ in self._records.get(key, ())[-1:]:
                    places[place] = known.segment, row
        return [segment for segment, _ in places], [row for _, row in places]

    def _verify(self, keys):
        """Verify the last row of each key; forget what is torn or garbled, and return its keys: another row may do."""
        last = {key: records[-1] for key in keys if (records := self._records.get(key))}
        unverified = defaultdict(list)
        for record in last.values():
            if not _is_verified(record):
                unverified[record[0]].append(record)
        for known, records in unverified.items():
            known.verify(records)
        torn = [key for key, record in last.items() if not _is_verified(record)]
        for key in torn:
            self._records[key].pop()
        return torn

    def _refresh(self):
        """See what was added, by whomever, or changed."""
        try:
            with os.scandir(self.folder) as entries:
                names = {entry.name.removesuffix(".index") for entry in entries if entry.name.endswith(".index")}
        except OSError:  # not there yet, or not for us
            names = set()
        if not names.issuperset(self._known):  # cleared
            self._known, self._records = {}, {}
        for name in sorted(names):
            known = self._get(name)
            known.look()
            for key, row, check in known.read_index(self._header):
                self._records.setdefault(key, []).append([known, row, check, 0])

    def _get(self, name):
        if name not in self._known:
            self._known[name] = _Known(os.path.join(self.folder, name), self.dtype, self.row_shape)
        return self._known[name]

    def n_rows_in(self, n_bytes):
        """Return how many rows fit into so many bytes."""
        begun = self._writer is not None and self._writer.is_there()
        return max(0, n_bytes - (0 if begun else len(self._header))) // (self.row_bytes + _RECORD.size)

    def add(self, keys, rows):
        """Append rows to the segment of this process.

        Parameters
        ----------
        keys : array of shape (n,), dtype V16
            Their keys.
        rows : array of shape (n, ...)
            The rows.

        Returns
        -------
        segment : Segment
            The file that they are in.
        first : int
            The number of the first of them; the others follow it.

        Raises
        ------
        OSError
            Where they cannot be written; nothing has been added then.
        """
        content = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), self.row_bytes)
        checks = [zlib.crc32(row) for row in content]
        with self._lock:
            if self._writer is None or not self._writer.is_there():
                self._writer = _Writer(self.folder, self._header)
            writer = self._writer
            known = self._get(writer.name)
            known.look()
            first = writer.n_rows
            records = list(zip(keys.tolist(), range(first, first + len(rows)), checks, strict=True))
            try:
                writer.append(content, b"".join(map(_pack, records)))
            except OSError:
                self._writer = None
                writer.abandon()
                raise
            known.look(by_us=True)
            known.end = writer.index_end
            for key, row, check in records:
                self._records.setdefault(key, []).append([known, row, check, known.version])
        return known.segment, first


class _Known:
    """What a process knows of a segment: how far its index has been read, and whether its rows changed since.

    Parameters
    ----------
    path : str
        Its files, without their endings.
    dtype : numpy.dtype
        Type of a row's elements.
    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, path, dtype, row_shape):
        self.segment = open_segment(f"{path}.rows", dtype, row_shape)
        self.end = 0
        self.version = 1  # of the rows: what was verified in an earlier one is verified again
        self._index = f"{path}.index"
        self._state = (0, 0)  # size and time of change

    def look(self, by_us=False):
        """Note the state of the rows' file; if somebody did more than add to it, it is mapped and verified again."""
        before, self._state = self._state, (0, 0)
        with suppress(OSError):
            status = os.stat(self.segment.path)
            self._state = status.st_size, status.st_mtime_ns
        grew = self._state[0] > before[0] > 0
        if self._state != before and not grew and not by_us:
            self.version += 1
            self.segment.unmap()

    def read_index(self, header):
        """Return key, row and the row's checksum of each record that was not yet read and is whole."""
        try:
            if os.stat(self._index).st_size <= self.end:
                return []
            with open(self._index, "rb") as index:
                if self.end == 0 and index.read(len(header)) != header:
                    return []
                start = index.seek(max(self.end, len(header)))
                content = index.read()
        except OSError:  # removed meanwhile, or not readable here: not there
            return []
        records = []
        for place in range(0, len(content) - _RECORD.size + 1, _RECORD.size):
            record = content[place : place + _RECORD.size]
            *fields, check = _RECORD.unpack(record)
            # Of records that are not whole, the last may be on their way from another host, and are looked at again.
            if zlib.crc32(record[:_CHECKED]) == check:
                records.append(fields)
                self.end = start + place + _RECORD.size
        return records

    def verify(self, records):
        """Note in the records of rows that are whole that they are, in this version."""
        row_bytes = self.segment.row_bytes
        # Read, not mapped: of a file that is shorter than it looks from here, a map would end the process.
        with suppress(OSError), open(self.segment.path, "rb") as rows:
            for record in sorted(records, key=itemgetter(1)):
                _, row, check, _ = record
                rows.seek(row * row_bytes)
                if zlib.crc32(rows.read(row_bytes)) == check:
                    self.segment.raw(row + 1)  # is mapped from now on, and can be read when the folder was cleared
                    record[3] = self.version


def _is_verified(record):
    known, *_, verified_in = record
    return verified_in == known.version


def _pack(record):
    fields = _RECORD.pack(*record, 0)[:_CHECKED]
    return fields + zlib.crc32(fields).to_bytes(_RECORD.size - _CHECKED, "little")


class _Writer:
    """A segment that this process adds to; its files are open only while it does.

    Parameters
    ----------
    folder : str
        Where.
    header : bytes
        What the index begins with.
    """

    def __init__(self, folder, header):
        os.makedirs(folder, exist_ok=True)
        self.name = uuid4().hex
        self.n_rows = self.index_end = self._rows_end = 0
        self._path = os.path.join(folder, self.name)
        try:
            for ending in (".rows", ".index"):  # an index tells of a segment, so it comes second
                os.close(os.open(self._path + ending, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            self._write(".index", header)
        except OSError:
            self.abandon()
            raise
        self.index_end = len(header)

    def is_there(self):
        """Whether the segment is as this process left it."""
        try:
            ends = [os.stat(self._path + ending).st_size for ending in (".rows", ".index")]
        except OSError:
            return False
        return ends == [self._rows_end, self.index_end]

    def append(self, content, records):
        """Write rows, wait until they are safe, then write the records that tell of them."""
        self._write(".rows", content)
        self._write(".index", records)
        self.n_rows += len(content)
        self._rows_end += content.nbytes
        self.index_end += len(records)

    def abandon(self):
        """Give back the room of what was written in vain; nobody was told of it."""
        with suppress(OSError):
            for ending, end in ((".index", self.index_end), (".rows", self._rows_end)):
                if self.n_rows:
                    os.truncate(self._path + ending, end)
                else:
                    os.remove(self._path + ending)

    def _write(self, ending, content):
        # Opened without creating: where somebody cleared the folder, the segment ends.
        file = os.open(self._path + ending, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
        try:
            left = memoryview(content).cast("B")
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)  # some file systems say only now that the disk is full
        finally:
            os.close(file)
