"""`AudioTransformer` on cells of all kinds, against soundfile and soxr by hand."""

import io
import pickle
import struct
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_mm.preprocessing import AudioTransformer, Ragged, SequenceRows
from sklearn_mm.preprocessing.audio._sound_cells import looks_like_sound
from sklearn_mm.utils._log_mel import LogMel

soundfile = pytest.importorskip("soundfile", reason="soundfile is not installed (the extra audio)")
soxr = pytest.importorskip("soxr", reason="soxr is not installed (the extra audio)")

RATE = 16_000


def tone(seconds=0.25, pitch=440, rate=RATE, loudness=0.4):
    return (loudness * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples, rate=RATE, kind="WAV", subtype=None):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


def read(cells, **parameters):
    """Return the rows of some cells, none of which is missing."""
    rows, present = AudioTransformer(**parameters).fit_read(cells)
    assert present.all()
    return rows


def int16(samples):
    return np.rint(samples * 32768).clip(-32768, 32767).astype(np.int16)


WAVE = tone()


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"], ids=lambda name: name
)
@pytest.mark.parametrize("n_channels", [1, 2, 6])
def test_wav_of_all_depths(subtype, n_channels):
    samples = np.stack([tone(pitch=200 + 100 * channel) for channel in range(n_channels)], axis=1)
    content = encoded(samples, subtype=subtype)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    (row,) = read([content])
    np.testing.assert_allclose(row, int16(expected.mean(1)), atol=1)
    (last,) = read([content], mono=n_channels - 1)
    np.testing.assert_array_equal(last, int16(expected[:, -1]))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF"])
def test_formats(kind):
    content = encoded(WAVE, kind=kind)
    expected, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    assert rate == RATE
    np.testing.assert_array_equal(read([content])[0], int16(expected))


def test_all_forms_of_a_cell_are_read_alike(tmp_path, monkeypatch):
    content = encoded(int16(WAVE))
    path = tmp_path / "a tone.wav"
    path.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    cells = [
        str(path),
        path,
        "a tone.wav",
        path.as_uri(),
        content,
        memoryview(content),
        io.BytesIO(content),
        {"bytes": content, "path": None},
        {"bytes": None, "path": str(path)},
        (int16(WAVE), RATE),
        (int16(WAVE)[:, np.newaxis], RATE),
        (RATE, int16(WAVE)),  # of scipy.io.wavfile.read
        {"array": int16(WAVE), "sampling_rate": RATE, "path": "b.wav"},
        (torch.from_numpy(int16(WAVE)), RATE),
        int16(WAVE),
        {"array": (int16(WAVE) / 32768).tolist(), "sampling_rate": RATE},
    ]
    rows = read(cells, array_rate=RATE)
    for row in rows:
        np.testing.assert_array_equal(row, int16(WAVE))
    keys = AudioTransformer(array_rate=RATE).fit(cells).content_keys(cells)
    assert len(set(keys[:4].tolist())) == len(set(keys[4:8].tolist())) == len(set(keys[9:13:3].tolist())) == 1
    assert keys[0] != keys[4]


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([0, 2**31 - 1, -(2**31)], dtype=np.int32), [0, 32767, -32768]),
        (np.array([128, 255, 0], dtype=np.uint8), [0, 32512, -32768]),
        (np.array([0, 0.5, -1.0]), [0, 16384, -32768]),
        (np.array([0, 0.5, 2.0]), [0, 8192, 32767]),  # beyond full scale
        (np.array([[0, 0.5], [0.5, 0.5], [1, 0]]), [8192, 16384, 16384]),
        (np.zeros((2, 9)) + np.arange(9) / 16, np.arange(9) * 2048),  # channels first
    ],
    ids=["int32", "uint8", "float", "loud float", "stereo", "channels first"],
)
def test_arrays(samples, expected):
    np.testing.assert_array_equal(read([(samples, RATE)])[0], expected)


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_is_that_of_soxr(rate):
    samples = tone(rate=rate)
    expected = int16(soxr.resample(samples, rate, RATE))
    np.testing.assert_array_equal(read([(samples, rate)])[0], expected)
    np.testing.assert_array_equal(read([encoded(samples, rate, subtype="FLOAT")])[0], expected)


@pytest.mark.parametrize(("crop", "start"), [("start", 1000), ("center", 1500), ("end", 2000)])
def test_only_a_part_is_read(crop, start):
    samples = int16(np.linspace(-0.5, 0.5, 3000))
    parameters = {"offset": 1000 / RATE, "max_seconds": 1000 / RATE, "crop": crop}
    for cell in ((samples, RATE), encoded(samples), encoded(samples, kind="FLAC")):
        np.testing.assert_array_equal(read([cell], **parameters)[0], samples[start : start + 1000])


@pytest.mark.parametrize("features", ["wave", "log_mel"])
@pytest.mark.parametrize(("crop", "start"), [("start", 0), ("center", 800), ("end", 1600)])
def test_later_rows_have_that_part_too(crop, start, features, tmp_path):
    samples = tone(0.2)
    transformer = AudioTransformer(crop=crop, features=features, memory=tmp_path).fit([(samples[:1600], RATE)])
    row = transformer.transform([(samples, RATE)])[0]
    expected = read([(samples[start : start + 1600], RATE)], features=features)[0]
    # What comes behind is heard in the last frames of log-mels that are cut off.
    n_alike = len(row) if features == "wave" or crop == "end" else len(row) - 80
    assert len(row) == len(expected)
    np.testing.assert_array_equal(row[:n_alike], expected[:n_alike])


def test_silent_ends_are_trimmed():
    silence = np.zeros(3200, dtype=np.float32)
    samples = np.concatenate([silence + 0.001, WAVE, silence])
    (row,) = read([(samples, RATE)], trim=40)
    assert len(WAVE) <= len(row) <= len(WAVE) + 640
    assert len(read([(silence, RATE)], trim=40)[0]) == len(silence)


def test_sounds_are_made_equally_loud():
    rows = read([(tone(loudness=loudness), RATE) for loudness in (0.01, 0.1, 0.9)], loudness=-20)
    for row in rows:
        level = np.sqrt(np.square(row / 32768).mean())
        assert 20 * np.log10(level) == pytest.approx(-20, abs=0.1)


def test_later_rows_are_not_longer_than_those_of_fit():
    transformer = AudioTransformer().fit([(WAVE, RATE)])
    assert transformer.max_seconds_ == len(WAVE) / RATE
    assert transformer.spec_.shape == (len(WAVE),)
    rows = transformer.transform([(tone(1.0), RATE), (WAVE[:100], RATE)])
    assert [len(row) for row in rows] == [len(WAVE), 100]
    assert AudioTransformer(pad=True).fit([(WAVE, RATE)]).transform([(WAVE[:100], RATE)]).shape == (1, len(WAVE))


@pytest.mark.parametrize("features", ["wave", "log_mel"])
def test_it_warns_of_what_is_longer_than_thirty_seconds(features):
    cells = [(np.ones(n, dtype=np.int16), 1000) for n in (31_000, 30_500, 10)]
    with pytest.warns(UserWarning, match=r"no more than 30 seconds of a sound, and 2 of 3 sounds of column 'call'"):
        AudioTransformer(rate=1000, features=features).fit(pd.Series(cells, name="call"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AudioTransformer(rate=1000, features=features, max_seconds=30).fit(cells)


def test_log_mels_are_those_of_the_waves():
    cells = [(tone(0.3), RATE), (tone(0.1, 1000), RATE)]
    rows = read(cells, features="log_mel", n_bands=20)
    assert rows.dtype == np.float16
    for row, (samples, _) in zip(rows, cells, strict=True):
        expected = LogMel(RATE, 20)(torch.from_numpy(samples)[np.newaxis])[0]
        np.testing.assert_allclose(row.reshape(-1, 20), expected, atol=2e-3)


def test_log_mels_of_floats_beyond_full_scale_are_those_of_the_waves():
    loud, full = read([(100 * WAVE, RATE), (WAVE / WAVE.max(), RATE)], features="log_mel")
    np.testing.assert_allclose(loud, full, atol=2e-3)


@pytest.mark.parametrize("features", ["wave", "log_mel"])
@pytest.mark.parametrize("loader", [None, lambda cell: cell], ids=["plain", "loader"])
def test_a_store_has_each_sound_once(tmp_path, features, loader, monkeypatch):
    cells = [(tone(seconds), RATE) for seconds in (0.3, 0.05, 0.5)] * 2 + [None]
    parameters = {"features": features, "loader": loader, "n_jobs": 1}
    plain, present = AudioTransformer(**parameters).fit_read(cells)
    stored, _ = AudioTransformer(**parameters, memory=tmp_path).fit_read(cells)
    assert present.tolist() == [True] * 6 + [False]

    def fail(*arguments):
        raise AssertionError("it was decoded again")

    monkeypatch.setattr("sklearn_mm.preprocessing.audio._sound_decoder.SoundDecoder.decode", fail)
    again, _ = AudioTransformer(**parameters, memory=tmp_path).fit_read(cells)
    for rows in (stored, again, pickle.loads(pickle.dumps(again))):
        np.testing.assert_array_equal(np.asarray(rows), np.asarray(plain))
    with pytest.raises(AssertionError, match="decoded again"):
        AudioTransformer(**parameters, rate=8000, memory=tmp_path).fit(cells)


def test_lists_of_sounds():
    pair, single = [(WAVE, RATE), (WAVE[:100], RATE)], (WAVE[:50], RATE)
    rows, present = AudioTransformer().fit_read(pd.Series([pair, single, None, []]))
    assert isinstance(rows, Ragged)
    assert isinstance(rows.items, SequenceRows)
    assert rows.counts.tolist() == [2, 1, 0, 0]
    assert present.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(rows[[1]].items[0], int16(WAVE[:50]))


def broken(name, tmp_path):
    """Return a cell that cannot be read."""
    wav, flac = encoded(int16(WAVE)), encoded(int16(WAVE), kind="FLAC")
    data = wav.index(b"data") + 4
    with_nan = WAVE.copy()
    with_nan[5] = np.nan
    if name == "a folder":
        return tmp_path
    if name == "text":
        path = tmp_path / "renamed.wav"
        path.write_text("this is no sound, although it is called one\n" * 20)
        return path
    return {
        "missing": "nowhere.wav",
        "URL": "https://nowhere.org/call.wav",
        "AAC": b"\0\0\0\x20ftypM4A " + bytes(100),
        "empty": b"",
        "no samples": encoded(np.zeros(0, dtype=np.int16)),
        "cut off": wav[: len(wav) // 2],
        "cut off AIFF": encoded(WAVE, kind="AIFF")[:3000],
        "cut off FLAC": flac[: len(flac) // 2],
        "cut off MP3": encoded(tone(2.0), kind="MP3")[:2000],
        "24 hours": wav[:data] + struct.pack("<I", 24 * 3600 * RATE * 2) + wav[data + 4 :],
        "24 hours of FLAC": flac[:21] + bytes([flac[21] | 0x0F]) + b"\x50\x00\x00\x00" + flac[26:],
        "NaN": (with_nan, RATE),
        "NaN in a file": encoded(with_nan, subtype="FLOAT"),
        "no rate": WAVE,
        "a rate of 0": (WAVE, 0),
        "an absurd rate": (WAVE, 10**9),
        "empty array": (WAVE[:0].reshape(0, 2), RATE),
        "many dimensions": (WAVE.reshape(2, 2, -1), RATE),
        "int64": (np.arange(5), RATE),
        "closed file": closed(wav),
    }[name]


class SlowFile(io.BytesIO):
    def read(self, *arguments):
        time.sleep(0.002)
        return super().read(*arguments)


def test_a_file_in_several_rows_stays_at_its_place():
    file = SlowFile(encoded(int16(WAVE)))
    file.seek(7)
    for row in read([file] * 12, n_jobs=4):
        np.testing.assert_array_equal(row, int16(WAVE))
    assert looks_like_sound(file)
    assert file.tell() == 7


def closed(content):
    file = io.BytesIO(content)
    file.close()
    return file


BROKEN = {
    "missing": "FileNotFoundError",
    "a folder": "IsADirectoryError",
    "text": "Format not recognised. It begins like text",
    "AAC": "is damaged, or truncated",
    "empty": "0 bytes",
    "no samples": "has no samples",
    "cut off": "is cut off: it has .* of the 8000 bytes that its header claims",
    "cut off AIFF": "is cut off",
    "cut off FLAC": "cut off|damaged",
    "cut off MP3": "is cut off: it ends after",
    "24 hours": "is cut off",
    "24 hours of FLAC": "is cut off|damaged",
    "NaN": "1 samples of 4000 that are not finite",
    "NaN in a file": "1 samples of 4000 that are not finite",
    "no rate": r"pass pairs \(array, rate\), or the rate of all arrays as array_rate",
    "a rate of 0": "has the rate 0",
    "an absurd rate": "has the rate 1000000000",
    "empty array": "has no samples",
    "URL": "is a URL, and nothing is fetched; pass loader=",
    "many dimensions": r"must have the shape \(n,\)",
    "int64": "has no full scale",
    "closed file": "cannot be read",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_read_is_named(name, tmp_path):
    column = pd.Series([(WAVE, RATE), broken(name, tmp_path), (WAVE, RATE)], name="call")
    with pytest.raises(ValueError, match=r"cannot read 1 of 3 cells of column 'call' \(row 1\)") as error:
        AudioTransformer().fit(column)
    assert pd.Series(str(error.value)).str.contains(BROKEN[name]).all(), error.value
    assert 'on_error="warn"' in str(error.value)
    with pytest.warns(UserWarning, match="They are read as missing"):
        _, present = AudioTransformer(on_error="warn").fit_read(column)
    assert present.tolist() == [True, False, True]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transformer = AudioTransformer(on_error="ignore")
        transformer.fit(column)
    assert transformer.unreadable_rows_.tolist() == [1]


def test_the_length_that_a_stream_leaves_open():
    wav = encoded(int16(WAVE))
    data = wav.index(b"data") + 4
    stream = wav[:4] + b"\xff" * 4 + wav[8:data] + b"\xff" * 4 + wav[data + 4 :]
    np.testing.assert_array_equal(read([stream])[0], int16(WAVE))


def test_no_memory_for_what_a_header_claims():
    """A FLAC of a day is read as far as is asked for, and nothing is allocated for the rest."""
    flac = encoded(int16(WAVE), kind="FLAC")
    day = flac[:21] + bytes([flac[21] | 0x0F]) + b"\xff\xff\xff\xff" + flac[26:]
    (row,) = read([day], max_seconds=0.1)
    np.testing.assert_array_equal(row, int16(WAVE)[:1600])


def test_a_part_that_is_not_there():
    with pytest.raises(ValueError, match=r"is 0.25 seconds long, of which nothing is left after offset=1"):
        AudioTransformer(offset=1).fit([(WAVE, RATE)])
    with pytest.raises(ValueError, match="has 1 channels, and no channel 1"):
        AudioTransformer(mono=1).fit([(WAVE, RATE)])


def test_cells_of_other_types():
    with pytest.raises(TypeError, match=r"AudioTransformer reads paths .*; got float in row 0 of the column"):
        AudioTransformer().fit([3.5])


def test_other_parameters():
    for name, value in {"rate": 10, "crop": "middle", "max_seconds": 0, "mono": -1, "trim": -3}.items():
        with pytest.raises(ValueError, match=f"The {name!r} parameter of AudioTransformer must be"):
            AudioTransformer(**{name: value}).fit([(WAVE, RATE)])
