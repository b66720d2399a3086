"""The index of a segment: a header, then a record with checksums (CRC-32) for each row."""

import struct
import zlib

__all__ = ["RECORD_BYTES", "index_header", "pack_record", "unpack_records"]

_MAGIC = b"sklearn_mm rows1"
_FIELDS = struct.Struct("<16sQI")  # key, number of the row, checksum of the row
_CHECKSUM = struct.Struct("<I")  # of the fields
RECORD_BYTES = _FIELDS.size + _CHECKSUM.size


def index_header(row_bytes):
    """Return what the index of a segment begins with, by the size of its rows."""
    return _MAGIC + row_bytes.to_bytes(RECORD_BYTES - len(_MAGIC), "little")


def pack_record(key, row, row_checksum):
    """Return the record that tells of a row."""
    fields = _FIELDS.pack(key, row, row_checksum)
    return fields + _CHECKSUM.pack(zlib.crc32(fields))


def unpack_records(content):
    """Yield the place where each whole record ends, its key, the number of the row and the row's checksum."""
    for start in range(0, len(content) - RECORD_BYTES + 1, RECORD_BYTES):
        end = start + RECORD_BYTES
        fields = content[start : start + _FIELDS.size]
        (checksum,) = _CHECKSUM.unpack(content[start + _FIELDS.size : end])
        if zlib.crc32(fields) == checksum:
            yield end, *_FIELDS.unpack(fields)
