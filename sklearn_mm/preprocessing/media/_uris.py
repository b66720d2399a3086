"""Strings that hold a medium or lead to one: ``data:`` URIs, ``file:`` URIs, and base64."""

import os
import re
from base64 import b64decode
from urllib.parse import unquote_to_bytes
from urllib.request import url2pathname

from sklearn_mm.preprocessing.media._unreadable import UnreadableError

__all__ = ["check_no_url", "decode_base64", "is_data_uri", "read_uri"]

_DATA_URI = re.compile(r"\s*data:", re.IGNORECASE)
_FILE_URI = re.compile(r"\s*file:/", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_data_uri(text):
    """Return whether a string begins as a ``data:`` URI does."""
    return _DATA_URI.match(text) is not None


def read_uri(text):
    """Return the bytes in a ``data:`` URI, the path of a ``file:`` URI, and None for other strings."""
    if is_data_uri(text):
        header, comma, data = text.partition(",")
        if not comma:
            raise UnreadableError("is a data URI without a comma")
        data = unquote_to_bytes(data)
        return decode_base64(data) if header.rstrip().lower().endswith(";base64") else data
    return _path_of_uri(text.strip()) if _FILE_URI.match(text) else None


def check_no_url(path):
    """Raise UnreadableError where a path in plain form is a URL."""
    if isinstance(path, str) and _URL.match(path):
        raise UnreadableError("is a URL, and nothing is fetched; pass loader=, a function from a URL to bytes")


def decode_base64(data):
    """Return what base64 encodes, in either of its alphabets, with or without padding."""
    data = b"".join(data.split()).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except ValueError as error:
        raise UnreadableError(f"is damaged base64: {error}") from error


def _path_of_uri(uri):
    path = uri[len("file:") :]
    if path.startswith("//"):
        host, _, path = path[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise UnreadableError(
                f"is a URI of a file on the host {host!r}; of a file here it has three slashes and the whole path, as "
                f"pathlib.Path.as_uri() writes it"
            )
        path = f"/{path}"
    try:
        return url2pathname(path) if os.name == "nt" else os.fsdecode(unquote_to_bytes(os.fsencode(path)))
    except ValueError as error:
        raise UnreadableError(f"is a damaged URI: {error}") from error
