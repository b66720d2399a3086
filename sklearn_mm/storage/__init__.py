"""Rows that are not in memory: decoded pictures and features of frozen encoders on the disk, pictures yet to decode."""

from sklearn_mm.storage._lazy_rows import LazyRows
from sklearn_mm.storage._sequence_rows import SequenceRows
from sklearn_mm.storage._store import BlockStore
from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["BlockStore", "LazyRows", "SequenceRows", "StoredRows"]
