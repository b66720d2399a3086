"""Rows on the disk: decoded pictures and the features of frozen encoders, each made once."""

from sklearn_mm.storage._store import BlockStore
from sklearn_mm.storage._stored_rows import StoredRows

__all__ = ["BlockStore", "StoredRows"]
