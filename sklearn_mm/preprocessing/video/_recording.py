"""Video files, of which FFmpeg (PyAV) decodes no more than what leads to the frames that are wanted."""

import math
from itertools import chain

import numpy as np
from PIL import Image

from sklearn_mm.preprocessing.image._bit_depth import SHALLOW
from sklearn_mm.preprocessing.image._framing import frame, leaves_alone, needed_scale
from sklearn_mm.preprocessing.media._unreadable import UnreadableError
from sklearn_mm.preprocessing.video._containers import ffmpeg_reads, open_container, video_stream
from sklearn_mm.preprocessing.video._packets import PacketTable, has_content

__all__ = ["Recording"]

_WORTH_REDUCING = 0.5  # scale from which on it costs less to have FFmpeg reduce frames than to scale them later
_SEEK_COST = 64  # packets that are passed over in the time of a seek
_TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


class Recording:
    """A video file that is open.

    Its packets are looked through first, which takes a small part of the time of decoding: they tell when each frame is
    shown, at whatever rate, and from which key frames decoding may begin.

    Parameters
    ----------
    source : str or binary file
        The path, or a file to read from.
    max_seconds : float or None, default=None
        How far to look from the start.
    """

    def __init__(self, source, max_seconds=None):
        self._source = source
        self._max_seconds = max_seconds
        self._table = None
        self._open()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._container.close()

    @property
    def starts(self):
        """When each frame comes on screen, in seconds."""
        return self._packet_table.starts

    @property
    def end(self):
        """When the last one leaves it."""
        return self._packet_table.end

    @property
    def _packet_table(self):
        if self._table is None:
            with ffmpeg_reads(self._source):
                self._table = PacketTable(self._container, self._stream, self._max_seconds)
            self._next = len(self._table.ticks) + 1  # number of the packet that comes next
        return self._table

    def header(self):
        """Return width, height and kind of the values of the upright frames."""
        with ffmpeg_reads(self._source):
            for decoded in self._container.decode(self._stream):
                return *_shown_size(decoded, self._aspect)[1], SHALLOW
        raise UnreadableError("has no frames")

    def statistics(self):
        """Return nothing: FFmpeg makes 8 bits of deeper frames."""
        return np.full(4, np.nan)

    def pictures(self, numbers, framing):
        """Yield frames, framed, by their numbers, which ascend."""
        from av.video.reformatter import VideoReformatter

        reformatter = VideoReformatter()  # which keeps what it has found out about the conversion
        for decoded in self._decoded(self._packet_table.shown[numbers].tolist()):
            yield _picture(decoded, self._aspect, framing, reformatter)

    def _open(self):
        self._container = open_container(self._source)
        self._stream = video_stream(self._container)
        self._aspect = float(self._stream.codec_context.sample_aspect_ratio or 1) or 1.0
        self._stream.codec_context.thread_count = 1  # clips are decoded in threads, each by one

    def _decoded(self, wanted):
        """Yield the decoded frames of some packets, by their numbers, in the order in which they are shown."""
        ticks = self._packet_table.ticks
        for start, packets in self._packet_table.runs(wanted):
            lacking, last = [int(ticks[packet]) for packet in packets], None
            with ffmpeg_reads(self._source):
                for decoded in self._decoded_from(start, {*packets}):
                    while lacking and decoded.pts > lacking[0] and last is not None:
                        lacking.pop(0)
                        yield last  # there are packets that others refer to, of which no frame is shown
                    if lacking and decoded.pts == lacking[0]:
                        lacking.pop(0)
                        _check_whole(decoded)
                        yield decoded
                    if not lacking:
                        break
                    last = decoded
            if lacking and last is None:
                raise UnreadableError("is damaged: of some packets no frame can be decoded")
            yield from (last for _ in lacking)

    def _decoded_from(self, start, wanted):
        """Yield the frames that are decoded from a packet on; some are left out that are neither wanted nor needed."""
        if not 0 <= start - self._next <= _SEEK_COST:
            self._seek(start)
        codec, needs_all = self._stream.codec_context, not self._packet_table.tells_order
        codec.flush_buffers()
        for packet in self._packets:
            number = self._next
            self._next += 1
            if number >= start:
                is_needed = needs_all or number in wanted or not has_content(packet)
                codec.skip_frame = "DEFAULT" if is_needed else "NONREF"
                yield from packet.decode()

    def _seek(self, start):
        """Let a packet come next, or some before it."""
        self._container.seek(int(self._table.ticks[start]), stream=self._stream)
        self._packets = self._container.demux(self._stream)
        first = next(self._packets)
        self._next = self._table.number_of(first)
        if self._next <= start:
            self._packets = chain([first], self._packets)
        else:  # too far, as where an index says what is not so, or there is none: from the beginning
            self._container.close()
            self._open()
            self._packets, self._next = self._container.demux(self._stream), 0


def _check_whole(decoded):
    if decoded.is_corrupt:
        raise UnreadableError(f"is damaged: the frame at {decoded.time:.2f} s cannot be decoded as a whole")


def _shown_size(decoded, aspect):
    """Return width and height that a frame is shown with, as it lies in the file, and upright."""
    lying = max(1, round(decoded.width * aspect)), decoded.height
    return lying, lying[::-1] if decoded.rotation % 180 else lying


def _picture(decoded, aspect, framing, reformatter):
    """Return the framed array of a decoded frame."""
    lying, upright = _shown_size(decoded, aspect)
    needed = needed_scale(upright, framing)
    size = [math.ceil(length * needed) for length in lying] if needed <= _WORTH_REDUCING else list(lying)
    is_scaled = size != [decoded.width, decoded.height]
    color = "gray" if framing.color == "L" else "rgb24"
    pixels = reformatter.reformat(decoded, *size, color, interpolation="AREA" if is_scaled else None).to_ndarray()
    if not decoded.rotation % 360 and leaves_alone(size, framing):
        return pixels.reshape(*framing.size, -1)
    picture = Image.fromarray(pixels)
    if decoded.rotation % 360 in _TURNS:
        picture = picture.transpose(_TURNS[decoded.rotation % 360])
    return np.asarray(frame(picture, upright, framing)).reshape(*framing.size, -1)
