"""Appending to a segment, durably: rows are synchronised to the disk (fsync) before the records that tell of them."""

import os
from contextlib import suppress
from uuid import uuid4

__all__ = ["SegmentWriter"]


class SegmentWriter:
    """A new segment, that one process adds to; its files are open only while it does.

    Parameters
    ----------
    folder : str
        Where; made if need be.
    header : bytes
        What the index begins with.

    Attributes
    ----------
    name : str
        The segment's files, without folder and endings.
    n_rows : int
        Number of rows that it holds.
    index_end : int
        Size of the index in bytes.
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

    def is_intact(self):
        """Whether the segment is as this process left it."""
        try:
            sizes = [os.stat(self._path + ending).st_size for ending in (".rows", ".index")]
        except OSError:
            return False
        return sizes == [self._rows_end, self.index_end]

    def append(self, rows, records):
        """Write rows (n_rows, row_bytes), wait until they are safe, then write the records that tell of them."""
        self._write(".rows", rows)
        self._write(".index", records)
        self.n_rows += len(rows)
        self._rows_end += rows.nbytes
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
            unwritten = memoryview(content).cast("B")
            while unwritten:
                unwritten = unwritten[os.write(file, unwritten) :]
            os.fsync(file)  # some file systems say only now that the disk is full
        finally:
            os.close(file)
