"""What tells a video, or sound that only FFmpeg reads: endings, first bytes; and what a file is that holds none."""

import re

__all__ = ["HEAD", "advice_for", "has_video_ending", "is_sound_head", "is_video_head"]

HEAD = 64  # bytes, from which a container can be told

_ENDINGS = "3g2 3gp asf avi f4v flv m2ts m2v m4v mkv mov mp4 mpeg mpg mts mxf ogv qt vob webm wmv"
_ENDING = re.compile(rf"\.({_ENDINGS.replace(' ', '|')})([?#]\S*)?\s*$", re.IGNORECASE)
# Pictures (HEIF, AVIF, a camera's) and sound (M4A) have the container of MP4 too, with brands of their own.
_START = re.compile(
    rb".{4}ftyp(?!he[iv][cfmsx]|mif1|msf1|avi[fs]|crx |M4[AB] )|.{4}(?:moov|mdat|wide)|\x1a\x45\xdf\xa3|RIFF.{4}AVI |"
    rb"FLV\x01|\x00\x00\x01[\xba\xb3]|\x30\x26\xb2\x75\x8e\x66\xcf\x11",
    re.DOTALL,
)
# M4A, AAC without a container, AMR, Monkey's Audio and WavPack, none of which libsndfile reads.
_SOUND_START = re.compile(rb".{4}ftypM4[AB] |\xff[\xf0\xf1\xf8\xf9]|#!AMR|MAC |wvpk", re.DOTALL)


def has_video_ending(name):
    """Return whether a path or a URL ends like that of a video."""
    return _ENDING.search(name) is not None


def is_video_head(head):
    """Return whether the content of a file, of which these are the first `HEAD` bytes, is a video."""
    return _START.match(head) is not None


def is_sound_head(head):
    """Return whether the content of a file begins as sound that FFmpeg reads and libsndfile does not."""
    return _SOUND_START.match(head) is not None


def advice_for(head, error):
    """Return what to say of a file that FFmpeg cannot open: by its first bytes."""
    if is_video_head(head) or is_sound_head(head):
        return f"is damaged, or truncated before what it holds is told ({error})"
    return "is no video, or of a format that FFmpeg cannot read"
