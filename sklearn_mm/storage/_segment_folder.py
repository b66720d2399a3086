"""An append-only log of rows of one type (as in Bitcask): segments that grow, each by one process, and their indexes.

Nothing here locks. A process writes to a segment of its own, the rows before the records that tell of them, and reads
the segments of all. What a record says is believed only if its checksum and that of its row hold, so that neither a
process that was killed, nor a machine that went down, nor another host's view of a file that grows is ever served.
"""

import os
import zlib
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from threading import Lock

import numpy as np

from sklearn_mm.storage._index_records import RECORD_BYTES, index_header, pack_record, unpack_records
from sklearn_mm.storage._segment import open_segment
from sklearn_mm.storage._segment_writer import SegmentWriter

__all__ = ["SegmentFolder", "open_folder"]

_N_OPEN = 16  # folders whose index a process keeps in memory


def open_folder(path, dtype, row_shape):
    """Return the `SegmentFolder` of a path, the same one for all who ask in this process."""
    return _open_folder(os.getpid(), path, np.dtype(dtype), tuple(row_shape))  # a fork gets one of its own


@lru_cache(maxsize=_N_OPEN)
def _open_folder(pid, path, dtype, row_shape):
    return SegmentFolder(path, dtype, row_shape)


class SegmentFolder:
    """The rows in a folder, by key, and where a process adds more.

    Parameters
    ----------
    path : str
        Where the segments are; made when the first row is added.
    dtype : numpy.dtype
        Type of a row's elements.
    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, path, dtype, row_shape):
        self.path = path
        self.dtype = dtype
        self.row_shape = row_shape
        self.row_bytes = int(np.prod(row_shape, dtype=np.int64)) * dtype.itemsize
        self._header = index_header(self.row_bytes)
        self._writer = None
        self._lock = Lock()  # of the threads of this process
        self._indexes = {}  # of segments, by name
        self._records = defaultdict(list)  # by key, of all segments; that of the last to be found comes first

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
        keys = keys.tolist()
        with self._lock:
            self._refresh()
            records = self._verified_records(keys)
        found = [records.get(key) for key in keys]
        return [record and record.index.segment for record in found], [record.row if record else 0 for record in found]

    def n_rows_in(self, n_bytes):
        """Return how many rows fit into so many bytes."""
        has_header = self._writer is not None and self._writer.is_intact()
        return max(0, n_bytes - (0 if has_header else len(self._header))) // (self.row_bytes + RECORD_BYTES)

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
        checksums = [zlib.crc32(row) for row in content]
        with self._lock:
            if self._writer is None or not self._writer.is_intact():
                self._writer = SegmentWriter(self.path, self._header)
            index, first = self._index_of(self._writer.name), self._writer.n_rows
            added = list(zip(keys.tolist(), range(first, first + len(rows)), checksums, strict=True))
            index.refresh()  # before it grows, which would hide what else was done to it
            try:
                self._writer.append(content, b"".join(pack_record(*record) for record in added))
            except OSError:
                self._writer.abandon()
                self._writer = None
                raise
            index.refresh()
            index.end = self._writer.index_end
            for key, row, checksum in added:
                self._records[key].append(_Record(index, row, checksum, verified_in=index.version))
        return index.segment, first

    def _refresh(self):
        """See what was added, by whomever, or changed."""
        try:
            with os.scandir(self.path) as entries:
                names = {entry.name.removesuffix(".index") for entry in entries if entry.name.endswith(".index")}
        except OSError:  # not there yet, or not for us
            names = set()
        if not names.issuperset(self._indexes):  # cleared
            self._indexes.clear()
            self._records.clear()
        for name in sorted(names):
            index = self._index_of(name)
            index.refresh()
            for key, row, checksum in index.read_new(self._header):
                self._records[key].append(_Record(index, row, checksum))

    def _index_of(self, name):
        if name not in self._indexes:
            self._indexes[name] = _Index(os.path.join(self.path, name), self.dtype, self.row_shape)
        return self._indexes[name]

    def _verified_records(self, keys):
        """Return the last record of each key whose row is whole; torn and garbled ones after it are forgotten."""
        verified, remaining = {}, set(keys) & self._records.keys()
        while remaining:
            last = {key: self._records[key][-1] for key in remaining}
            unverified = defaultdict(list)
            for record in last.values():
                if not record.is_verified:
                    unverified[record.index].append(record)
            for index, records in unverified.items():
                index.verify(records)
            verified.update((key, record) for key, record in last.items() if record.is_verified)
            remaining -= verified.keys()
            for key in remaining:
                self._records[key].pop()
                if not self._records[key]:
                    del self._records[key]
            remaining &= self._records.keys()
        return verified


class _Index:
    """The index of a segment as far as it has been read, and whether the rows have changed since.

    Parameters
    ----------
    path : str
        The segment's files, without their endings.
    dtype : numpy.dtype
        Type of a row's elements.
    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, path, dtype, row_shape):
        self.segment = open_segment(f"{path}.rows", dtype, row_shape)
        self.end = 0  # what comes later in the file has not been read
        self.version = 1  # of the rows: what was verified in an earlier one is verified again
        self._path = f"{path}.index"
        self._state = (0, 0)  # size of the rows' file, and time of its last change

    def refresh(self):
        """Note the state of the rows' file; where it did anything but grow, it is mapped and verified again."""
        state = (0, 0)
        with suppress(OSError):
            status = os.stat(self.segment.path)
            state = status.st_size, status.st_mtime_ns
        if state != self._state and state[0] <= self._state[0]:
            self.version += 1
            self.segment.unmap()
        self._state = state

    def read_new(self, header):
        """Return key, row and the row's checksum of each record that was not yet read and is whole."""
        try:
            if os.stat(self._path).st_size <= self.end:
                return []
            with open(self._path, "rb") as file:
                if self.end == 0 and file.read(len(header)) != header:
                    return []
                start = file.seek(max(self.end, len(header)))
                content = file.read()
        except OSError:  # removed meanwhile, or not readable here: not there
            return []
        records = []
        for end, *record in unpack_records(content):
            records.append(record)
            self.end = start + end  # a torn one that comes last may be on its way from another host: it is read again
        return records

    def verify(self, records):
        """Note in the records of rows that are whole that they are, in this version."""
        row_bytes = self.segment.row_bytes
        # Read, not mapped: of a file that is shorter than it looks from here, a map would end the process.
        with suppress(OSError), open(self.segment.path, "rb") as file:
            for record in sorted(records, key=attrgetter("row")):
                file.seek(record.row * row_bytes)
                if zlib.crc32(file.read(row_bytes)) == record.checksum:
                    self.segment.raw(record.row + 1)  # mapped from now on, and readable when the folder was cleared
                    record.verified_in = self.version


@dataclass(slots=True, eq=False)
class _Record:
    """What the index of a segment tells of a row, and in which version of the segment it was verified last."""

    index: _Index
    row: int
    checksum: int
    verified_in: int = 0

    @property
    def is_verified(self):
        return self.verified_in == self.index.version
