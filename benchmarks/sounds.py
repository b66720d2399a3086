"""Sound: digits that are spoken, seen, or both, and what reading costs.

``--sounds`` is the folder of the Free Spoken Digit Dataset (WAV files named ``digit_speaker_take.wav``), ``--whisper``
a transformers folder. Speakers are held out, in three groups of two.

- ``digits``: from scratch, beside mean and spread of log-mels → LogisticRegression.
- ``few``: few clips, of the same speakers, beside mean and spread of MFCCs → support vector machine.
- ``whisper``: frozen; ``--takes`` leaves out the others, as each clip costs what 30 seconds do.
- ``fused``: each spoken digit with a picture of the same digit (scikit-learn's), both with noise: picture, sound, both,
  and with one of them missing at random in 30 % of the rows.
- ``speed``: decoding and resampling beside soundfile and soxr by hand; log-mels beside WhisperFeatureExtractor, at the
  same length. CPU seconds.
- ``search``: how often 12 candidates × 3 folds decode each clip, with ``memory=``.

    python benchmarks/sounds.py digits fused --sounds recordings
    python benchmarks/sounds.py speed search
"""

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
from _pretrained import skip_without
from scipy.fft import dct
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ParameterGrid, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_mm import AudioInput, ImageInput, ModalityTransformer, MultimodalClassifier
from sklearn_mm.encoders import PretrainedEncoder
from sklearn_mm.preprocessing import AudioTransformer, ImageTransformer
from sklearn_mm.utils._log_mel import LogMel

RATE = 8000
_HELD = 3  # groups of speakers


def read_digits(arguments):
    """Return files of spoken digits, what was said, and by whom."""
    if arguments.sounds is None:
        print("skipped: spoken digits want --sounds.")
        sys.exit(0)
    files = sorted(arguments.sounds.rglob("*.wav"))
    names = [file.stem.split("_") for file in files]
    kept = [int(take) < arguments.takes for _, _, take in names]
    table = pd.DataFrame(names, columns=["digit", "speaker", "take"]).assign(sound=list(map(str, files)))
    return table[kept].reset_index(drop=True)


def report(task, what, **found):
    """Print a row of the table."""
    print(f"| {task} | {what} | " + ", ".join(f"{name} {value}" for name, value in found.items()) + " |", flush=True)


def groups(table):
    """Yield the speakers that are held out, and where they speak."""
    speakers = sorted(table["speaker"].unique())
    for held_out in np.array_split(speakers, _HELD):
        yield " + ".join(held_out), table["speaker"].isin(held_out).to_numpy()


def statistics(files, n_coefficients=None):
    """Return mean and spread of the log-mels of files, or of so many cepstral coefficients (MFCC)."""
    rows, log_mel = AudioTransformer(RATE, n_jobs=1).fit_transform(files), LogMel(RATE, 40)
    frames = [log_mel(torch.from_numpy(row / np.float32(32768)).unsqueeze(0))[0].numpy() for row in rows]
    if n_coefficients is not None:
        frames = [dct(f, norm="ortho")[:, :n_coefficients] for f in frames]
    return np.stack([np.concatenate([f.mean(0), f.std(0)]) for f in frames])


def training(arguments):
    """Return the parameters of estimators that train from scratch."""
    return {
        "wide": arguments.wide,
        "max_epochs": arguments.epochs,
        "batch_size": arguments.batch_size,
        "lr": arguments.lr,
    }


def digits(arguments):
    """Print the accuracy on speakers that were not heard, from scratch and by logistic regression."""
    table, scores = read_digits(arguments), []
    X, y = table[["sound"]], table["digit"].to_numpy()
    summary = statistics(list(table["sound"]))
    audio = AudioInput("sound", transformer=AudioTransformer(RATE, n_jobs=1), encoder=arguments.encoder)
    for name, test in groups(table):
        linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(summary[~test], y[~test])
        clf = MultimodalClassifier(audio=audio, random_state=0, **training(arguments))
        start = time.process_time()
        clf.fit(X[~test], y[~test], groups=table["speaker"][~test])
        seconds = time.process_time() - start
        scores.append((clf.score(X[test], y[test]), linear.score(summary[test], y[test])))
        ours, theirs = scores[-1]
        report("digits", name, scratch=f"{ours:.3f}", seconds=f"{seconds:.0f}", LogisticRegression=f"{theirs:.3f}")
    ours, theirs = np.mean(scores, axis=0)
    report("digits", "mean", scratch=f"{ours:.3f}", LogisticRegression=f"{theirs:.3f}")


def few(arguments):
    """Print the accuracy that few clips lead to, of speakers that are heard in training too."""
    table = read_digits(arguments)
    X, y = table[["sound"]], table["digit"].to_numpy()
    summary = statistics(list(table["sound"]), n_coefficients=20)
    audio = AudioInput("sound", transformer=AudioTransformer(RATE, n_jobs=1))
    for n_rows in arguments.rows:
        scores = []
        for seed in range(arguments.seeds):
            train, test = train_test_split(
                np.arange(len(y)), train_size=n_rows, test_size=arguments.test_rows, random_state=seed, stratify=y
            )
            machine = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 10, 100]}, cv=3)
            machine.fit(summary[train], y[train])
            clf = MultimodalClassifier(audio=audio, random_state=seed).fit(X.iloc[train], y[train])
            scores.append((clf.score(X.iloc[test], y[test]), machine.score(summary[test], y[test])))
        ours, theirs = np.mean(scores, axis=0)
        report("few", f"{n_rows} clips", default=f"{ours:.3f}", **{"MFCC → SVC": f"{theirs:.3f}"})


def whisper(arguments):
    """Print the accuracy of frozen Whisper on speakers that were not heard."""
    if arguments.whisper is None:
        print("skipped: Whisper wants --whisper.")
        sys.exit(0)
    table, scores = read_digits(arguments), []
    encoder = PretrainedEncoder(arguments.whisper)
    reader = ModalityTransformer(audio=AudioInput("sound", encoder=encoder))
    blocks, y = reader.fit_transform(table[["sound"]]), table["digit"].to_numpy()
    for name, test in groups(table):
        clf = MultimodalClassifier(random_state=0)
        clf.fit(blocks[np.flatnonzero(~test)], y[~test], groups=table["speaker"][~test])
        scores.append(clf.score(blocks[np.flatnonzero(test)], y[test]))
        report("whisper", name, frozen=f"{scores[-1]:.3f}")
    report("whisper", "mean", frozen=f"{np.mean(scores):.3f}")


def seen_and_heard(table, noise, rng):
    """Return a table of pictures and sounds of the same digits, with noise: in sounds half ``noise`` times as loud."""
    images, targets = load_digits(return_X_y=True)
    pictures = [images[rng.choice(np.flatnonzero(targets == int(digit)))].reshape(8, 8) for digit in table["digit"]]
    pictures = np.clip(np.stack(pictures) / 16 + rng.normal(0, noise, size=(len(table), 8, 8)), 0, 1)
    waves = AudioTransformer(RATE, n_jobs=1).fit_transform(list(table["sound"]))
    sounds = []
    for wave in waves:
        wave = wave / np.float32(32768)
        level = np.sqrt(np.square(wave).mean()) * noise / 2
        sounds.append((wave + rng.normal(0, level, size=len(wave)).astype(np.float32), RATE))
    grey = (255 * pictures).astype(np.uint8)
    return pd.DataFrame({"picture": pd.Series(list(grey)), "sound": pd.Series(sounds, dtype=object)})


def fused(arguments):
    """Print the accuracy of pictures, sounds and both, at several levels of noise."""
    table = read_digits(arguments)
    y = table["digit"].to_numpy()
    inputs = {
        "image": ImageInput("picture", transformer=ImageTransformer(size=16, color="L")),
        "audio": AudioInput("sound", transformer=AudioTransformer(RATE, n_jobs=1)),
    }
    for noise in arguments.noise:
        scores = {}
        for seed in range(arguments.seeds):
            rng = np.random.default_rng(seed)
            X = seen_and_heard(table, noise, rng)
            test = list(groups(table))[seed % _HELD][1]
            lacking = X.astype(object)
            drawn = rng.random(len(X)) < 0.3
            for row, column in zip(np.flatnonzero(drawn), rng.choice(["picture", "sound"], drawn.sum()), strict=True):
                lacking.at[row, column] = None
            ways = {
                "picture": (X, {"audio": None}),
                "sound": (X, {"image": None}),
                "both": (X, {}),
                "both, 30 % lack one": (lacking, {}),
            }
            for way, (rows, changes) in ways.items():
                clf = MultimodalClassifier(
                    **{**inputs, **changes}, fusion=arguments.fusion, random_state=seed, **training(arguments)
                )
                clf.fit(rows[~test], y[~test], groups=table["speaker"][~test])
                scores.setdefault(way, []).append(clf.score(rows[test], y[test]))
        report("fused", f"noise {noise}", **{way: f"{np.mean(s):.3f}" for way, s in scores.items()})


def ratio(ours, theirs, repeats):
    """Return how many times faster the first of two functions is than the second: the median of pairs."""
    ratios = []
    for _ in range(repeats):
        seconds = []
        for run in (ours, theirs):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
        ratios.append(seconds[1] / seconds[0])
    return np.median(ratios)


def speed(arguments):
    """Print ratios of speed to what others do by hand, on one thread."""
    skip_without("soundfile", "soxr", "transformers")
    import soundfile
    import soxr
    from transformers import WhisperFeatureExtractor

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    waves = rng.normal(0, 0.1, size=(arguments.clips, 3 * 16_000)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        for rate, kind in ((44_100, "wav"), (44_100, "flac"), (16_000, "wav")):
            files = [f"{folder}/{row}-{rate}.{kind}" for row in range(len(waves))]
            for file, wave in zip(files, waves, strict=True):
                soundfile.write(file, soxr.resample(wave, 16_000, rate), rate)

            def by_hand(files=files):
                rows = []
                for file in files:
                    samples, rate = soundfile.read(file, dtype="float32")
                    samples = soxr.resample(samples, rate, 16_000)
                    rows.append(np.rint(32768 * samples).clip(-32768, 32767).astype(np.int16))
                length = max(map(len, rows))
                return np.stack([np.pad(row, (0, length - len(row))) for row in rows])

            def ours(files=files):
                return AudioTransformer(pad=True, n_jobs=1).fit_transform(files)

            found = ratio(ours, by_hand, arguments.repeats)
            report("speed", f"{kind} of {rate} Hz", **{"by hand / AudioTransformer": f"{found:.2f}"})
    extractor, log_mel = WhisperFeatureExtractor(), LogMel(16_000, 80)

    def ours():
        for start in range(0, len(waves), 50):
            log_mel(torch.from_numpy(waves[start : start + 50]))

    def theirs():
        for start in range(0, len(waves), 50):
            extractor(list(waves[start : start + 50]), sampling_rate=16_000, padding="longest", return_tensors="pt")

    print(
        f"log-mels of 3 s, WhisperFeatureExtractor / LogMel: {ratio(ours, theirs, arguments.repeats):.2f}", flush=True
    )


def search(arguments):
    """Print how often a search in 3 folds decodes a clip."""
    skip_without("soundfile")
    import soundfile

    from sklearn_mm.preprocessing.audio._sound_decoder import SoundDecoder

    rng = np.random.default_rng(0)
    cells, y = [], np.arange(60) % 2
    for high in y:
        file = io.BytesIO()
        tone = np.sin(np.arange(4000) * (0.1 + 0.5 * high)) + rng.normal(0, 0.1, size=4000)
        soundfile.write(file, tone / 2, RATE, format="WAV")
        cells.append(file.getvalue())
    X = pd.DataFrame({"sound": cells})
    grid = {"lr": [0.001, 0.002, 0.004], "weight_decay": [0.0, 0.01], "audio__encoder": ["cnn", "gru"]}
    grid = [{name: [value] for name, value in one.items()} for one in ParameterGrid(grid)][: arguments.candidates]
    decode, decoded = SoundDecoder.decode, []

    def counted(self, cell):
        decoded.append(cell)
        return decode(self, cell)

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(SoundDecoder, "decode", counted):
        audio = AudioInput("sound", transformer=AudioTransformer(RATE))
        clf = MultimodalClassifier(audio=audio, memory=folder, max_epochs=1, random_state=0)
        GridSearchCV(clf, grid, cv=3).fit(X, y)
    report("search", f"{len(grid)} candidates × 3 folds", **{"decodings of a clip": f"{len(decoded) / len(X):.2f}"})


TASKS = {task.__name__: task for task in (digits, few, whisper, fused, speed, search)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=["speed", "search"], choices=list(TASKS))
    parser.add_argument("--sounds", type=Path, help="folder of spoken digits")
    parser.add_argument("--whisper", type=Path, help="transformers folder")
    parser.add_argument("--takes", type=int, default=50, help="of each digit and speaker, at most")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--fusion", default="auto", help="of what is seen and heard")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.4, 0.6, 0.8])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--wide", default=None, choices=["linear"])
    parser.add_argument("--rows", type=int, nargs="+", default=[50, 100, 300], help="few clips")
    parser.add_argument("--test-rows", type=int, default=500)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=12, help="of the search, at most")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print("| task | what | found |\n|---|---|---|")
    for task in arguments.tasks:
        TASKS[task](arguments)
