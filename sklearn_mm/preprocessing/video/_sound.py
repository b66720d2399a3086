"""The sound of video files, and of files of sound that only FFmpeg reads."""

import io
from typing import Any

import numpy as np

from sklearn_mm.preprocessing.image._decode import source_of
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.video._containers import audio_stream, ffmpeg_reads, head_of, import_av, open_container
from sklearn_mm.preprocessing.video._formats import HEAD, is_sound_head, is_video_head
from sklearn_mm.preprocessing.video._video_cells import plain_cell

__all__ = ["is_ffmpegs", "read_sound"]


def is_ffmpegs(source: Any) -> bool:
    """Return whether a path, or bytes, are those of a video file, or of sound that libsndfile does not read."""
    try:
        head = head_of(source if isinstance(source, str) else io.BytesIO(source[:HEAD]))
    except UnreadableError:
        return False
    return is_video_head(head) or is_sound_head(head)


def read_sound(source: Any, root: Any = None, max_seconds: float | None = None) -> tuple[np.ndarray, int]:
    """Return the sound of a video file, or of any other that FFmpeg knows.

    Parameters
    ----------
    source : str, path, bytes, binary file or dict
        The file, in any of the ways in which a cell of videos holds one.
    root : str or path, default=None
        Folder of relative paths.
    max_seconds : float, default=None
        How much is needed, from the start; little more is decoded.

    Returns
    -------
    samples : ndarray of shape (n_samples, n_channels), dtype float32
        The first track, in [-1, 1].
    rate : int
        Samples per second.

    Raises
    ------
    UnreadableError
        Where there is no sound, or no file that can be read.
    """
    av = import_av()
    source = source_of(plain_cell(source, root), root)
    with open_container(source) as container, ffmpeg_reads(source):
        stream = audio_stream(container)
        resampler = av.AudioResampler(format="fltp")  # which also makes all frames of one format
        frames, n_samples = [], 0
        for decoded in container.decode(stream):
            frames += resampler.resample(decoded)
            n_samples += decoded.samples
            if max_seconds is not None and n_samples > max_seconds * decoded.sample_rate + 1:  # 1: what is rounded
                break
        frames += resampler.resample(None)
        if not frames:
            raise UnreadableError("has a track of sound with nothing in it")
        samples = np.concatenate([part.to_ndarray() for part in frames], axis=1)
        return np.ascontiguousarray(samples.T), frames[0].sample_rate
