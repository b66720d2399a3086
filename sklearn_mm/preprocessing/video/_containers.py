"""Files of video and sound as FFmpeg (PyAV) opens them, and what it raises as causes of unreadable cells."""

from contextlib import contextmanager

from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.video._formats import HEAD, advice_for
from sklearn_mm.utils._optional import import_extra

__all__ = ["audio_stream", "ffmpeg_reads", "head_of", "import_av", "open_container", "video_stream"]


def import_av():
    """Return PyAV, or raise ImportError with the line that installs it."""
    return import_extra("av", "video", "Reading of video files, and of M4A and AAC,")


def head_of(source):
    """Return the first bytes of a path or an open file."""
    if isinstance(source, str):
        try:
            with open(source, "rb") as file:
                return file.read(HEAD)
        except OSError as error:
            raise UnreadableError((error.strerror or str(error)).lower()) from error
    head = source.read(HEAD)
    source.seek(0)
    return head


@contextmanager
def ffmpeg_reads(source):
    """Raise what FFmpeg and the file system raise as `UnreadableError`."""
    av = import_av()
    try:
        yield
    except (av.error.FFmpegError, OSError, EOFError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(advice_for(head_of(_rewound(source)), cause.lower())) from error


def open_container(source):
    """Return an open file; what it refers to elsewhere, as playlists do, is not fetched.

    Parameters
    ----------
    source : str or binary file
        The path, or a file to read from its start.
    """
    av = import_av()
    with ffmpeg_reads(source):
        file = f"file:{source}" if isinstance(source, str) else _rewound(source)
        return av.open(file, container_options={"protocol_whitelist": "file"}, metadata_errors="replace")


def video_stream(container):
    """Return the stream of moving pictures of a file; covers of music are none."""
    videos = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not videos:
        sounds = [stream.codec_context.name for stream in container.streams.audio]
        container.close()
        raise UnreadableError(f"has no video, only sound ({', '.join(sounds)})" if sounds else "has no video")
    if not videos[0].codec_context.width:
        container.close()
        raise UnreadableError("has no frames")
    return videos[0]


def audio_stream(container):
    """Return the first stream of sound of a file."""
    if not container.streams.audio:
        container.close()
        raise UnreadableError("has no sound")
    return container.streams.audio[0]


def _is_cover(stream):
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _rewound(source):
    if not isinstance(source, str):
        source.seek(0)
    return source
