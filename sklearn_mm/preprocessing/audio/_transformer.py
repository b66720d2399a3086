"""A column of sound as int16 waves or float16 log-mels."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np
from joblib import Memory

from sklearn_mm.blocks._specs import AudioSpec
from sklearn_mm.preprocessing.audio._sound_cells import with_rate
from sklearn_mm.preprocessing.audio._sound_decoder import SoundDecoder
from sklearn_mm.preprocessing.audio._sound_files import MOST_RATE
from sklearn_mm.preprocessing.audio._sound_reader import SoundReader
from sklearn_mm.preprocessing.media._transformer import MediaTransformer
from sklearn_mm.storage import BlockStore
from sklearn_mm.storage._store import resolve_store
from sklearn_mm.utils._messages import of_column
from sklearn_mm.utils._object_arrays import object_array
from sklearn_mm.utils._validation import Interval, StrOptions

__all__ = ["AudioTransformer"]

_LONGEST = 30.0  # seconds


class AudioTransformer(MediaTransformer):
    """Read a column of sound into waves of one rate: int16 samples of one channel (resampling, downmixing).

    A cell is a path (string, `pathlib.Path` or ``file://`` URI), a file's bytes (also as a ``data:`` URI) or an open
    file, an array or torch tensor of shape (n,) or (n, channels), a pair ``(array, rate)`` or ``(rate, array)``, as
    scipy reads WAV files, or a dict as data sets of Hugging Face have them, ``{"array": ..., "sampling_rate": ...}`` or
    ``{"bytes": ..., "path": ...}``. Kinds may mix. Arrays hold floats, of which 1 is full scale, or integers, whose
    largest is. Cells with nothing in them (None, NaN, empty strings) give empty rows.

    Files are read by soundfile (WAV, FLAC, OGG, MP3, AIFF and others, of 8 to 32 bits or floats, with any number of
    channels) and resampled by soxr: ``pip install "sklearn-mm[audio]"``. Only what is asked for is decoded. M4A, AAC
    and the sound of videos need PyAV beside them: ``pip install "sklearn-mm[audio,video]"``.

    A cell may also be a list of these: several sounds of one thing. Then the result is a `Ragged`, as of
    `ImageTransformer`.

    Parameters
    ----------
    rate : int, default=16_000
        Samples per second of the result. Frequencies up to half of it are kept: 8,000 is a telephone, 16,000 speech,
        44,100 music. Memory and time grow with it.
    array_rate : float, default=None
        Samples per second of arrays that come without a rate. With None these are unreadable.
    mono : "mean" or int, default="mean"
        What becomes of several channels: their mean, or the one with this number, from 0 on.
    offset : float, default=0.0
        Seconds that are left out at the start.
    max_seconds : "auto" or float, default="auto"
        Longest part that is read, in seconds. "auto" is as long as the longest sound of `fit`, and 30 at most, of which
        a warning tells; longer ones are cut to it later.
    crop : {"start", "center", "end"}, default="start"
        Which part of a longer sound is read. Of compressed files, all before it is decoded too.
    pad : bool, default=False
        Whether the result is a NumPy array, in which rows are filled up with zeros. By default it is `SequenceRows`,
        which hold no padding.
    trim : float, default=None
        Cut off, at both ends, what is so many decibels less loud than the loudest 20 milliseconds: 30 or 40 leaves
        out silence before and after speech. None keeps it.
    loudness : float, default=None
        Make sounds equally loud: to which root mean square, in decibels below full scale, such as -23. None leaves them
        as they are.
    features : {"wave", "log_mel"}, default="wave"
        What rows hold: samples, which all encoders read, or the log-mel spectrogram that encoders from scratch make of
        them, computed once, as float16 numbers, frame after frame (10 milliseconds each). These take a quarter of the
        memory and spare time in each epoch; encoders that ask for waves cannot read them.
    n_bands : int, default=40
        Number of mel bands with ``features="log_mel"``.
    root : str or path, default=None
        Folder of relative paths; by default the current one.
    loader : callable, default=None
        Called with each cell that is not missing; returns what is to be read in its place, as of `ImageTransformer`:
        for URLs, archives, and formats that soundfile does not know.
    lists : bool or "auto", default="auto"
        Whether cells are lists of sounds. "auto" says yes if there is a list in `fit`.
    on_error : {"raise", "warn", "ignore"}, default="raise"
        What to do with cells that cannot be read: one error that counts and names them, one such warning, or nothing.
        In the latter two cases they are like missing ones.
    memory : str, path, joblib.Memory, BlockStore or None, default=None
        Folder that keeps rows, so that each sound is decoded once for all folds, searches and processes that name it;
        the result then lies in files and not in memory.
    n_jobs : int, default=-1
        Number of threads that decode; the result does not depend on it.

    Attributes
    ----------
    spec_ : AudioSpec
        Length of the longest row and rate.
    max_seconds_ : float
        Length of the longest row in seconds.
    unreadable_rows_ : ndarray of shape (n_unreadable,), dtype int
        Positions of the rows where something could not be read in `fit`; empty under ``on_error="raise"``.

    Notes
    -----
    Floats that go beyond full scale are made less loud as a whole. A file that ends before its header says so is
    unreadable, unless the header leaves the length open, as that of a stream does.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mm.preprocessing import AudioTransformer
    >>> beep = np.sin(np.arange(8000) / 5)
    >>> transformer = AudioTransformer(rate=8000, array_rate=8000, pad=True)
    >>> waves = transformer.fit_transform([beep, (beep[:4000], 8000), None])
    >>> waves.shape, waves.dtype
    ((3, 8000), dtype('int16'))
    >>> transformer.fit([beep]).transform(["beep.wav"])
    Traceback (most recent call last):
        ...
    ValueError: AudioTransformer cannot read 1 of 1 cells of the column (row 0):
      row 0: 'beep.wav': FileNotFoundError: [Errno 2] No such file or directory: 'beep.wav'
    Fix these cells, drop these rows, or pass on_error="warn" to read them as missing.
    """

    decoder_type = SoundDecoder
    _parameter_constraints = {
        **MediaTransformer._parameter_constraints,
        "rate": [Interval(Integral, 1000, MOST_RATE, closed="both")],
        "array_rate": [Interval(Real, 0, MOST_RATE, closed="right"), None],
        "mono": [StrOptions({"mean"}), Interval(Integral, 0, None, closed="left")],
        "offset": [Interval(Real, 0, None, closed="left")],
        "max_seconds": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
        "crop": [StrOptions({"start", "center", "end"})],
        "pad": ["boolean"],
        "trim": [Interval(Real, 0, None, closed="neither"), None],
        "loudness": [Interval(Real, None, 0, closed="both"), None],
        "features": [StrOptions({"wave", "log_mel"})],
        "n_bands": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        rate: int = 16_000,
        *,
        array_rate: float | None = None,
        mono: str | int = "mean",
        offset: float = 0.0,
        max_seconds: str | float = "auto",
        crop: str = "start",
        pad: bool = False,
        trim: float | None = None,
        loudness: float | None = None,
        features: str = "wave",
        n_bands: int = 40,
        root: str | PathLike | None = None,
        loader: Callable | None = None,
        lists: bool | str = "auto",
        on_error: str = "raise",
        memory: str | PathLike | Memory | BlockStore | None = None,
        n_jobs: int = -1,
    ):
        self.rate = rate
        self.array_rate = array_rate
        self.mono = mono
        self.offset = offset
        self.max_seconds = max_seconds
        self.crop = crop
        self.pad = pad
        self.trim = trim
        self.loudness = loudness
        self.features = features
        self.n_bands = n_bands
        self.root = root
        self.loader = loader
        self.lists = lists
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs

    def fit_read(self, X: Any, y: Any = None) -> tuple[Any, np.ndarray]:
        """Learn from a column of sound and return its rows, reading each once.

        Parameters
        ----------
        X : Series, table of one column, list, or array of shape (n_rows,) or (n_rows, 1)
            The cells.
        y : None
            Ignored.

        Returns
        -------
        rows : SequenceRows, ndarray of shape (n_rows, length) or Ragged, dtype int16 or float16
            The sounds; empty or zeros where there is none.
        present : ndarray of shape (n_rows,), dtype bool
            Where there is one.
        """
        items = self.items_to_fit(X)
        decoder = self.make_decoder(items)
        rows, present = self.read_to_fit(self.make_reader(decoder), items)
        is_log_mel = self.features == "log_mel"
        self.spec_ = AudioSpec(
            name="" if items.name is None else str(items.name),
            shape=rows.shape[1:],
            rate=int(self.rate),
            n_bands=int(self.n_bands) if is_log_mel else None,
            pool="mean" if items.are_lists else None,
        )
        samples_per_number = decoder.log_mel.hop_length / self.n_bands if is_log_mel else 1
        n_samples = round(rows.shape[1] * samples_per_number)
        self._warn_of_cut_sounds(rows.lengths * (samples_per_number / self.rate), items.name)
        if self.crop != "start":  # of later rows that are longer, the part is to be that one, too
            self._decoder = replace(self._decoder, longest=n_samples)
        self.max_seconds_ = n_samples / self.rate
        return items.gather(self._padded(rows), present)

    def make_decoder(self, items: Any) -> SoundDecoder:
        return SoundDecoder(
            root=self.root,
            rate=int(self.rate),
            array_rate=self.array_rate,
            channel=None if self.mono == "mean" else int(self.mono),
            offset=float(self.offset),
            max_seconds=_LONGEST if self.max_seconds == "auto" else float(self.max_seconds),
            crop=self.crop,
            trim=self.trim,
            loudness=self.loudness,
            features=self.features,
            n_bands=int(self.n_bands),
        )

    def make_reader(self, decoder: SoundDecoder) -> SoundReader:
        self._check_decoder(decoder)
        return SoundReader(type(self).__name__, decoder, self.loader, self.n_jobs, resolve_store(self.memory))

    def _warn_of_cut_sounds(self, seconds, column):
        n_long = np.count_nonzero(seconds > _LONGEST - 0.01)
        if self.max_seconds == "auto" and n_long:
            warnings.warn(
                f"AudioTransformer reads no more than {_LONGEST:g} seconds of a sound, and {n_long} of {len(seconds)} "
                f"sounds{of_column(column)} are that long or longer. Pass a larger max_seconds to read more of them, "
                f"features='log_mel' beside it to save memory, or max_seconds={_LONGEST:g} if this is what you want.",
                UserWarning,
                stacklevel=2,
            )

    def _as_cells(self, X):
        cells, name = super()._as_cells(X)
        return object_array([with_rate(cell) for cell in cells]), name

    def _read_later(self, reader, items):
        rows, present, failures = reader.read(items)
        return self._padded(rows.cut(self.spec_.shape[0])), present, failures

    def _padded(self, rows):
        if not self.pad:
            return rows
        array = np.asarray(rows)
        n_lacking = self.spec_.shape[0] - array.shape[1]
        return np.pad(array, ((0, 0), (0, n_lacking))) if n_lacking else array
