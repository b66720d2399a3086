"""The packets of a video stream: when each is shown, and from which one decoding may begin; none is decoded."""

import numpy as np

from sklearn_mm.preprocessing.media._unreadable import UnreadableError

__all__ = ["PacketTable", "has_content"]

_SHORT = 0.95  # share of the announced frames or time below which a file is truncated
_SLACK = 0.5  # seconds by which streams of a file may be of other length
_WORTH_DECODING = 16  # packets up to the next key frame that cost no more than to begin anew there
_REORDERED = 32  # packets, at most, by which frames come before they are shown


class PacketTable:
    """What the packets of a stream tell.

    Parameters
    ----------
    container : av.container.InputContainer
        The file, at its start.
    stream : av.VideoStream
        Its stream.
    max_seconds : float or None
        How far to look from the start.

    Attributes
    ----------
    ticks : numpy.ndarray of shape (n_packets,), dtype int64
        When each is shown, in the stream's units, in the order of decoding.
    shown : numpy.ndarray of shape (n_frames,), dtype int64
        Numbers of the packets in the order in which they are shown.
    starts : numpy.ndarray of shape (n_frames,), dtype float64
        When these are shown, in seconds.
    end : float
        When the last one is no longer.
    tells_order : bool
        Whether the times are those of showing; AVI files may have times of decoding alone.
    """

    def __init__(self, container, stream, max_seconds):
        unit = float(stream.time_base)
        packets = list(_scan(container.demux(stream), np.inf if max_seconds is None else max_seconds / unit))
        if not any(is_shown for *_, is_shown in packets):
            raise UnreadableError("has no frames")
        ticks, durations, is_key, is_shown = map(np.array, zip(*packets, strict=True))
        self.ticks = ticks
        self.tells_order = not stream.codec_context.has_b_frames or bool((np.diff(ticks) < 0).any())
        self._keys = np.union1d([0], np.flatnonzero(is_key))
        self._numbers = {tick: number for number, tick in enumerate(ticks.tolist())}
        order = np.argsort(ticks, kind="stable")
        self.shown = order[is_shown[order]]
        self.starts = ticks[self.shown] * unit
        self.end = self.starts[-1] + (durations[self.shown[-1]] * unit or _interval(self.starts))
        if max_seconds is None:
            _check_complete(container, stream, len(packets), self.end - self.starts[0])

    def runs(self, wanted):
        """Return what to decode in one go, as pairs of the first packet and a list of those whose frames are wanted.

        Parameters
        ----------
        wanted : list of int
            Numbers of packets, in the order in which they are shown.
        """
        runs = []
        for number in wanted:
            start = self._key_packet(number)
            if runs and start - max(runs[-1][1]) <= _WORTH_DECODING:
                runs[-1][1].append(number)
            else:
                runs.append((start, [number]))
        return runs

    def _key_packet(self, number):
        """Return the number of the packet from which to decode, for the frame of a packet to be right.

        That is the last key frame which comes before it and is not shown after it: such frames as are shown before the
        key frame that they come behind refer to what was before (open groups of pictures).
        """
        before = self._keys[self._keys <= number]
        return int(before[self.ticks[before] <= self.ticks[number]][-1:].max(initial=0))

    def number_of(self, packet):
        """Return the number of a packet; one past the end if it is not in the table."""
        return self._numbers.get(_tick(packet), len(self.ticks))


def has_content(packet):
    """Return whether a packet holds anything; the one that comes last does not."""
    return packet.size > 0


def _scan(packets, most_ticks):
    """Yield tick, duration, whether it is a key frame, and whether it is shown, of all packets that may matter."""
    first, n_beyond = None, 0
    for packet in filter(has_content, packets):
        tick = _tick(packet)
        if tick is None:
            raise UnreadableError("has frames without times")
        first = tick if first is None else min(first, tick)
        n_beyond = n_beyond + 1 if tick >= first + most_ticks else 0
        if n_beyond > _REORDERED:
            return
        yield tick, packet.duration or 0, packet.is_keyframe, not packet.is_discard


def _tick(packet):
    return packet.dts if packet.pts is None else packet.pts


def _interval(starts):
    return float(np.median(np.diff(starts))) if len(starts) > 1 else 1.0


def _check_complete(container, stream, n_packets, seconds):
    """Raise UnreadableError where a file announces much more than it holds."""
    if n_packets < _SHORT * stream.frames:
        raise UnreadableError(f"is truncated: it has {n_packets} of {stream.frames} frames")
    announced = _announced(container, stream)
    if seconds < min(_SHORT * announced, announced - _SLACK):
        raise UnreadableError(f"is truncated: it ends after {seconds:.1f} of {announced:.1f} seconds")


def _announced(container, stream):
    """Return how many seconds a stream is said to last, 0 if nothing says so."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if "DURATION" in stream.metadata:  # Matroska's, as 00:01:02.500000000
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    is_alone = len(container.streams) == 1 and container.duration is not None
    return container.duration / 1e6 if is_alone else 0.0
