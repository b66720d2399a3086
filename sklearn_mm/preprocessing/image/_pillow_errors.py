"""What Pillow raises, as the one error that says that a cell cannot be read; and nothing else as that."""

import struct
import zlib
from contextlib import contextmanager

from PIL import Image

from sklearn_mm.preprocessing.media._unreadable import UnreadableError

__all__ = ["READ_ERRORS", "bomb_cause", "pillow_reads"]

# What Pillow's readers raise on damaged files, found by feeding them such files.
READ_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    RuntimeError,
    AssertionError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    struct.error,
    zlib.error,
)
_BOMB_ERRORS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@contextmanager
def pillow_reads(cause_of):
    """Raise what Pillow and the file system raise as `UnreadableError`.

    These errors are of all types, those of a mistake of ours too: only calls of theirs belong inside.

    Parameters
    ----------
    cause_of : callable
        From such an error to its cause, for people.
    """
    try:
        yield
    except _BOMB_ERRORS as error:
        raise UnreadableError(bomb_cause()) from error
    except READ_ERRORS as error:
        raise UnreadableError(cause_of(error)) from error


def bomb_cause():
    """Return what to say of a picture that is larger than Pillow's limit."""
    return (
        f"has more than {Image.MAX_IMAGE_PIXELS} pixels and could be a decompression bomb; if it is none, raise "
        f"PIL.Image.MAX_IMAGE_PIXELS"
    )
