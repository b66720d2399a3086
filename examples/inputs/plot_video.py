"""
Which way does it move?
=======================

Clips of shapes that move to the left or the right, or that turn. No single frame tells which: it takes an encoder that
reads several, in their order. The clips are animated GIFs, written here; videos of any other format are read alike.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from sklearn.model_selection import train_test_split

from sklearn_mm import MultimodalClassifier, VideoInput
from sklearn_mm.encoders import CNNEncoder, FrameEncoder
from sklearn_mm.preprocessing import VideoTransformer

rng = np.random.default_rng(0)
folder = Path(tempfile.mkdtemp())


def draw_clip(what, n_frames=12, side=32):
    """Return the frames of a bar that moves, or turns, and is in the middle of it anywhere and at any angle."""
    color, middle = tuple(map(int, rng.integers(120, 256, 3))), rng.uniform(0.35, 0.65, 2) * side
    angle, reach = rng.uniform(0, np.pi), rng.choice([-1, 1]) * rng.uniform(1.5, 3)
    frames = []
    for moment in np.linspace(-0.5, 0.5, n_frames):
        now = angle + (reach * moment if what == "turns" else 0)
        shift = {"left": -12, "right": 12}.get(what, 0) * moment
        along, across = np.array([np.cos(now), np.sin(now)]) * 7, np.array([-np.sin(now), np.cos(now)]) * 3
        centre = middle + np.array([shift, 0])
        corners = [centre + a * along + b * across for a, b in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
        frame = Image.new("RGB", (side, side), (30, 30, 40))
        ImageDraw.Draw(frame).polygon([tuple(corner) for corner in corners], fill=color)
        frames.append(frame)
    return frames


y = np.resize(["left", "right", "turns"], 180)
paths = [folder / f"{row}.gif" for row in range(len(y))]
for path, what in zip(paths, y, strict=True):
    first, *others = draw_clip(what)
    first.save(path, save_all=True, append_images=others, duration=40)
X = pd.DataFrame({"clip": paths})
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=60, stratify=y, random_state=0)

# %%
# What is in a column of GIFs might also be pictures, so that it is named. Frames are read by a small convolutional
# network, which also sees what changes from each to the next.
encoder = FrameEncoder(CNNEncoder(channels=(16, 32)), pool="mean")
accuracy = {}
for n_frames in (1, 4):
    video = VideoInput("clip", transformer=VideoTransformer(n_frames, size=32), encoder=encoder)
    classifier = MultimodalClassifier(video=video, max_epochs=8, lr=0.01, random_state=0).fit(X_train, y_train)
    accuracy[n_frames] = classifier.score(X_test, y_test)
    print(f"{n_frames} frame(s): {accuracy[n_frames]:.2f}")

# %%
# Some clips, what the last model says of them, and how sure it is.
reader = VideoTransformer(4, size=32).fit(X_test["clip"])
shown = [np.flatnonzero(y_test == what)[0] for what in ("left", "right", "turns")]
probabilities = classifier.predict_proba(X_test.iloc[shown])
figure, axes = plt.subplots(len(shown), 4, figsize=(6, 4.6), layout="constrained")
for row, clip, of_row in zip(axes, reader.transform(X_test["clip"].iloc[shown]), probabilities, strict=True):
    for axis, frame in zip(row, clip, strict=True):
        axis.imshow(frame)
        axis.set_axis_off()
    row[0].set_title(f"{classifier.classes_[of_row.argmax()]} ({of_row.max():.0%})", loc="left")
