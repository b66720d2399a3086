"""A part of a sound file as samples, read piece by piece: never is allocated what a header claims."""

import functools
import io
import os
import re
from contextlib import contextmanager

import numpy as np

from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.utils._optional import import_extra

__all__ = ["MOST_RATE", "read_part", "soundfile"]

MOST_RATE = 768_000  # samples per second; a header that says more is damaged
_AT_ONCE = 2**20  # numbers
_CLAIMED = re.compile(r"^ ?(?:data|SSND) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
_UNKNOWN = (2**32 - 2**12, 2**31 - 2**12, 2**31 + 2**12)  # what streams have for a length lies from here on, or between


@functools.cache
def soundfile():
    """Return the library that reads sound files."""
    return import_extra("soundfile", "audio", "AudioTransformer (sound files)")


def read_part(file, part_of, channel, int16_rate=None):
    """Return some samples (n,) of a sound file, and its rate.

    Parameters
    ----------
    file : str or bytes
        Where it is, or what is in it.
    part_of : callable
        Called with the number of samples that the header claims and their rate; returns from where on and how many to
        read.
    channel : int or None
        Which one; None for the mean of all.
    int16_rate : int, default=None
        Files of this rate that hold one channel of int16 are returned as such; all others as float32.
    """
    with _reads(file), soundfile().SoundFile(file if isinstance(file, str) else _Bytes(file)) as opened:
        rate, n_channels, claimed = opened.samplerate, opened.channels, opened.frames
        _check(rate, claimed, opened.extra_info)
        if channel is not None and channel >= n_channels:
            raise UnreadableError(f"has {n_channels} channels, and no channel {channel}")
        start, n_wanted = part_of(claimed, rate)
        if start:
            opened.seek(start)
        is_plain = rate == int16_rate and n_channels == 1 and opened.subtype == "PCM_16"
        at_once, pieces, n_read = max(1, _AT_ONCE // n_channels), [], 0
        while n_read < n_wanted:
            piece = opened.read(min(at_once, n_wanted - n_read), dtype="int16" if is_plain else "float32")
            if not len(piece):
                break
            n_read += len(piece)
            pieces.append(piece if piece.ndim == 1 else one_channel(piece, channel))
    if n_read < n_wanted:
        raise UnreadableError(
            f"is cut off: it ends after {(start + n_read) / rate:.3g} of the {claimed / rate:.6g} seconds that its "
            f"header claims"
        )
    return (pieces[0] if len(pieces) == 1 else np.concatenate(pieces)), rate


def one_channel(samples, channel):
    """Return one of the channels of (n, channels), or their mean for None."""
    return samples.mean(axis=1, dtype=np.float32) if channel is None else samples[:, channel]


def _check(rate, claimed, log):
    if not 0 < rate <= MOST_RATE:
        raise UnreadableError(f"claims {rate} samples per second, of which nothing is known to have so many")
    if claimed <= 0:
        raise UnreadableError("has no samples")
    for n_claimed, n_there in _CLAIMED.findall(log) if "should be" in log else ():
        n_claimed = int(n_claimed)
        is_open = n_claimed >= _UNKNOWN[0] or _UNKNOWN[1] <= n_claimed <= _UNKNOWN[2]
        if n_claimed > int(n_there) and not is_open:
            raise UnreadableError(f"is cut off: it has {n_there} of the {n_claimed} bytes that its header claims")


@contextmanager
def _reads(file):
    """Raise what libsndfile and the file system raise as `UnreadableError`."""
    library = soundfile()
    try:
        yield
    except library.SoundFileError as error:
        raise UnreadableError(_cause(file, getattr(error, "error_string", str(error)))) from error
    except TypeError as error:  # of a name that ends in .raw, which tells nothing of what is in the file
        raise UnreadableError(f"cannot be read: {error}") from error


def _cause(file, text):
    if isinstance(file, str):
        try:
            with open(file, "rb") as opened:
                head = opened.read(64)
        except OSError as error:
            return f"{type(error).__name__}: {error}"
    else:
        head = bytes(file[:64])
    if not head:
        return "is empty: 0 bytes"
    text = text.strip().rstrip(".")
    is_text = head.isascii() and not any(byte < 9 for byte in head)
    hint = " It begins like text" if is_text else " Other formats are for a loader=, which may return (array, rate)"
    return f"is no sound file that libsndfile reads, or is damaged: {text}.{hint}"


class _Bytes(io.BytesIO):
    """Bytes as a file in which libsndfile may look for what would lie before its start."""

    def seek(self, offset, whence=os.SEEK_SET):
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self.tell(), os.SEEK_END: len(self.getbuffer())}[whence]
        return super().seek(max(0, base + offset))
