"""Pictures that take more memory than a process may have: fitted, cross-validated and predicted with ``memory=``.

Pictures of 224 × 224 pixels are generated as JPEG files, read through a store, and learnt from; what is reported is the
most anonymous memory that the process held (RssAnon: what cannot be dropped and read again, unlike mapped files), above
what it held with torch and all loaded. 50,000 rows are 7.5 GB of pixels:

    python benchmarks/larger_than_memory.py --rows 50000
"""

import argparse
import io
import os
import re
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch.nn as nn
from PIL import Image
from sklearn.model_selection import cross_val_score

from sklearn_mm import ImageInput, MultimodalClassifier
from sklearn_mm.encoders import ModuleEncoder
from sklearn_mm.preprocessing import BlockStore, ImageTransformer

SIDE = 224


def write_pictures(folder, n_rows, seed=0):
    """Write pictures that are dark or bright, and return a table of their paths with their labels."""
    rng = np.random.default_rng(seed)
    contents = []
    for number in range(64):
        coarse = rng.normal(70 + 60 * (number % 2), 30, size=(14, 14, 3)).clip(0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
        contents.append(buffer.getvalue())
    paths = [Path(folder) / f"{row}.jpg" for row in range(n_rows)]
    for row, path in enumerate(paths):
        path.write_bytes(contents[row % 64])
    return pd.DataFrame({"photo": list(map(str, paths))}), np.arange(n_rows) % 64 % 2


def anonymous_memory():
    """Return the RssAnon of this process in bytes (Linux)."""
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


class Peak(threading.Thread):
    """Looks at the anonymous memory every few milliseconds while a block of code runs."""

    def __enter__(self):
        self.start_seconds, self.peak, self.over = time.perf_counter(), anonymous_memory(), threading.Event()
        self.start()
        return self

    def run(self):
        """Look until told to end."""
        while not self.over.wait(0.01):
            self.peak = max(self.peak, anonymous_memory())

    def __exit__(self, *error):
        self.over.set()
        self.join()
        self.seconds = time.perf_counter() - self.start_seconds


def make_classifier(memory, epochs):
    """Return an estimator whose encoder looks at pictures coarsely, so that reading them is most of the work."""
    module = nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.ReLU())
    image = ImageInput(
        "photo",
        transformer=ImageTransformer(SIDE, mean="dataset", std="dataset"),
        encoder=ModuleEncoder(module, trainable="all"),
        augment=None,
    )
    return MultimodalClassifier(image=image, memory=memory, max_epochs=epochs, batch_size=64, random_state=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folder", default=None, help="where files are written (some 170 kB per row); removed after")
    parser.add_argument("--without", action="store_true", help="also fit with memory=None, which holds all pixels")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        X, y = write_pictures(folder, arguments.rows)
        store = BlockStore(os.path.join(folder, "store"))
        make_classifier(None, 1).fit(X[:128], y[:128])  # what is loaded once
        at_rest, pixels = anonymous_memory(), arguments.rows * SIDE * SIDE * 3
        clf = make_classifier(store, arguments.epochs)
        steps = {
            "fit, cold store": lambda: clf.fit(X, y),
            "fit, warm store": lambda: clf.fit(X, y),
            "cross-validate (2 folds), warm": lambda: cross_val_score(clf, X, y, cv=2),
            "predict": lambda: clf.predict(X),
        }
        if arguments.without:
            steps["fit, memory=None"] = lambda: make_classifier(None, arguments.epochs).fit(X, y)
        print(f"{arguments.rows} rows, {pixels / 1e9:.2f} GB of pixels; at rest {at_rest / 1e9:.2f} GB of RssAnon")
        print("| | peak of RssAnon | above rest / pixels | time |\n|---|---|---|---|")
        for name, step in steps.items():
            with Peak() as watch:
                step()
            above = max(0, watch.peak - at_rest) / pixels
            print(f"| {name} | {watch.peak / 1e9:.2f} GB | {above:.3f} | {watch.seconds:.1f} s |", flush=True)
        print(f"\naccuracy {clf.score(X, y):.3f}, store {store.n_bytes / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
