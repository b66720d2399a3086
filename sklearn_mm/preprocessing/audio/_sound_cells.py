"""The ways in which a cell holds sound, and its plain form: a path, bytes, an array, or an array with its rate."""

import os
import re
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch

from sklearn_mm.preprocessing.cells._missing import held_by_record, is_missing, is_record
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.media._uris import is_data_uri, read_uri
from sklearn_mm.preprocessing.video._video_cells import content_of

__all__ = ["Samples", "can_hold_sound", "channels_last", "looks_like_sound", "plain_sound", "with_rate"]

_ENDINGS = (
    "aif aifc aiff au caf flac m4a mp1 mp2 mp3 oga ogg opus rf64 sd2 snd voc w64 wav wave wma aac amr"  # heard of, too
)
_HAS_ENDING = re.compile(rf"[^\r\n]*\S\.(?:{'|'.join(_ENDINGS.split())})(?:[?#]\S*)?\s*", re.IGNORECASE)
_STARTS = re.compile(
    rb"RIFF.{4}WAVE|RF64.{4}WAVE|fLaC|OggS|FORM.{4}AIF[FC]|ID3[\x02-\x04]|\xff[\xe2-\xe7\xf2-\xff][^\xff]|\.snd\x00|caff\x00|"
    rb".{4}ftypM4[AB] |\xff[\xf0\xf1]|#!AMR",
    re.DOTALL,
)
_HEAD = 16  # bytes
_MOST_CHANNELS = 8  # of an array
_ARRAYS = (np.ndarray, torch.Tensor)


@dataclass(frozen=True, eq=False)
class Samples:
    """An array of samples with its rate, the form that pairs and dicts of Hugging Face become.

    Parameters
    ----------
    array : array of shape (n,), (n, channels) or (channels, n)
        The samples.
    rate : object
        Samples per second.
    """

    array: np.ndarray
    rate: object


def with_rate(cell):
    """Return `Samples` for a pair of an array and its rate, or a list of such in a list; other cells as they are.

    ``scipy.io.wavfile.read`` gives such pairs the other way round.
    """
    if isinstance(cell, tuple) and len(cell) == 2:
        for array, rate in (cell, cell[::-1]):
            if isinstance(array, _ARRAYS) and isinstance(rate, Real):
                return Samples(array, rate)
    return [with_rate(item) for item in cell] if isinstance(cell, list | tuple) else cell


def plain_sound(cell):
    """Return what a cell holds: a path, bytes, an array, or `Samples`; equal for cells that hold the same."""
    if isinstance(cell, Samples):
        return Samples(_as_array(cell.array), cell.rate)
    if is_record(cell):
        return plain_sound(held_by_record(cell))
    if _is_decoded(cell):
        return Samples(_as_array(cell["array"]), cell["sampling_rate"])
    if isinstance(cell, str) and (held := read_uri(cell)) is not None:
        return held
    if _is_file(cell):
        try:
            return content_of(cell)
        except (OSError, ValueError) as error:  # ValueError: it was closed
            raise UnreadableError(f"is a file that cannot be read: {error}") from error
    return _as_array(cell) if isinstance(cell, torch.Tensor) else cell


def can_hold_sound(cell):
    """Return whether a cell is of a type that `plain_sound` knows."""
    if is_record(cell):
        return can_hold_sound(held_by_record(cell))
    plain = (str, os.PathLike, bytes, bytearray, memoryview, Samples, *_ARRAYS)
    return isinstance(cell, plain) or _is_decoded(cell) or _is_file(cell)


def looks_like_sound(cell):
    """Return whether a cell holds sound, judged without a look into any file.

    Paths and URLs count by their endings, bytes and files by how they begin, arrays only with a rate beside them.
    """
    if is_record(cell):
        return any(looks_like_sound(held) for held in cell.values() if not is_missing(held))
    if isinstance(cell, str):
        is_named = is_data_uri(cell) and cell.lstrip()[5:11].lower() == "audio/"
        return is_named or (len(cell) < 4096 and _HAS_ENDING.fullmatch(cell) is not None)
    if isinstance(cell, os.PathLike):
        return looks_like_sound(os.fsdecode(cell))
    if isinstance(cell, (bytes, bytearray, memoryview)):
        return _STARTS.match(bytes(cell[:_HEAD])) is not None
    if _is_file(cell):
        try:
            return looks_like_sound(content_of(cell, _HEAD))
        except (OSError, ValueError, TypeError):  # closed, or a file of text
            return False
    return _is_decoded(cell) or isinstance(with_rate(cell), Samples)


def channels_last(array):
    """Return samples as (n, channels), or raise where their shape or type leaves open what they are."""
    if array.dtype.kind not in "iuf":
        raise UnreadableError(f"an array must hold integers or floats, got {array.dtype}")
    if array.ndim == 1:
        return array[:, np.newaxis]
    if array.ndim != 2 or min(array.shape) > _MOST_CHANNELS:
        raise UnreadableError(
            f"an array must have the shape (n,), or (n, channels) with up to {_MOST_CHANNELS} channels, got "
            f"{array.shape}"
        )
    return array.T if array.shape[0] <= _MOST_CHANNELS < array.shape[1] else array


def _is_decoded(cell):
    """Return whether a cell is what data sets of Hugging Face make of sound: a dict of an array and its rate."""
    return isinstance(cell, dict) and {"array", "sampling_rate"} <= cell.keys()


def _is_file(cell):
    return all(callable(getattr(cell, method, None)) for method in ("read", "seek", "tell"))


def _as_array(samples):
    if isinstance(samples, torch.Tensor):
        samples = samples.detach().cpu()
        return (samples.float() if samples.dtype in (torch.bfloat16, torch.float16) else samples).numpy()
    return np.asarray(samples)  # of lists, too, which tables of Arrow make of arrays
