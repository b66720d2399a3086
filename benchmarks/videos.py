"""Videos: which way things move, alone and beside a claim about it; and what reading of frames costs.

Shapes on noise move to the left or right, up or down, grow or turn. Whatever a clip's class, its middle frame is drawn
from the same distribution, so that a single frame is at chance (1 in 6), and so is a clip without the claim about it or
a claim without its clip (1 in 2). Clips are video files, written for this and read by `VideoTransformer`. Times are CPU
seconds of this process, with one thread; references are loops with PyAV by hand.

    OMP_NUM_THREADS=1 python benchmarks/videos.py
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw

from sklearn_mm import MultimodalClassifier, TextInput, VideoInput
from sklearn_mm.encoders import BagEncoder, CNNEncoder, FrameEncoder
from sklearn_mm.preprocessing import VideoTransformer
from sklearn_mm.preprocessing.video._recording import Recording

WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
CLAIMS = {
    **{way: f"it moves to the {way}" for way in ("left", "right")},
    **{way: f"it moves {way}" for way in ("up", "down")},
    "grow": "it grows",
    "turn": "it turns",
}
SHAPES = {
    "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
    "triangle": [(0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
    "bar": [(-1.4, -0.5), (1.4, -0.5), (1.4, 0.5), (-1.4, 0.5)],
}
SIDE = 48


def make_clip(what, rng, n_frames=25):
    """Return the frames of a clip."""
    corners = np.array(list(SHAPES.values())[rng.integers(3)])
    color = tuple(map(int, rng.integers(100, 256, 3)))
    ground = (rng.integers(0, 80, 3) + rng.integers(0, 30, (SIDE, SIDE, 3))).astype(np.uint8)
    middle, size, angle = rng.uniform(0.35, 0.65, 2) * SIDE, rng.uniform(0.12, 0.2) * SIDE, rng.uniform(0, 2 * np.pi)
    way, growth = rng.uniform(0.3, 0.5) * SIDE, rng.uniform(1.6, 2.2)
    turn = rng.choice([-1, 1]) * rng.uniform(0.5, 1) * np.pi
    frames = []
    for moment in np.linspace(-0.5, 0.5, n_frames):
        now = angle + turn * moment * (what == "turn")
        turned = corners @ np.array([[np.cos(now), np.sin(now)], [-np.sin(now), np.cos(now)]])
        points = middle + way * moment * np.array(WAYS.get(what, (0, 0)))
        points = points + size * (growth**moment if what == "grow" else 1) * turned
        frame = Image.fromarray(ground)
        ImageDraw.Draw(frame).polygon([tuple(point) for point in points], fill=color)
        frames.append(np.asarray(frame))
    return frames


def write(path, frames, gop=12, lossless=False):
    """Write a video file; what is lost in coding would be a trail behind what moves, in each frame."""
    with av.open(str(path), "w") as container:
        quality = {"qp": "0"} if lossless else {"crf": "18"}
        stream = container.add_stream("libx264", rate=24, options={**quality, "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.gop_size = gop
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame)
            picture.pts = number
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return str(path)


def make_set(folder, n_rows, seed):
    """Return a table of clips and claims, what happens in each clip, and which claims are true."""
    rng = np.random.default_rng(seed)
    happens = rng.permutation(np.resize(list(CLAIMS), n_rows))
    is_true = rng.permutation(np.resize([True, False], n_rows))
    claimed = [
        w if ok else rng.choice([other for other in CLAIMS if other != w])
        for w, ok in zip(happens, is_true, strict=True)
    ]
    paths = [
        write(folder / f"{seed}-{row}.mp4", make_clip(what, rng), lossless=True) for row, what in enumerate(happens)
    ]
    return pd.DataFrame({"clip": paths, "claim": [CLAIMS[what] for what in claimed]}), happens, is_true


def video(encoder="auto", n_frames=8, size=32):
    return VideoInput("clip", transformer=VideoTransformer(n_frames, size=size), encoder=encoder)


def measure_motion(sets, epochs, seed, models):
    """Print what is right of clips alone, by encoder."""
    (X, y, _), (X_test, y_test, _) = sets
    inputs = {
        "single frame, ResNet": video(n_frames=1),
        "8 frames, default": video(),
        "8 frames, mean of ResNet": video(FrameEncoder(pool="mean")),
        "8 frames, mean of ResNet without differences": video(FrameEncoder(pool="mean", differences=False)),
        "8 frames, transformer without differences": video(FrameEncoder(differences=False)),
        "8 frames, attention": video(FrameEncoder(pool="attention")),
        "8 of 16 frames in turn, default": video(FrameEncoder(n_frames=8), n_frames=16),
        "8 frames, CNN": video(FrameEncoder(CNNEncoder(), pool="mean")),
    }
    for name, input_ in inputs.items():
        if models is None or name in models:
            classifier = MultimodalClassifier(video=input_, max_epochs=epochs, random_state=seed)
            report("motion", name, classifier, X[["clip"]], y, X_test[["clip"]], y_test, seed)


def measure_claims(sets, epochs, seed, models):
    """Print what is right of whether claims about clips are true.

    A claim has six words, of which one or two count: a bag that ignores half of them in training often hides these.
    Small clips and their mean leave time for more epochs.
    """
    (X, _, y), (X_test, _, y_test) = sets
    clip = video(FrameEncoder(CNNEncoder(), pool="mean"), n_frames=6, size=24)
    claim = TextInput("claim", encoder=BagEncoder(token_dropout=0))
    inputs = {
        "claim alone": {"video": None, "text": claim},
        "clip alone": {"video": clip, "text": None},
        "clip and claim, default fusion": {"video": clip, "text": claim},
        "clip and claim, bilinear": {"video": clip, "text": claim, "fusion": "bilinear"},
        "clip and claim, product": {"video": clip, "text": claim, "fusion": "product"},
        "clip and claim, bilinear, default encoders": {"video": video(), "text": "claim", "fusion": "bilinear"},
    }
    for name, parameters in inputs.items():
        if models is None or name in models:
            classifier = MultimodalClassifier(**parameters, tabular=None, max_epochs=epochs, random_state=seed)
            report("claims", name, classifier, X, y, X_test, y_test, seed)


def report(task, name, classifier, X, y, X_test, y_test, seed):
    start = time.process_time()
    classifier.fit(X, y)
    seconds = time.process_time() - start
    print_row(task, name, seed, f"{classifier.score(X_test, y_test):.3f}", f"{seconds:.1f}", "–", "–")


def print_row(*cells):
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def measure_reading(folder, n_long, repeats):
    """Print how reading compares with loops by hand, in CPU time, and how many frames are decoded of a long file."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)
    frames = [np.roll(ground, 2 * number, axis=1) for number in range(96)]
    short = write(folder / "short.mp4", frames)
    still = [np.asarray(Image.fromarray(frame).resize((160, 120))) for frame in frames]
    long = write(folder / "long.mp4", [still[number % 96] for number in range(n_long)], gop=250)
    small, whole = VideoTransformer(96, size=112, n_jobs=1), VideoTransformer(96, size=(240, 320), n_jobs=1)
    few = VideoTransformer(8, size=(120, 160), n_jobs=1)
    for transformer, path in ((small, short), (whole, short), (few, long)):
        transformer.fit([path])
    compare("all of 96 frames of 320 × 240", lambda: whole.read([short]), lambda: loop(short), repeats)
    compare(
        "the same to 112 × 112",
        lambda: small.read([short]),
        lambda: [np.asarray(picture.resize((112, 112), box=(40, 0, 280, 240))) for picture in pictures(short)],
        repeats,
    )
    decoded, read_from = [], Recording._decoded_from

    def count(self, *arguments):
        for frame in read_from(self, *arguments):
            decoded.append(frame)
            yield frame

    Recording._decoded_from = count
    few.read([long])
    Recording._decoded_from = read_from
    what = f"8 of {n_long} frames, {len(decoded)} decoded"
    compare(what, lambda: few.read([long]), lambda: loop(long), repeats)
    compare(f"8 of {n_long} frames, reference seeks", lambda: few.read([long]), lambda: seek(long, 8), repeats)


def decoded(path):
    with av.open(path) as container:
        container.streams.video[0].codec_context.thread_count = 1
        yield from container.decode(video=0)


def loop(path):
    return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded(path)])


def pictures(path):
    return (frame.to_image() for frame in decoded(path))


def seek(path, n_frames):
    """Return frames at even distances, as a loop by hand seeks to them."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        found = []
        for number in range(n_frames):
            wanted = int((number + 0.5) * stream.duration / n_frames)
            container.seek(wanted, stream=stream)
            for frame in container.decode(stream):
                if frame.pts + frame.duration > wanted:
                    found.append(frame.to_ndarray(format="rgb24"))
                    break
    return np.stack(found)


def compare(what, read, by_hand, repeats):
    times = np.array([[seconds(read), seconds(by_hand)] for _ in range(repeats)]).min(axis=0)
    print_row("reading", what, "–", "–", f"{times[0]:.4f}", f"{times[1]:.4f}", f"{times[1] / times[0]:.2f}")


def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["reading", "motion", "claims"], help="reading, motion, claims")
    parser.add_argument("--rows", type=int, default=600, help="clips to train with (of claims twice as many)")
    parser.add_argument("--test-rows", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--models", nargs="+", help="these alone")
    parser.add_argument("--long", type=int, default=3000, help="frames of the long file")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 1)))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        print("| part | what | seed | accuracy | CPU s | by hand, s | times as fast |\n|---|---|---|---|---|---|---|")
        if "reading" in args.parts:
            measure_reading(folder, args.long, args.repeats)
        for seed in args.seeds:
            for part, measure, n_rows in [
                ("motion", measure_motion, args.rows),
                ("claims", measure_claims, 2 * args.rows),
            ]:
                if part in args.parts:
                    sets = make_set(folder, n_rows, 2 * seed), make_set(folder, args.test_rows, 2 * seed + 1)
                    measure(sets, args.epochs, seed, args.models)


if __name__ == "__main__":
    main()
